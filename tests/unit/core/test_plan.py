"""A selection held against what runs: which app is which service, and what stands against it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollback.core import plan
from rollback.core.apps import App, Container
from rollback.core.image_selection import select
from rollback.core.matching import Rules
from rollback.core.plan import Action, Environment, Plan
from rollback.errors import BadInput
from tests.support.image_factory import HOST, PROD, app, built, day_of, digest, image, runs

DAY = "2026-11-20"
BILLING = image("shop/billing:1.8.0-master", DAY)
CART = image("shop/cart:2.9.0-master", "2026-11-18")
HELD = built([BILLING, CART])
NOW = (
    app("billing", f"{HOST}/shop/billing:1.9.0-master"),
    app("cart", f"{HOST}/shop/cart:2.10.0-master"),
)


def made(*apps: App, date: str = DAY, env: Environment = PROD, repos: Any = (), **rules: Any) -> Plan:
    held = built([BILLING, CART], repos) if repos else HELD
    return plan.build(select(held, day_of(date)), apps or NOW, env, "marathon", Rules(host=HOST, **rules))


def step(found: Plan, service: str = "billing") -> plan.Step:
    return next(step for step in found.steps if step.service == service)


def billing(reference: str = f"{HOST}/shop/billing:1.9.0-master", **members: Any) -> tuple[App, ...]:
    return (app(members.pop("name", "billing"), reference, **members), NOW[1])


def test_a_change_pins_what_was_seen_and_keeps_host_and_repository() -> None:
    found = made()

    assert [(c.app.id, c.image) for c in found.changes] == [
        ("/ds/prod/shop/billing", runs("shop/billing:1.8.0-master")),
        ("/ds/prod/shop/cart", runs("shop/cart:2.9.0-master")),
    ]
    assert found.reasons == ()


def test_without_pinning_the_tag_alone_is_written() -> None:
    assert step(made(pin=False)).after == f"{HOST}/shop/billing:1.8.0-master"


def test_a_pinned_digest_never_survives_an_unpinned_change() -> None:
    found = made(*billing(f"{HOST}/shop/billing:1.9.0-master@{digest('old')}"), pin=False)

    assert step(found).after == f"{HOST}/shop/billing:1.8.0-master"
    assert any("pinned to a digest" in note for note in step(found).notes)
    assert not any("pinned to a digest" in note for note in step(made(pin=False)).notes)


def test_another_host_stays_and_is_noted() -> None:
    found = step(made(*billing("mirror.example.com:5000/shop/billing:1.9.0-master")))

    assert found.after == f"mirror.example.com:5000/shop/billing:1.8.0-master@{BILLING.digest}"
    assert found.notes == ("pulls from mirror.example.com:5000",)


@pytest.mark.parametrize("host", ["", "docker.io/", "index.docker.io/"])
def test_an_image_without_a_host_is_noted_as_docker_hubs(host: str) -> None:
    found = step(made(*billing(f"{host}shop/billing:1.9.0-master")))

    assert found.after == f"{host}shop/billing:1.8.0-master@{BILLING.digest}"
    assert found.notes == ("pulls from docker.io",)


@pytest.mark.parametrize("host", ["", "docker.io/", "registry-1.docker.io/"])
def test_docker_hub_under_any_of_its_names_is_one_registry(host: str) -> None:
    selection = select(HELD, day_of(DAY))
    apps = billing(f"{host}shop/billing:1.9.0-master")

    found = plan.build(selection, apps, PROD, "marathon", Rules(host="registry-1.docker.io"))

    assert step(found).notes == ()


@pytest.mark.parametrize(
    "reference",
    [
        f"{HOST}/shop/billing:1.8.0-master",
        f"{HOST}/shop/billing:1.8.0-master@{BILLING.digest}",
        f"{HOST}/shop/billing@{BILLING.digest}",
        f"{HOST}/shop/billing:another-name@{BILLING.digest}",
    ],
)
def test_what_runs_already_is_left_alone(reference: str) -> None:
    found = made(*billing(reference))

    assert step(found).action is Action.SAME
    assert [change.app.id for change in found.changes] == ["/ds/prod/shop/cart"]


@pytest.mark.parametrize(
    "reference",
    [
        f"{HOST}/shop/billing:1.8.0-master@{digest('another build')}",
        f"{HOST}/shop/billing@{digest('another build')}",
        f"{HOST}/shop/billing",
    ],
)
def test_the_same_tag_of_another_build_is_a_change(reference: str) -> None:
    assert step(made(*billing(reference))).action is Action.CHANGE


DECOYS = [
    "/ds/preprod/shop/billing",
    "/ds/prod2/shop/billing",
    "/ds/prod/shop/billing/worker",
    "/x/ds/prod/shop/billing",
    "/prod/shop/billing",
    "/ds/shop/prod/billing",
    "/ds/prod//billing",
    "/ds/PROD/shop/billing",
]
OLD = f"{HOST}/shop/billing:1.9.0-master"


@pytest.mark.parametrize("decoy", DECOYS)
def test_an_app_of_the_image_whose_id_does_not_fit_is_never_changed_and_always_named(decoy: str) -> None:
    alone, beside = made(app(decoy, OLD), NOW[1]), made(app(decoy, OLD), *NOW)

    assert decoy not in {step.app.id for step in (*alone.steps, *beside.steps) if step.app}
    assert [reason.service for reason in alone.reasons] == ["billing"]
    assert decoy in alone.reasons[0].why
    assert beside.reasons == ()
    assert [(other.app, other.reason, other.differs) for other in beside.others] == [
        (decoy, "its id does not fit app_id", True)
    ]


def test_an_app_of_another_environment_is_no_news() -> None:
    stage = app("/ds/stage/shop/billing", OLD)

    found = made(*NOW, stage, environments=frozenset({"prod", "stage"}))

    assert found.others == ()
    assert len(found.changes) == 2


FAMILY = (
    app("web", f"{HOST}/shop/billing:1.9.0-master"),
    app("web-worker", f"{HOST}/shop/billing:1.8.1-master"),
    app("web-canary", f"{HOST}/shop/billing:2.0.0-master"),
)


def test_every_app_of_the_image_goes_back_with_a_row_of_its_own() -> None:
    found = made(*FAMILY, NOW[1])

    assert [(one.service, one.action) for one in found.steps if one.repo == "shop/billing"] == [
        ("web", Action.CHANGE),
        ("web-canary", Action.CHANGE),
        ("web-worker", Action.CHANGE),
    ]
    assert {change.image for change in found.changes if change.app.id != "/ds/prod/shop/cart"} == {
        runs("shop/billing:1.8.0-master")
    }


def test_apps_whose_ids_end_alike_have_rows_of_their_whole_ids() -> None:
    found = made(*NOW, app("/other/prod/shop/billing", OLD))

    assert [one.service for one in found.steps] == ["/ds/prod/shop/billing", "/other/prod/shop/billing", "cart"]


def test_one_app_of_several_can_be_left_out_by_its_row_or_its_id() -> None:
    for name in ("web-worker", "/ds/prod/shop/web-worker"):
        found = made(*FAMILY, NOW[1], skip=frozenset({name}))

        stays = [one.service for one in found.steps if one.action is Action.STAYS]
        assert stays == ["web-worker"]
        assert "web-worker: left out on request" in found.warnings[0]


def test_a_service_or_a_repository_stands_for_all_its_apps() -> None:
    for name in ("billing", "shop/billing"):
        found = made(*FAMILY, NOW[1], only=frozenset({name}))

        assert {change.app.id for change in found.changes} == {one.id for one in FAMILY}


def test_a_name_that_two_repositories_end_in_is_bad_input_with_both() -> None:
    held = built([image("shop/web:1-master", DAY), image("blog/web:1-master", DAY)])

    with pytest.raises(BadInput, match="2 repositories") as caught:
        plan.build(select(held, day_of(DAY)), [], PROD, "m", Rules(only=frozenset({"web"})))

    assert "shop/web, blog/web" in caught.value.why


def test_apps_in_the_settings_are_exact_and_the_others_are_named() -> None:
    found = made(*FAMILY, NOW[1], apps={"billing": ["/ds/prod/shop/web", "/ds/{env}/shop/web-worker"]})

    assert [one.app.id for one in found.steps if one.app] == [
        "/ds/prod/shop/web",
        "/ds/prod/shop/web-worker",
        "/ds/prod/shop/cart",
    ]
    assert [(other.app, other.reason, other.differs) for other in found.others] == [
        ("/ds/prod/shop/web-canary", "not in apps:", True)
    ]


@pytest.mark.parametrize("extra", [app("/else/where", OLD), app("web-canary", OLD)])
def test_strict_refuses_an_app_of_the_image_that_is_left_out(extra: App) -> None:
    found = made(*NOW, extra, strict=True, apps={"billing": ["/ds/prod/shop/billing"]})

    (reason,) = found.reasons
    assert extra.id in reason.what
    assert "--strict" in reason.why


def test_an_app_of_the_name_that_runs_something_else_is_a_note_beside_others_and_a_refusal_alone() -> None:
    stranger = app("billing", f"{HOST}/old/billing:3-master")

    beside, alone = made(*FAMILY, stranger, NOW[1]), made(stranger, NOW[1])

    assert beside.reasons == ()
    assert "/ds/prod/shop/billing has its name, but runs" in step(beside, "web").notes[-1]
    assert "runs an image of another repository" in alone.reasons[0].what


def test_no_app_names_those_that_run_the_image_elsewhere_and_the_line_that_helps() -> None:
    (reason,) = made(app("/ds/preprod/shop/billing", f"{HOST}/shop/billing:1-master"), NOW[1]).reasons

    assert reason.what == "billing: no app of prod runs shop/billing"
    assert "/ds/preprod/shop/billing runs" in reason.why
    assert "apps: {billing: /ds/preprod/shop/billing}" in reason.hint


@pytest.mark.parametrize(
    ("ids", "line"),
    [
        (
            ("/ds/dev/shop/billing", "/web/prod/billing"),
            "{billing: /web/prod/billing}; if all ids have this form",
        ),
        (("/ds/dev/shop/billing", "/legacy/accounting"), "apps: {billing: /legacy/accounting}"),
        (("/ds/dev/shop/billing",), "correct --env if another environment is meant"),
    ],
)
def test_no_app_of_another_environment_is_offered_as_the_missing_one(ids: tuple[str, ...], line: str) -> None:
    apps = (app(name, f"{HOST}/shop/billing:1-master") for name in ids)

    (reason,) = made(*apps, NOW[1], environments=frozenset({"prod", "dev"})).reasons

    assert line in reason.hint
    assert "/ds/dev/shop/billing runs" in reason.why
    assert "/dev/" not in reason.hint


def test_an_environment_that_the_target_does_not_know_is_named_as_such() -> None:
    found = made(env=Environment("canary", "master"))

    assert len(found.reasons) == 2
    assert "no app at all has a segment 'canary' (2 apps seen)" in found.reasons[0].why


def test_several_containers_of_one_repository_change_together() -> None:
    pod = app(
        "pod",
        "",
        containers=(
            Container("migrate", f"{HOST}/shop/billing:1.9.0-master"),
            Container("main", f"{HOST}/shop/billing:1.9.0-master"),
            Container("proxy", "docker.io/library/envoy:1"),
        ),
    )

    found = made(pod, NOW[1])

    (change,) = (one for one in found.changes if one.app.id == pod.id)
    assert change.app.selected == ("migrate", "main")
    assert change.image == runs("shop/billing:1.8.0-master")


@pytest.mark.parametrize("key", ["billing", "shop/billing"])
def test_the_settings_name_an_app_that_does_not_follow_the_pattern(key: str) -> None:
    apps = (NOW[1], app("/legacy/prod/accounting", f"{HOST}/shop/billing:1.9.0-master"))

    found = made(*apps, apps={key: ["/legacy/{env}/accounting"]})

    assert step(found).app == apps[-1]
    assert found.reasons == ()


def test_an_app_that_the_settings_name_and_the_target_lacks_is_refused() -> None:
    (reason,) = made(*NOW, apps={"billing": ["/ds/prod/shop/typo"]}).reasons

    assert "/ds/prod/shop/typo" in reason.what
    assert "no right to see" in reason.why


def test_an_app_that_the_settings_name_for_another_environment_is_refused() -> None:
    apps = (app("/ds/prod/shop/billing-api", f"{HOST}/shop/billing:1.9.0-master"), NOW[1])

    found = made(
        *apps,
        env=Environment("stage", "stage"),
        apps={"billing": ["/ds/prod/shop/billing-api"], "cart": ["/elsewhere/cart"]},
        environments=frozenset({"prod", "stage", "dev"}),
    )

    assert step(found).app is None
    assert found.changes == ()
    assert "is of prod" in found.reasons[0].what
    assert 'apps: {billing: "/ds/{env}/shop/billing-api"}' in found.reasons[0].hint


@pytest.mark.parametrize(
    ("pattern", "app_id", "general"),
    [
        ("/ds/{env}/shop/{service}", "/ds/stage/shop/billing", "/ds/{env}/shop/billing"),
        ("{env}.{service}", "stage.billing", "{env}.billing"),
        ("/ds/{env}/shop/{service}", "stage.billing", "{env}.billing"),
        ("/shop/{env}-{service}", "/shop/stage-billing", "/shop/{env}-billing"),
        ("/shop/{service}_{env}", "/shop/billing_stage", "/shop/billing_{env}"),
    ],
)
def test_an_app_of_another_environment_is_noticed_in_every_form_of_id(
    pattern: str, app_id: str, general: str
) -> None:
    apps = (app(app_id, f"{HOST}/shop/billing:1.9.0-master"), NOW[1])
    named = {"billing": [app_id], "cart": ["/ds/prod/shop/cart"]}

    found = made(*apps, app_id=pattern, apps=named, environments=frozenset({"prod", "stage"}))

    assert [reason.what for reason in found.reasons if "is of stage and not of prod" in reason.what] != []
    assert any(general in reason.hint for reason in found.reasons)


def test_an_app_whose_id_may_name_another_environment_is_noted_and_not_refused() -> None:
    apps = (app("/tools/stage-manager", f"{HOST}/shop/billing:1.9.0-master"), NOW[1])

    found = made(*apps, apps={"billing": ["/tools/stage-manager"]}, environments=frozenset({"prod", "stage"}))

    assert step(found).action is Action.CHANGE
    assert "/tools/stage-manager may be an app of stage, not of prod: its id says stage" in step(found).notes


def test_an_app_of_its_own_environment_may_have_another_ones_name_in_its_id() -> None:
    apps = (app("/prod/stage/billing", f"{HOST}/shop/billing:1.9.0-master"), NOW[1])

    found = made(*apps, apps={"billing": ["/prod/stage/billing"]}, environments=frozenset({"prod", "stage"}))

    assert step(found).action is Action.CHANGE


@pytest.mark.parametrize(
    ("pattern", "app_id"),
    [
        ("/{env}/{service}", "/prod/billing"),
        ("/{a}/{b}/{env}/{c}/{service}", "/x/y/prod/z/billing"),
        ("/shop/{env}-{service}", "/shop/prod-billing"),
        ("/{project}/{service}/{env}", "/shop/billing/prod"),
        ("/s.hop/{env}/{service}", "/s.hop/prod/billing"),
    ],
)
def test_ids_of_other_forms_follow_the_pattern_of_the_settings(pattern: str, app_id: str) -> None:
    decoy = app("/sXhop/prod/billing", f"{HOST}/shop/billing:1.9.0-master")

    found = made(*billing(name=app_id), decoy, app_id=pattern, apps={"cart": ["/ds/prod/shop/cart"]})

    assert step(found).app is not None
    assert step(found).before.endswith("1.9.0-master")
    assert found.changes[0].app.id == app_id


def test_another_repository_is_refused() -> None:
    (reason,) = made(*billing(f"{HOST}/other/billing:1.9.0-master")).reasons

    assert "another repository" in reason.what
    assert "other/billing" in reason.why


@pytest.mark.parametrize("reference", ["", "not an image", "UPPER/case:1"])
def test_an_app_without_an_image_to_change_is_refused(reference: str) -> None:
    (reason,) = made(*billing(reference)).reasons

    assert "no image that can be changed" in reason.what
    assert "--skip" in reason.hint


def test_docker_hubs_library_goes_without_saying() -> None:
    held = built([image("nginx:1-master", DAY)])
    running = app("nginx", "library/nginx:2-master")

    found = plan.build(select(held, day_of(DAY)), [running], PROD, "m", Rules())

    assert found.changes[0].image.startswith("library/nginx:1-master@")


def test_one_app_for_two_services_is_refused() -> None:
    held = built([image("nginx:1-master", DAY), image("library/nginx:1-master", DAY)])

    found = plan.build(select(held, day_of(DAY)), [app("nginx", "nginx:2-master")], PROD, "m", Rules())

    assert [reason.what for reason in found.reasons] == ["/ds/prod/shop/nginx would be the app of 2 services"]
    assert found.reasons[0].why == "nginx, library/nginx"


def test_a_service_without_an_image_stays_with_a_warning_or_is_refused_when_strict() -> None:
    found, strict = made(date="2026-11-18"), made(date="2026-11-18", strict=True)

    assert step(found).action is Action.STAYS
    assert "billing: no image on or before 2026-11-18" in found.warnings[0]
    assert found.reasons == ()
    assert "billing: nothing on or before this date" in strict.reasons[0].what


def test_only_and_skip_narrow_the_plan_and_say_so() -> None:
    for narrowed in (made(only=frozenset({"cart"})), made(skip=frozenset({"shop/billing"}))):
        assert [change.app.id for change in narrowed.changes] == ["/ds/prod/shop/cart"]
        assert "billing: left out on request" in narrowed.warnings[0]


def test_a_service_that_is_left_out_cannot_stand_in_the_way() -> None:
    assert made(NOW[1], skip=frozenset({"billing"})).reasons == ()


@pytest.mark.parametrize("rule", ["only", "skip"])
def test_an_unknown_service_in_only_or_skip_is_bad_input(rule: str) -> None:
    narrowed: dict[str, Any] = {rule: frozenset({"bilking", "cart"})}

    with pytest.raises(BadInput, match="no service 'bilking'") as caught:
        made(**narrowed)

    assert "billing, cart" in caught.value.why
    assert f"--{rule}" in caught.value.hint


def test_what_cannot_be_proven_is_noted() -> None:
    assert "no health check: up means running" in step(made(*billing(checked=False))).notes
    assert "0 instances: cannot be verified" in step(made(*billing(instances=0))).notes


def test_the_order_of_the_apps_does_not_matter() -> None:
    assert made(*NOW) == made(*NOW[::-1])


def test_an_undo_writes_the_captured_definition() -> None:
    found = made()
    captured = {"container": {"volumes": [1]}}

    changed = replace(found, steps=(replace(found.steps[0], captured=captured),))

    assert changed.changes[0].definition == captured
    assert found.changes[0].definition == NOW[0].definition


def test_where_no_app_fits_everyone_that_runs_the_image_is_named_or_counted() -> None:
    history = built([image("shop/web:1-master", "2026-11-20")])
    few, many = (
        plan.build(
            select(history, day_of("2026-11-20")),
            [app(f"/elsewhere/web-{number:02}", runs("shop/web:2-master")) for number in range(count)],
            PROD,
            "m",
            Rules(),
        )
        for count in (9, 23)
    )

    assert all(f"/elsewhere/web-{number:02} runs " in few.reasons[0].why for number in range(9))
    assert all(f"/elsewhere/web-{number:02} runs " in many.reasons[0].why for number in range(20))
    assert "; 3 more run it; " in many.reasons[0].why
