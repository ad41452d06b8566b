"""What apps ran decides per app: what is certain, what is not, and what is gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollback.core import deployed, history_file, plan
from rollback.core.apps import Container
from rollback.core.deployed import ConfiguredImages
from rollback.core.history import History
from rollback.core.image import Basis, CreatedFrom, DeployedImage
from rollback.core.image_selection import AsOf, Match, select
from rollback.core.matching import Rules
from rollback.core.plan import Action, Plan
from rollback.core.timestamps import Instant
from tests.support.image_factory import HOST, PROD, app, built, day, day_of, digest, image, runs

WEB, CANARY = "/ds/prod/shop/web", "/ds/prod/shop/web-canary"


def at(text: str) -> Instant:
    return Instant.parse(f"{text}T12:00:00Z" if len(text) == 10 else text)


def configured(tag: str, since: str, until: str = "", before: str = "", **members: bool) -> ConfiguredImages:
    return ConfiguredImages(
        WEB,
        (Container("", f"{HOST}/shop/web:{tag}"),),
        at(since),
        at(until) if until else None,
        at(before) if before else None,
        **members,
    )


def ran(tag: str, since: str, until: str = "", *, app_id: str = WEB, certain: bool = True) -> DeployedImage:
    return DeployedImage(
        app_id, "shop/web", tag, digest(f"shop/web:{tag}"), at(since), at(until) if until else None, certain
    )


def history(*entries: DeployedImage, basis: Basis = Basis.DEPLOYED, gone: tuple[str, ...] = ()) -> History:
    """Images that were built one day before an app may have got them; `gone` ones are not in the registry."""
    images = [image(f"shop/web:{n}-master", f"2026-11-{n:02}") for n in range(1, 10) if f"{n}-master" not in gone]
    known = {(one.repo, one.digest): one for one in images}
    present = [entry for entry in entries if (entry.repo, entry.digest) in known]
    return built(images, ["shop/web"], last=3, basis=basis, deployed=entries, ran=deployed.images(present, known, {}))


def planned(made: History, when: str, *apps: str, **rules: bool) -> Plan:
    shown = [app(one, runs("shop/web:9-master")) for one in apps or (WEB,)]
    return plan.build(select(made, day_of(when)), shown, PROD, "m", Rules(**rules))  # type: ignore[arg-type]


def test_configurations_with_the_same_image_are_one() -> None:
    found = deployed.of_repo(
        "shop/web",
        [
            configured("1-master", "2026-11-01", "2026-11-02"),
            configured("1-master", "2026-11-02", "2026-11-05", "2026-11-01", doubtful=True),
            configured("2-master", "2026-11-05", "2026-11-06", "2026-11-02"),
            ConfiguredImages(WEB, (Container("", f"{HOST}/shop/other:1"),), at("2026-11-06")),
        ],
        600,
    )

    assert [(one.tag, str(one.since)[:10], str(one.until)[:10], one.certain) for one in found] == [
        ("1-master", "2026-11-01", "2026-11-05", True),
        ("2-master", "2026-11-05", "2026-11-06", True),
    ]


@pytest.mark.parametrize(
    ("since", "until", "before", "certain"),
    [
        ("2026-11-05T12:00:00Z", "2026-11-05T12:09:59Z", "", False),
        ("2026-11-05T12:00:00Z", "2026-11-05T12:10:00Z", "", True),
        ("2026-11-05T12:00:00Z", "2026-11-06T12:00:00Z", "2026-11-05T11:55:00Z", False),
        ("2026-11-05T12:00:00Z", "", "2026-11-05T11:55:00Z", True),
    ],
)
def test_what_lasted_no_longer_than_a_deployment_is_uncertain(
    since: str, until: str, before: str, certain: bool
) -> None:
    assert configured("1-master", since, until, before).certain(600) is certain


def test_a_tag_that_moves_or_was_pushed_again_proves_nothing() -> None:
    entries = [
        replace(ran(tag, "2026-11-05"), digest="") for tag in ("1-master", "7-master", "latest-master", "gone-1")
    ]
    tagged = {("shop/web", one.tag): digest(one.tag) for one in entries[:3]}
    created = {("shop/web", digest("1-master")): at("2026-11-01"), ("shop/web", digest("7-master")): at("2026-11-07")}

    found = deployed.with_digests(entries, tagged, created, lambda tag: tag.startswith("latest"))

    assert [one.certain for one in found] == [True, False, False, True]
    assert [bool(one.digest) for one in found] == [True, True, True, False]


def test_an_image_without_a_time_is_there_since_it_ran() -> None:
    (found,) = deployed.images([ran("x-1", "2026-11-07"), ran("x-1", "2026-11-05")], {}, {})

    assert (found.tag, found.created, found.created_from) == ("x-1", at("2026-11-05"), CreatedFrom.DEPLOYED)
    assert found.basis is Basis.DEPLOYED


def test_each_app_gets_what_it_had_itself() -> None:
    made = history(
        ran("2-master", "2026-11-05", "2026-11-07"),
        ran("4-master", "2026-11-07"),
        ran("1-master", "2026-11-04", app_id=CANARY),
    )

    steps = planned(made, "2026-11-07", WEB, CANARY).steps

    assert [(step.service, step.image.tag if step.image else "", step.match) for step in steps] == [
        ("web", "4-master", Match.EXACT),
        ("web-canary", "1-master", Match.CARRIED),
    ]
    assert {step.basis for step in steps} == {Basis.DEPLOYED}


def test_the_dates_are_those_of_deployments_and_auto_has_both() -> None:
    entries = ran("2-master", "2026-11-05", "2026-11-06"), ran("3-master", "2026-11-06", certain=False)

    assert history(*entries).dates == (day("2026-11-05"),)
    both = history(*entries, basis=Basis.AUTO)
    assert both.dates == tuple(day(f"2026-11-0{n}") for n in (9, 8, 7, 5))
    assert [(one.tag, one.basis.value) for images in both.by_day().values() for one in images.values()] == [
        ("9-master", "built"),
        ("8-master", "built"),
        ("7-master", "built"),
        ("2-master", "deployed"),
    ]


def test_on_a_day_the_newest_that_any_app_got_is_shown() -> None:
    made = history(ran("3-master", "2026-11-05T10:00:00Z"), ran("1-master", "2026-11-05T11:00:00Z", app_id=CANARY))

    assert history_file.as_json(made)["rollbacks"] == {"2026-11-05": [{"1-master": "shop/web"}]}
    assert select(made, day_of("2026-11-05")).choices[0].image == replace(
        image("shop/web:1-master", "2026-11-01"), basis=Basis.DEPLOYED
    )


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (ran("2-master", "2026-11-05", "2026-11-09", certain=False), "uncertain: it was configured with 2-master at"),
        (ran("2-master", "2026-11-09"), "what it ran before 2026-11-09 12:00 UTC is not remembered"),
        (ran("2-master", "2026-11-05", "2026-11-06"), "it ran no image of this repository then"),
    ],
)
def test_where_memory_does_not_decide_the_build_does_and_the_row_says_why(entry: DeployedImage, words: str) -> None:
    (step,) = planned(history(entry, basis=Basis.AUTO), "2026-11-07").steps

    assert step.image is not None
    assert (step.image.tag, step.basis, step.action) == ("7-master", Basis.BUILT, Action.CHANGE)
    assert any(words in note for note in step.notes)


def test_an_app_that_get_did_not_see_rests_on_the_build() -> None:
    steps = planned(history(ran("2-master", "2026-11-05")), "2026-11-05", WEB, CANARY).steps

    assert [step.image.tag for step in steps if step.image] == ["2-master", "5-master"]
    assert "what it ran then is not known" in steps[1].notes[-1]


def test_what_ran_and_is_gone_is_named_and_refused() -> None:
    made = history(ran("2-master", "2026-11-05"), ran("1-master", "2026-11-04", app_id=CANARY), gone=("2-master",))

    made_plan = planned(made, "2026-11-05", WEB, CANARY)

    (reason,) = made_plan.reasons
    assert reason.what == "web: the image that it ran is gone from the registry"
    assert f"{WEB} ran shop/web:2-master@{digest('shop/web:2-master')} then" in reason.why
    assert [step.action for step in made_plan.steps] == [Action.STAYS, Action.CHANGE]
    left = plan.build(
        select(made, day_of("2026-11-05")),
        [app(one, runs("shop/web:9-master")) for one in (WEB, CANARY)],
        PROD,
        "m",
        Rules(skip=frozenset({WEB})),
    )
    assert left.reasons == ()


def test_a_time_is_not_refused_for_a_gap_in_what_was_built() -> None:
    made = history(ran("2-master", "2026-11-05"), ran("9-master", "2026-11-09", app_id=CANARY))

    (choice,) = select(made, AsOf("then", instant=at("2026-11-06"))).choices

    assert choice.of(WEB).image is not None
    assert choice.of(CANARY).match is Match.MISSING
    assert "its newest 3 images reach to 2026-11-07" in choice.of(CANARY).reason


def test_a_tie_is_decided_by_what_an_app_ran() -> None:
    twins = [replace(image(f"shop/web:{n}-master", "2026-11-05"), tags=()) for n in (1, 2)]
    made = built(twins, basis=Basis.AUTO, deployed=[ran("2-master", "2026-11-05")], ran=twins)

    choice = select(made, day_of("2026-11-05")).choices[0].other_apps

    assert choice is not None
    assert choice.image is not None
    assert choice.image.tag == "2-master"


def test_the_file_holds_it_all_and_is_read_back() -> None:
    made = history(
        ran("2-master", "2026-11-05", "2026-11-07"),
        ran("x-1", "2026-11-07", certain=False),
        basis=Basis.AUTO,
        gone=("2-master",),
    )

    read = history_file.loads(history_file.dumps(made))

    assert read == made
    assert history_file.as_json(read)["deployed"][0] == {
        "app": WEB,
        "repo": "shop/web",
        "tag": "2-master",
        "digest": digest("shop/web:2-master"),
        "from": "2026-11-05T12:00:00Z",
        "until": "2026-11-07T12:00:00Z",
        "certain": True,
    }


def test_on_the_built_basis_nothing_of_it_counts() -> None:
    plain = history(basis=Basis.BUILT)

    assert history(ran("2-master", "2026-11-05"), basis=Basis.BUILT).dates == plain.dates
    assert planned(plain, "2026-11-07").steps[0].notes == ()
