from __future__ import annotations

import re
from dataclasses import replace

import pytest

from rollback.core import plan as plans
from rollback.core.image_selection import select
from rollback.core.matching import Rules
from rollback.core.plan import Action, Plan
from rollback.execution.outcome import Outcome, Row, Verdict
from rollback.output.error_text import error_text
from rollback.output.terminal import TerminalInfo
from rollback.output.text_format import duration, short
from rollback.output.text_report import outcome_text, plan_text
from tests.support.fleets import fleet
from tests.support.image_factory import HOST, PROD, app, built, day_of, digest, image

TERMINAL = TerminalInfo(width=80)


def planned(services: int) -> Plan:
    """A plan in which every second service changes."""
    history = fleet(services, 12)
    chosen = select(history, day_of(str(history.dates[2])))
    apps = []
    for place, choice in enumerate(chosen.choices):
        tag = choice.image.tag if choice.image and place % 2 else "99.9.9-master"
        apps.append(app(choice.repo.rpartition("/")[2], f"{HOST}/{choice.repo}:{tag}", instances=place % 3))
    return plans.build(chosen, apps, PROD, "marathon at https://dcos.example.com/service/marathon", Rules(pin=False))


@pytest.mark.parametrize("services", [1, 10, 200])
def test_a_plan_on_a_terminal_has_a_line_per_service_and_fits(services: int) -> None:
    plan = planned(services)

    lines = plan_text(
        plan, surface=TERMINAL, footer="If one is not up within 600 s: everything goes back."
    ).splitlines()

    assert max(map(len, lines)) <= 80
    assert sum(line.split()[:1] == [step.service] for step in plan.steps for line in lines) == services


def test_a_plan_with_long_names_and_tags_still_fits_a_terminal() -> None:
    plan = planned(4)
    steps = [
        replace(step, service="a-service-with-a-rather-long-name-that-goes-on", after=f"{HOST}/x:{'8' * 60}-master")
        for step in plan.steps
    ]

    lines = plan_text(replace(plan, steps=tuple(steps)), surface=TERMINAL).splitlines()

    assert max(len(line) for line in lines[3:8]) <= 80


def test_where_tags_have_no_room_their_common_ending_is_told_once() -> None:
    narrow, wide = (plan_text(planned(6), surface=TerminalInfo(width=width)) for width in (64, 120))

    assert narrow.splitlines()[1] == "      (tags end in -master)"
    brief = plan_text(replace(planned(6), until=None), surface=TerminalInfo(width=64))
    assert brief.splitlines()[0] == "Plan: prod as of 2026-11-19   (tags end in -master)"
    assert "99.9.9 " in narrow
    assert "99.9.9-master " in wide


def test_a_plan_in_a_pipe_is_never_cut() -> None:
    plan = planned(4)
    long = f"{HOST}/x:{'8' * 100}-master"
    steps = tuple(replace(step, after=long) if step.action is Action.CHANGE else step for step in plan.steps)

    assert f"{'8' * 100}-master" in plan_text(replace(plan, steps=steps))


def test_why_services_stay_is_in_their_rows_and_in_one_warning() -> None:
    history = built(
        [image(f"shop/{name}:1-master", day) for name in ("a", "b", "c") for day in ["2026-11-19"]]
        + [image("shop/new:1-master", "2026-11-20")]
    )
    apps = [app(name, f"{HOST}/shop/{name}:2-master") for name in ("a", "b", "c", "new")]
    rules = Rules(skip=frozenset({"b", "c"}))

    lines = plan_text(plans.build(select(history, day_of("2026-11-19")), apps, PROD, "m", rules)).splitlines()

    stays = [line.split(maxsplit=3) for line in lines if " stays  " in line]
    assert [[name, *rest] for name, _, *rest in stays] == [
        ["b", "stays", "left out on request"],
        ["c", "stays", "left out on request"],
        ["new", "stays", "no earlier image"],
    ]
    assert [line for line in lines if line.startswith("Note: ")] == []
    assert len([line for line in lines if line.startswith("Warning: ")]) == 2


def test_only_a_new_digest_is_shown_as_such() -> None:
    plan = planned(1)
    before = plan.steps[0].before
    digest = f"sha256:{'a' * 64}"

    text = plan_text(replace(plan, steps=(replace(plan.steps[0], after=f"{before}@{digest}"),)))

    assert "99.9.9-master@sha256:aaaaaaaaaaaa" in text


ROW = Row("billing", "/ds/prod/shop/billing", f"{HOST}/b:2", f"{HOST}/b:1", f"{HOST}/b:1", "changed", "2 of 2 ready")


def outcome(*rows: Row, verdict: Verdict = Verdict.DONE, undo: str = "") -> Outcome:
    return Outcome(verdict, 0, "1 changed and up", rows, 83.2, "20261122-040512-prod-1a2b", undo)


def test_the_first_line_is_the_verdict_and_the_time() -> None:
    assert outcome_text(outcome(ROW)).splitlines()[0] == "DONE after 83 s: 1 changed and up"


def test_what_was_put_back_goes_from_new_to_old() -> None:
    text = outcome_text(outcome(replace(ROW, state="restored"), verdict=Verdict.RESTORED))

    assert "  billing  1  →  2  restored" in text


def test_what_can_be_done_after_everything_was_put_back_is_shown() -> None:
    text = outcome_text(replace(outcome(ROW, verdict=Verdict.RESTORED), next_step="--skip=web"))

    assert "\nNext: --skip=web\n" in text


def test_a_long_detail_goes_below_its_service_on_a_terminal_and_stays_whole() -> None:
    detail = "it fails again and again: " + " ".join(f"word{number}" for number in range(40))
    failed = replace(ROW, state="failed", detail=detail)

    lines = outcome_text(outcome(failed, ROW), surface=TERMINAL).splitlines()

    assert max(map(len, lines)) <= 80
    assert " ".join(" ".join(lines).split()).count(detail) == 1


def test_every_service_has_one_line_and_what_does_not_fit_follows_below_all_of_them() -> None:
    failed = replace(ROW, service="cart", state="failed", detail="exit code 137: " + "out of memory " * 9)

    lines = outcome_text(outcome(failed, ROW), surface=TERMINAL).splitlines()

    assert lines[2].startswith("  cart     2  →  1  failed   exit code 137: out")
    assert lines[2].endswith("…")
    assert lines[3] == "  billing  2  →  1  changed  2 of 2 ready"
    assert lines[5].startswith("  cart: exit code 137: out of memory")


def test_verdict_and_undo_stand_first_and_last_where_the_report_is_taller_than_the_screen() -> None:
    many = [replace(ROW, service=f"service-{number:02}") for number in range(40)]
    ended = outcome(*many, undo="rollback undo --run=20261122-040512-prod-1a2b")

    tall = outcome_text(ended, surface=TERMINAL).splitlines()
    roomy = outcome_text(ended, surface=TerminalInfo(width=80, height=60)).splitlines()
    piped = outcome_text(ended).splitlines()

    verdict, undo = "DONE after 83 s: 1 changed and up", "Undo: rollback undo --run=20261122-040512-prod-1a2b"
    assert tall[:2] == [verdict, undo]
    assert (tall[-3], tall[-1]) == (verdict, undo)
    for lines in (roomy, piped):
        assert (lines.count(verdict), lines.count(undo), lines[0], lines[-1]) == (1, 1, verdict, undo)


def test_hashes_of_commits_are_shortened_on_a_terminal_alone() -> None:
    tags = [digest(name)[7:47] for name in ("old", "new")]
    row = replace(ROW, before=f"{HOST}/b:{tags[0]}-master", after=f"{HOST}/b:{tags[1]}-master")

    shown, piped = outcome_text(outcome(row), surface=TERMINAL), outcome_text(outcome(row))

    assert f"{tags[0][:10]}-master  →  {tags[1][:10]}-master" in shown
    assert f"{tags[0]}-master  →  {tags[1]}-master" in piped


def test_tags_give_way_before_names_and_names_in_the_middle() -> None:
    row = replace(ROW, service="customer-notification-gateway-eu", before="b:2026.11.20-rc.1-build.4711.long.tag")
    row = replace(row, after="b:2026.11.21-rc.1-build.4712.long.tag")

    tags_cut = outcome_text(outcome(row), surface=TerminalInfo(width=90)).splitlines()[2]
    names_cut = outcome_text(outcome(row), surface=TerminalInfo(width=70)).splitlines()[2]

    assert tags_cut.startswith("  customer-notification-gateway-eu  2")
    assert "…" in tags_cut
    assert re.match(r"  customer-\S*…\S*-eu  ", names_cut)
    assert names_cut.endswith("  changed  2 of 2 ready")


def test_in_a_pipe_a_long_detail_stays_on_the_line_of_its_service() -> None:
    failed = replace(ROW, state="failed", detail="x" * 300)

    assert any("billing" in line and "x" * 300 in line for line in outcome_text(outcome(failed)).splitlines())


def test_what_a_target_says_cannot_steer_the_terminal_or_forge_a_line() -> None:
    hostile = "exit 1\x1b[2J\x07\nDONE after 1 s: all is well\r\u202e"

    text = outcome_text(outcome(replace(ROW, state="failed", detail=hostile), verdict=Verdict.PARTLY))

    assert not [letter for letter in text if not letter.isprintable() and letter != "\n"]
    assert [line for line in text.splitlines() if line.startswith("DONE")] == []


def test_an_error_keeps_its_lines_and_nothing_else_that_is_not_text() -> None:
    text = error_text("it cannot be read", "line 1: \x1b[31mbad\nline 2: worse", "correct it")

    assert text.splitlines()[1:3] == ["  why:  line 1: [31mbad", "        line 2: worse"]


def test_on_a_terminal_an_error_is_broken_between_words_and_never_within_a_command() -> None:
    command = "rollback undo --run=20261122-040512-prod-1a2b --dump=/srv/rollback/prod"
    why = "nothing was released that day, and it is older than this history; see `rollback history --dump=/srv/prod`"

    lines = error_text("2026-11-01 is not a date", why, command, TerminalInfo(width=60)).splitlines()

    assert lines == [
        "rollback: 2026-11-01 is not a date",
        "  why:  nothing was released that day, and it is older than",
        "        this history; see",
        "        `rollback history --dump=/srv/prod`",
        f"  next: {command}",
    ]
    assert error_text("2026-11-01 is not a date", why).splitlines()[1] == f"  why:  {why}"


def test_the_undo_command_is_never_broken() -> None:
    command = f"rollback undo --run=20261122-040512-prod-1a2b --dump={'/long' * 30}"

    assert f"Undo: {command}" in outcome_text(outcome(ROW, undo=command), surface=TerminalInfo(width=40)).splitlines()


@pytest.mark.parametrize("verdict", Verdict)
def test_colour_never_changes_the_words(verdict: Verdict) -> None:
    plain = outcome_text(outcome(ROW, verdict=verdict), surface=TERMINAL)
    painted = outcome_text(outcome(ROW, verdict=verdict), surface=TerminalInfo(width=80, colour=True))

    assert "\x1b[" in painted
    assert re.sub(r"\x1b\[[\d;]*m", "", painted) == plain


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.85, "850 ms"), (12, "12 s"), (119.4, "119 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("registry:5000/shop/web:1.0-master", "1.0-master"),
        (f"registry:5000/shop/web:1.0@sha256:{'a' * 64}", "1.0"),
        (f"shop/web@sha256:{'a' * 64}", f"sha256:{'a' * 12}"),
        ("registry:5000/shop/web", "web"),
        ("", "-"),
    ],
)
def test_an_image_is_shown_by_what_differs_between_releases(reference: str, text: str) -> None:
    assert short(reference) == text
