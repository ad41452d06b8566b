"""What Marathon shows, to whom, and in which form."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rollback.sandbox.marathon.label_selector import fits
from tests.support.sandbox import NOW, Bench, definition


@pytest.fixture
def bench() -> Bench:
    return Bench(
        definition("/ds/prod/shop/billing"),
        definition("/ds/prod/shop/superbilling", labels={"team": "other"}),
        definition("/ds/preprod/shop/billing"),
    )


def ids(bench: Bench, query: str) -> list[str]:
    return [app["id"] for app in bench.get(f"/v2/apps?{query}")["apps"]]


def test_the_list_has_counts_and_deployments_but_neither_tasks_nor_failures(bench: Bench) -> None:
    bench.deploy("/ds/prod/shop/billing", "crashes")
    bench.later(3)

    app = bench.get("/v2/apps?id=/ds/prod/shop/billing")["apps"][0]

    assert (app["tasksRunning"], app["tasksHealthy"], len(app["deployments"])) == (2, 2, 1)
    assert not {"tasks", "lastTaskFailure"} & set(app)


@pytest.mark.parametrize("prefix", ["apps.", "app.", "group.apps.", ""])
def test_what_is_embedded_may_be_named_in_four_ways(bench: Bench, prefix: str) -> None:
    bench.deploy("/ds/prod/shop/billing", "crashes")
    bench.later(3)

    query = f"id=/ds/prod/shop/billing&embed={prefix}tasks&embed={prefix}lastTaskFailure&embed=nonsense"
    app = bench.get(f"/v2/apps?{query}")["apps"][0]

    assert [task["state"] for task in app["tasks"]] == ["TASK_RUNNING"] * 2 + ["TASK_FAILED"] * 2
    assert app["lastTaskFailure"]["state"] == "TASK_FAILED"


def test_an_id_filter_is_a_substring_of_any_case(bench: Bench) -> None:
    assert ids(bench, "id=/PROD/shop/") == ["/ds/prod/shop/billing", "/ds/prod/shop/superbilling"]
    assert len(ids(bench, "id=billing")) == 3


def test_label_filters_select_and_a_bad_one_is_refused(bench: Bench) -> None:
    assert ids(bench, "label=team==other") == ["/ds/prod/shop/superbilling"]
    assert bench.send("GET", "/v2/apps?label=team===other").status == 422


@pytest.mark.parametrize(
    ("selector", "fit"),
    [
        ("team", True),
        ("tier", False),
        ("team==shop", True),
        ("team!=shop", False),
        ("tier!=back", False),  # the label has to be there
        ("team in (a, shop)", True),
        ("team notin (a, b)", True),
        ("team==shop,tier", False),
        (r"path==\/a", True),
    ],
)
def test_label_selectors(selector: str, fit: bool) -> None:
    assert fits(selector, {"team": "shop", "path": "/a"}) is fit


def test_a_hidden_app_is_as_good_as_none(bench: Bench) -> None:
    hidden = "/ds/prod/shop/billing"
    bench.deploy(hidden, "crashes")
    bench.later(3)
    bench.api.hidden.add(hidden)

    alone = bench.send("GET", f"/v2/apps/{hidden}")

    assert (alone.status, alone.json()) == (404, {"message": f"App '{hidden}' does not exist", "details": []})
    assert hidden not in ids(bench, "")
    assert bench.get("/v2/queue") == {"queue": []}
    assert bench.get("/v2/deployments") == []
    assert all(task["appId"] != hidden for task in bench.get("/v2/tasks")["tasks"])
    assert bench.send("PATCH", f"/v2/apps/{hidden}", {"instances": 1}).status == 404


def test_one_app_comes_with_its_tasks_in_a_wrapper_with_or_without_a_second_slash(bench: Bench) -> None:
    app = bench.get("/v2/apps//ds/prod/shop/billing")

    assert app == bench.get("/v2/apps/ds/prod/shop/billing")
    task = app["app"]["tasks"][0]
    assert task["healthCheckResults"][0]["alive"] is True
    assert (task["state"], task["version"]) == ("TASK_RUNNING", app["app"]["version"])


def test_all_apps_below_a_group(bench: Bench) -> None:
    assert [app["id"] for app in bench.get("/v2/apps/ds/prod/*")["*"]] == [
        "/ds/prod/shop/billing",
        "/ds/prod/shop/superbilling",
    ]
    assert bench.send("GET", "/v2/apps/nobody/*").status == 404


def test_groups_nest(bench: Bench) -> None:
    top = bench.get("/v2/groups")
    prod = bench.get("/v2/groups/ds/prod")

    assert [group["id"] for group in top["groups"][0]["groups"]] == ["/ds/preprod", "/ds/prod"]
    assert [app["id"] for app in prod["groups"][0]["apps"]] == [
        "/ds/prod/shop/billing",
        "/ds/prod/shop/superbilling",
    ]
    assert bench.send("GET", "/v2/groups/nobody").status == 404


def test_versions_are_listed_without_an_order() -> None:
    bench = Bench()
    history = [(NOW - timedelta(days=20 - age), definition(tag=str(age))) for age in range(10)]
    bench.fleet.install(definition(), NOW - timedelta(days=1), history)

    versions = bench.get("/v2/apps/shop/billing/versions")["versions"]

    assert len(versions) == 11
    assert versions not in (sorted(versions), sorted(versions, reverse=True))


def test_counts_hold_old_and_new_together(bench: Bench) -> None:
    bench.deploy("/ds/prod/shop/billing", "2")
    bench.later(1)

    app = bench.get("/v2/apps/ds/prod/shop/billing?embed=app.taskStats")["app"]

    assert (app["tasksRunning"], app["tasksHealthy"]) == (4, 2)
    counts = {name: stats["stats"]["counts"]["running"] for name, stats in app["taskStats"].items()}
    assert counts == {"withLatestConfig": 2, "withOutdatedConfig": 2, "totalSummary": 4}


def test_the_server_tells_about_itself(bench: Bench) -> None:
    assert bench.send("GET", "/ping").body == b"pong"
    assert bench.get("/v2/info")["elected"] is True
    assert ":" in bench.get("/v2/leader")["leader"]


def test_an_unknown_address_is_a_server_error_and_a_wrong_method_is_named(bench: Bench) -> None:
    unknown = bench.send("GET", "/v2/nonsense")
    method = bench.send("POST", "/v2/deployments")

    assert (unknown.status, unknown.json()) == (500, {"message": "URI not found"})
    assert (method.status, method.json()) == (405, {"message": "Method Not Allowed"})


def test_a_delay_can_be_reset(bench: Bench) -> None:
    bench.deploy("/ds/prod/shop/billing", "crashes")
    bench.later(100)

    assert bench.send("DELETE", "/v2/queue//ds/prod/shop/billing/delay").status == 204

    assert bench.get("/v2/queue")["queue"] == []
