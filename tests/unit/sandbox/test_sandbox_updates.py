"""What an update does to a definition: Marathon's members are replaced whole, lost, ignored or refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.sandbox import Bench, definition

BILLING = "/shop/billing"


@pytest.fixture
def bench() -> Bench:
    return Bench(definition())


def container(bench: Bench) -> dict[str, Any]:
    return dict(bench.get(f"/v2/apps/{BILLING}")["app"]["container"])


def details(bench: Bench, method: str, target: str, body: Any) -> Any:
    response = bench.send(method, target, body)
    assert response.status == 422
    return response.json()


def test_a_bare_image_drops_everything_else_of_the_container(bench: Bench) -> None:
    bench.app().definition.pop("healthChecks")

    bench.patch(BILLING, {"container": {"docker": {"image": "app:2"}}})

    after = container(bench)
    assert after["docker"] == {"image": "app:2", "forcePullImage": False, "privileged": False, "parameters": []}
    assert after["volumes"] == []
    assert [(m["containerPort"], m["name"]) for m in after["portMappings"]] == [(0, "default")]


def test_a_bare_image_makes_a_mesos_container_a_docker_one() -> None:
    bench = Bench(definition(container={"type": "MESOS", "docker": {"image": "app:1"}}))

    bench.patch(BILLING, {"container": {"docker": {"image": "app:2"}}})

    assert container(bench)["type"] == "DOCKER"


def test_losing_ports_that_a_health_check_needs_is_refused() -> None:
    two_ports = definition()["container"]
    two_ports["portMappings"].append({"containerPort": 9090})
    bench = Bench(definition(container=two_ports, healthChecks=[{"portIndex": 1}]))

    said = details(bench, "PATCH", f"/v2/apps/{BILLING}", {"container": {"docker": {"image": "app:2"}}})

    assert said["message"] == "Object is not valid"
    assert said["details"][0]["path"] == "/healthChecks(0)"


@pytest.mark.parametrize("member", ["resourceLimits", "executorResources"])
def test_what_is_not_sent_again_is_lost(member: str) -> None:
    limits: dict[str, Any] = {member: {"cpus": 2}}
    bench = Bench(definition(**limits))

    bench.patch(BILLING, {"labels": {"a": "b"}})

    assert member not in bench.get(f"/v2/apps/{BILLING}")["app"]


def test_losing_resource_limits_turns_scaling_into_a_restart() -> None:
    bench = Bench(definition(resourceLimits={"cpus": 2}))

    bench.patch(BILLING, {"instances": 3})

    assert bench.get("/v2/deployments")[0]["steps"][0]["actions"][0]["action"] == "RestartApplication"


def test_scaling_alone_restarts_nothing(bench: Bench) -> None:
    changed = bench.get(f"/v2/apps/{BILLING}")["app"]["versionInfo"]["lastConfigChangeAt"]

    version = bench.patch(BILLING, {"instances": 3})["version"]

    info = bench.get(f"/v2/apps/{BILLING}")["app"]["versionInfo"]
    assert info == {"lastConfigChangeAt": changed, "lastScalingAt": version}
    assert bench.get("/v2/deployments")[0]["steps"][0]["actions"][0]["action"] == "ScaleApplication"


def test_unknown_members_are_a_successful_no_op(bench: Bench) -> None:
    before = bench.get(f"/v2/apps/{BILLING}")["app"]

    answer = bench.patch(BILLING, {"container.docker.image": "app:2"})

    assert answer["deploymentId"]
    assert bench.get(f"/v2/apps/{BILLING}")["app"] == before
    assert bench.get("/v2/deployments") == []


def test_a_body_as_it_was_read_changes_nothing_but_must_not_bring_its_version(bench: Bench) -> None:
    app = bench.get(f"/v2/apps/{BILLING}")["app"]

    said = details(bench, "PATCH", f"/v2/apps/{BILLING}", app)
    del app["version"]
    bench.patch(BILLING, app)

    assert said["details"] == [
        {"path": "/", "errors": ["The 'version' field may only be combined with the 'id' field."]}
    ]
    assert bench.get("/v2/deployments") == []


def test_a_service_port_is_kept_when_none_is_sent(bench: Bench) -> None:
    sent = definition()["container"]
    del sent["portMappings"][0]["servicePort"]

    bench.patch(BILLING, {"container": sent})

    assert container(bench)["portMappings"][0]["servicePort"] == 10101


def test_null_counts_as_absent(bench: Bench) -> None:
    bench.patch(BILLING, {"labels": None, "env": None})

    assert bench.get(f"/v2/apps/{BILLING}")["app"]["labels"] == {"team": "shop"}


def test_a_version_restores_the_whole_definition_with_its_instances(bench: Bench) -> None:
    old = bench.get(f"/v2/apps/{BILLING}")["app"]["version"]
    bench.patch(BILLING, {"instances": 5, "labels": {}, "cpus": 3})
    bench.later(10)

    version = bench.patch(BILLING, {"version": old})["version"]

    now = bench.get(f"/v2/apps/{BILLING}")["app"]
    assert (now["instances"], now["labels"], now["cpus"]) == (2, {"team": "shop"}, 1)
    assert now["version"] == version > old


def test_an_unknown_version_is_not_found_and_a_bad_one_is_invalid(bench: Bench) -> None:
    assert bench.send("PUT", f"/v2/apps/{BILLING}", {"version": "2001-01-01T00:00:00.000Z"}).status == 404
    assert bench.send("PUT", f"/v2/apps/{BILLING}", {"version": "yesterday"}).status == 422
    assert bench.send("GET", f"/v2/apps/{BILLING}/versions/yesterday").status == 422


def test_a_stored_version_is_bare(bench: Bench) -> None:
    version = bench.get(f"/v2/apps/{BILLING}/versions")["versions"][0]

    stored = bench.get(f"/v2/apps/{BILLING}/versions/{version}")

    assert stored["id"] == BILLING
    assert stored["version"] == version
    assert not {"app", "tasks", "versionInfo", "deployments"} & set(stored)


def test_patch_of_an_unknown_id_is_not_found_and_put_creates_it(bench: Bench) -> None:
    new = definition("/shop/bilings")

    patched = bench.send("PATCH", "/v2/apps/shop/bilings", new)
    incomplete = bench.send("PATCH", "/v2/apps/shop/bilings", {"instances": 1})
    put = bench.send("PUT", "/v2/apps/shop/bilings", new)

    assert (patched.status, patched.json()) == (404, {"message": "App '/shop/bilings' does not exist"})
    assert incomplete.status == 422
    assert put.status == 201
    assert "/shop/bilings" in bench.fleet.apps


def test_a_put_that_is_not_partial_takes_defaults_for_what_is_absent(bench: Bench) -> None:
    body = definition(instances=None, labels=None)

    assert bench.send("PUT", f"/v2/apps/{BILLING}?partialUpdate=false", body).status == 200

    now = bench.get(f"/v2/apps/{BILLING}")["app"]
    assert (now["instances"], now["labels"]) == (1, {})


def test_bulk_is_one_deployment_or_nothing() -> None:
    bench = Bench(definition("/shop/a"), definition("/shop/b"))
    one = {"id": "/shop/a", "labels": {"x": "y"}}

    unknown = bench.send("PATCH", "/v2/apps", [one, {**definition("/shop/c"), "labels": {}}])
    untouched = bench.get("/v2/deployments")
    both = bench.send("PATCH", "/v2/apps", [one, {"id": "/shop/b", "labels": {"x": "y"}}])

    assert (unknown.status, untouched) == (404, [])
    assert both.status == 200
    assert both.headers["Marathon-Deployment-Id"] == both.json()["deploymentId"]
    assert bench.get("/v2/deployments")[0]["affectedApps"] == ["/shop/a", "/shop/b"]


def test_bulk_may_name_a_version_for_one_and_members_for_another() -> None:
    bench = Bench(definition("/shop/a"), definition("/shop/b"))
    old = bench.app("/shop/a").version
    bench.patch("/shop/a", {"instances": 4})
    bench.later(10)

    body: list[dict[str, Any]] = [{"id": "/shop/a", "version": old}, {"id": "/shop/b", "instances": 1}]
    mixed = bench.send("PUT", "/v2/apps", [{**body[0], "cpus": 1}, body[1]])
    both = bench.send("PUT", "/v2/apps", body)

    assert (mixed.status, both.status) == (422, 200)
    assert (bench.app("/shop/a").instances, bench.app("/shop/b").instances) == (2, 1)


def test_bulk_names_the_element_that_is_wrong(bench: Bench) -> None:
    types = details(bench, "PATCH", "/v2/apps", [{"id": BILLING, "instances": "two"}])
    no_id = details(bench, "PATCH", "/v2/apps", [{"instances": 2}])
    no_list = details(bench, "PATCH", "/v2/apps", {"id": BILLING})

    assert types["details"] == [{"path": "(0)/instances", "errors": ["error.expected.jsnumber"]}]
    assert no_id == {"message": "requirement failed: App Update must have app id set"}
    assert no_list["details"] == [{"path": "/", "errors": ["error.expected.jsarray"]}]


@pytest.mark.parametrize(
    ("body", "path", "error"),
    [
        ({"instances": "2"}, "/instances", "error.expected.jsnumber"),
        ({"instances": -1}, "/instances", "error.min"),
        ({"container": []}, "/container", "error.expected.jsobject"),
        ({"container": {"docker": {"image": 7}}}, "/container/docker/image", "error.expected.jsstring"),
        ({"healthChecks": {}}, "/healthChecks", "error.expected.jsarray"),
        ({"healthChecks": [1]}, "/healthChecks(0)", "error.expected.jsobject"),
        ({"env": {"A": 1}}, "/env/A", "error.expected.jsstring"),
        ({"upgradeStrategy": {"maximumOverCapacity": 2}}, "/upgradeStrategy/maximumOverCapacity", "error.max"),
    ],
)
def test_a_body_of_wrong_types_is_refused_with_its_place(bench: Bench, body: Any, path: str, error: str) -> None:
    said = details(bench, "PATCH", f"/v2/apps/{BILLING}", body)

    assert said == {"message": "Invalid JSON", "details": [{"path": path, "errors": [error]}]}
    assert bench.get("/v2/deployments") == []


@pytest.mark.parametrize(
    ("body", "path", "error"),
    [
        ({"container": {"type": "DOCKER"}}, "/container/docker", "not defined"),
        ({"container": {"docker": {"image": ""}}}, "/container/docker/image", "must not be empty"),
    ],
)
def test_a_body_that_breaks_a_rule_is_refused_with_its_place(bench: Bench, body: Any, path: str, error: str) -> None:
    said = details(bench, "PATCH", f"/v2/apps/{BILLING}", body)

    assert said["message"] == "Object is not valid"
    assert {"path": path, "errors": [error]} in said["details"]
    assert bench.get("/v2/deployments") == []


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        (b"{", {}, 400, "Invalid JSON"),
        (b"", {}, 400, "Please specify data in JSON format"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "Unsupported Media Type"),
    ],
)
def test_what_is_no_json_is_refused(
    bench: Bench, body: bytes, headers: dict[str, str], status: int, message: str
) -> None:
    response = bench.send("PATCH", f"/v2/apps/{BILLING}", body, **headers)

    assert (response.status, response.json()["message"]) == (status, message)


def test_creating_what_exists_is_a_conflict(bench: Bench) -> None:
    response = bench.send("POST", "/v2/apps", definition())

    assert (response.status, response.json()["message"]) == (409, f"An app with id [{BILLING}] already exists.")


def test_an_app_that_may_not_be_changed_is_forbidden(bench: Bench) -> None:
    bench.api.readonly.add(BILLING)

    assert bench.deploy(BILLING, "2").status == 403
    assert bench.send("GET", f"/v2/apps/{BILLING}").status == 200


@pytest.mark.parametrize("app_id", ["/shop", f"{BILLING}/worker"])
def test_an_app_is_no_group(bench: Bench, app_id: str) -> None:
    for method, target in (("POST", "/v2/apps"), ("PUT", f"/v2/apps/{app_id}")):
        response = bench.send(method, target, {"id": app_id, "cmd": "sleep 1"})

        assert response.status == 422
        errors = response.json()["details"][0]["errors"]
        assert errors == ["Groups and Applications may not have the same identifier."]


@pytest.mark.parametrize(
    "body", [{"role": "stranger"}, {"cmd": "x", "container": None}, {"id": "/shop/Billing"}, {"id": "/shop/a_b"}]
)
def test_what_a_real_one_does_not_accept_is_refused_before_the_lock(bench: Bench, body: Any) -> None:
    bench.deploy(BILLING, "2")

    assert bench.send("PATCH", f"/v2/apps/{BILLING}", body).status == 422


@pytest.mark.parametrize("body", [b"[]", b"null"])
def test_an_empty_list_and_null_are_an_update_of_nothing(bench: Bench, body: bytes) -> None:
    before = bench.get(f"/v2/apps/{BILLING}")["app"]["version"]

    assert bench.send("PATCH", f"/v2/apps/{BILLING}", body).status == 200
    assert bench.get(f"/v2/apps/{BILLING}")["app"]["version"] == before


@pytest.mark.parametrize(
    "target", ["apps//no/versions", "apps//no/tasks", "groups/no", "apps//shop/billing/versions/2001-01-01T00:00:00Z"]
)
def test_what_is_not_there_has_no_details_to_it(bench: Bench, target: str) -> None:
    response = bench.send("GET", f"/v2/{target}")

    assert response.status == 404
    assert response.json()["details"] == []


def test_what_was_created_is_shown_without_its_history(bench: Bench) -> None:
    response = bench.send("POST", "/v2/apps", {"id": "/shop/new", "cmd": "sleep 1"})

    assert response.status == 201
    assert {"versionInfo", "tasks"}.isdisjoint(response.json())
    assert response.headers["Location"].startswith("http://")
    assert response.headers["Location"].endswith("/v2/apps/shop/new")
