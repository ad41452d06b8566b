"""The cluster's front door: logins, prefixes, and what goes wrong on the way to Marathon."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from rollback.sandbox.http_messages import Request, Response
from rollback.sandbox.marathon.dcos_router import AdminRouter
from rollback.sandbox.marathon.fault_injection import Fault, FaultKind
from rollback.sandbox.marathon.login import Logins
from tests.support.sandbox import Bench, definition

LOGIN = "/acs/api/v1/auth/login"
BILLING = "/shop/billing"
APPS = "/service/marathon/v2/apps"


@pytest.fixture
def bench() -> Bench:
    return Bench(definition())


@pytest.fixture
def front(bench: Bench) -> AdminRouter:
    return AdminRouter(bench.api, Logins({"oncall": "rehearsal"}, bench.clock), controls=True)


def send(front: AdminRouter, method: str, target: str, body: Any = None, token: str = "") -> Response:
    headers = {"Content-Type": "application/json", **({"Authorization": f"token={token}"} if token else {})}
    raw = b"" if body is None else json.dumps(body).encode()
    return front.answer(Request.parse(method, target, headers, raw))


def log_in(front: AdminRouter) -> str:
    return str(send(front, "POST", LOGIN, {"uid": "oncall", "password": "rehearsal"}).json()["token"])


def test_a_login_gives_a_token_that_tells_its_user_and_end(bench: Bench, front: AdminRouter) -> None:
    token = log_in(front)

    payload = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))

    assert payload["uid"] == "oncall"
    assert payload["exp"] > bench.clock().timestamp()
    assert send(front, "GET", APPS, token=token).status == 200


def test_a_bearer_token_is_as_good(front: AdminRouter) -> None:
    request = Request.parse("GET", APPS, {"Authorization": f"Bearer {log_in(front)}"})

    assert front.answer(request).status == 200


@pytest.mark.parametrize("body", [{"uid": "oncall", "password": "wrong"}, {"uid": "nobody", "password": "rehearsal"}])
def test_a_wrong_login_is_refused_in_json(front: AdminRouter, body: Any) -> None:
    response = send(front, "POST", LOGIN, body)

    assert (response.status, response.headers["WWW-Authenticate"]) == (401, "acsjwt")
    assert response.json()["code"] == "ERR_INVALID_CREDENTIALS"


@pytest.mark.parametrize(
    "body", [None, [], {"uid": "oncall"}, {"uid": "oncall", "password": ""}, {"uid": 1, "password": 2}]
)
def test_half_a_login_is_a_bad_request(front: AdminRouter, body: Any) -> None:
    assert send(front, "POST", LOGIN, body).status == 400


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
@pytest.mark.parametrize("path", [APPS, "/marathon/v2/apps", "/metadata", "/mesos/state-summary"])
def test_without_a_token_an_html_page_says_so(front: AdminRouter, path: str, token: str) -> None:
    response = send(front, "GET", path, token=token)

    assert (response.status, response.headers["WWW-Authenticate"]) == (401, "acsjwt")
    assert response.headers["Content-Type"].startswith("text/html")


def test_tokens_run_out_by_time_and_on_demand(bench: Bench, front: AdminRouter) -> None:
    first = log_in(front)
    bench.clock.advance(6 * 24 * 3600)
    second = log_in(front)
    by_time = send(front, "GET", APPS, token=first).status
    before = send(front, "GET", APPS, token=second).status

    send(front, "POST", "/sandbox/faults", {"fault": "expire-tokens"})

    assert (by_time, before, send(front, "GET", APPS, token=second).status) == (401, 200, 401)
    assert send(front, "GET", APPS, token=log_in(front)).status == 200


def test_a_token_that_was_tampered_with_is_worthless(front: AdminRouter) -> None:
    head, _, signature = log_in(front).split(".")
    forged = base64.urlsafe_b64encode(json.dumps({"uid": "root", "exp": 9e9}).encode()).rstrip(b"=").decode()

    assert send(front, "GET", APPS, token=f"{head}.{forged}.{signature}").status == 401


def test_marathons_own_address_asks_nobody_unless_told_to(bench: Bench, front: AdminRouter) -> None:
    guarded = AdminRouter(bench.api, Logins({}, bench.clock), direct_login=True)

    assert send(front, "GET", "/v2/apps").status == 200
    assert send(guarded, "GET", "/v2/apps").status == 401


def test_a_cluster_without_logins_lets_everybody_in(bench: Bench) -> None:
    assert send(AdminRouter(bench.api), "GET", APPS).status == 200
    assert send(AdminRouter(bench.api), "POST", LOGIN, {"uid": "a", "password": "b"}).status == 404


def test_a_dropped_answer_belongs_to_a_write_that_was_carried_out(bench: Bench, front: AdminRouter) -> None:
    front.faults.add(Fault(FaultKind.DROP, path="/v2/apps"))

    read = send(front, "GET", "/v2/apps")
    write = send(front, "PATCH", f"/v2/apps/{BILLING}", {"labels": {}})

    assert (read.dropped, write.dropped) == (False, True)
    assert bench.app().definition["labels"] == {}


@pytest.mark.parametrize(("mishap", "carried_out"), [(FaultKind.ANSWER, False), (FaultKind.ANSWER_AFTER, True)])
@pytest.mark.parametrize("status", [403, 409, 500, 502, 503, 504])
def test_an_error_is_answered_as_often_as_asked(
    bench: Bench, front: AdminRouter, mishap: FaultKind, carried_out: bool, status: int
) -> None:
    front.faults.add(Fault(mishap, status=status, method="PATCH", times=2))

    said = [send(front, "PATCH", f"/v2/apps/{BILLING}?force=true", {"labels": {"n": str(n)}}) for n in range(2)]
    labels = bench.app().definition["labels"]
    third = send(front, "PATCH", f"/v2/apps/{BILLING}?force=true", {"labels": {"n": "3"}})

    assert [response.status for response in said] == [status, status]
    assert labels == ({"n": "1"} if carried_out else {"team": "shop"})
    assert third.status == 200


def test_an_answer_may_be_late(bench: Bench, front: AdminRouter) -> None:
    front.faults.add(Fault(FaultKind.DELAY, seconds=0.02))

    began = time.monotonic()
    response = send(front, "PATCH", f"/v2/apps/{BILLING}", {"labels": {}})

    assert time.monotonic() - began >= 0.02
    assert (response.status, bench.app().definition["labels"]) == (200, {})


def test_a_fault_may_let_some_pass_first(front: AdminRouter) -> None:
    front.faults.add(Fault(FaultKind.ANSWER, method="*", skip=1))

    assert [send(front, "GET", "/v2/apps").status for _ in range(3)] == [200, 503, 200]


def test_somebody_else_deploys_over_an_app(bench: Bench, front: AdminRouter) -> None:
    mine = bench.deploy(BILLING, "crashes").json()["deploymentId"]

    theirs = front.foreign(BILLING)

    assert [d["id"] for d in bench.get("/v2/deployments")] == [theirs] != [mine]
    assert bench.app().definition["labels"]["touched-by"] == "somebody-else"


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({"fault": "hide", "app": BILLING}, 404),
        ({"fault": "answer", "status": 502, "method": "*", "path": "/v2/apps"}, 502),
        ({"fault": "drop", "method": "GET"}, 200),
    ],
)
def test_mishaps_are_ordered_and_cleared_over_http(front: AdminRouter, order: Any, status: int) -> None:
    ordered = send(front, "POST", "/sandbox/faults", order)

    response = send(front, "GET", f"/v2/apps/{BILLING}")
    send(front, "POST", "/sandbox/faults", {"fault": "clear"})

    assert ordered.status == 204
    assert (response.status, response.dropped) == (status, order["fault"] == "drop")
    assert send(front, "GET", f"/v2/apps/{BILLING}").status == 200


def test_behaviours_and_foreign_deployments_are_ordered_over_http(bench: Bench, front: AdminRouter) -> None:
    send(front, "POST", "/sandbox/faults", {"fault": "behave", "image": "app:2", "fate": "crashes"})
    send(front, "POST", "/sandbox/faults", {"fault": "foreign", "app": BILLING, "change": {"instances": 1}})
    bench.later(5)
    bench.deploy(BILLING, "2")
    bench.later(5)

    assert bench.app().instances == 1
    assert bench.app().failures > 0


@pytest.mark.parametrize("order", [None, [], {"fault": "nonsense"}, {"fault": "hide"}, {"fault": "drop", "x": 1}])
def test_an_order_that_makes_no_sense_is_refused(front: AdminRouter, order: Any) -> None:
    assert send(front, "POST", "/sandbox/faults", order).status == 400


def test_mishaps_cannot_be_ordered_unless_that_is_allowed(bench: Bench) -> None:
    closed = AdminRouter(bench.api)

    assert send(closed, "POST", "/sandbox/faults", {"fault": "hide", "app": BILLING}).status == 404
    assert send(closed, "GET", f"/v2/apps/{BILLING}").status == 200


def test_the_cluster_shows_what_a_command_line_tool_asks_for(front: AdminRouter) -> None:
    token = log_in(front)

    assert send(front, "GET", "/metadata", token=token).json()["CLUSTER_ID"]
    assert send(front, "GET", "/mesos/state-summary", token=token).json()["cluster"] == "rollback-sandbox"
    assert send(front, "GET", "/acs/api/v1/auth/providers").json()["dcos-users"]
    assert send(front, "GET", "/nowhere", token=token).status == 404
