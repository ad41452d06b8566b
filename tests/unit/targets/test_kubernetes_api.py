"""The Kubernetes API over a scripted transport: pages, repetition, and what each answer means."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rollback.errors import LoginRefused, NoAnswer, TargetError
from rollback.system.unix_http import AnswerLost, AnswerTooLarge, HttpAnswer, NotSent
from rollback.targets.kubernetes.api import KubernetesApi
from rollback.targets.kubernetes.api_errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound
from rollback.targets.kubernetes.kubectl import KubectlOptions
from rollback.targets.kubernetes.kubectl_failures import LoginFailed, LoginUnknown, Untrusted, raise_if_not_sent
from rollback.targets.kubernetes.transport import KubernetesRequest

PODS = "/api/v1/namespaces/shop/pods"
CONFIG = {
    "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "deployer"}}],
    "clusters": [{"name": "c", "cluster": {"server": "https://user:very-secret@k8s.example.com:6443"}}],
}

Step = HttpAnswer | Exception


class Script:
    """Answers requests one after the other."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.requests: list[KubernetesRequest] = []

    def send(self, request: KubernetesRequest, timeout_s: float) -> HttpAnswer:
        assert timeout_s > 0
        self.requests.append(request)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def close(self) -> None:
        pass


class Api:
    def __init__(self, folder: Path, *steps: Step) -> None:
        program = folder / "kubectl"
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(CONFIG)}\nEND\n")
        program.chmod(0o755)
        self.script = Script(*steps)
        self.slept: list[float] = []
        options = KubectlOptions(context="prod", program=str(program))
        self.api = KubernetesApi(options, connect=lambda _: self.script, sleep=self.slept.append)


Make = Callable[..., Api]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda *steps: Api(tmp_path, *steps)


def ok(body: Any) -> HttpAnswer:
    return HttpAnswer(200, {}, json.dumps(body).encode())


def failed(code: int, reason: str = "", message: str = "the server's words", **headers: str) -> HttpAnswer:
    status = {"kind": "Status", "reason": reason, "message": message}
    return HttpAnswer(code, headers, json.dumps(status).encode())


def page(*names: str, following: str = "") -> HttpAnswer:
    return ok({"metadata": {"continue": following}, "items": [{"metadata": {"name": name}} for name in names]})


def names(items: tuple[dict[str, Any], ...]) -> list[str]:
    return [item["metadata"]["name"] for item in items]


def test_a_list_is_read_to_its_last_page(make: Make) -> None:
    it = make(page("a", "b", following="next=1&x"), page("c"))

    assert names(it.api.list(PODS, "x", labelSelector="app=web")) == ["a", "b", "c"]
    assert [request.query for request in it.script.requests] == [
        {"labelSelector": "app=web", "limit": "500"},
        {"labelSelector": "app=web", "limit": "500", "continue": "next=1&x"},
    ]
    assert it.script.requests[1].target.endswith("continue=next%3D1%26x")


def test_a_list_that_expires_between_two_pages_is_read_from_the_start(make: Make) -> None:
    it = make(page("a", following="old"), failed(410, "Expired"), page("a", following="new"), page("b"))

    assert names(it.api.list(PODS, "x")) == ["a", "b"]


def test_a_list_that_always_expires_is_an_error(make: Make) -> None:
    it = make(*[page("a", following="old"), failed(410, "Expired", "too old")] * 5)

    with pytest.raises(TargetError, match="x") as caught:
        it.api.list(PODS, "x")

    assert "too old" in caught.value.why


def test_a_list_without_an_end_is_an_error(make: Make) -> None:
    it = make(*[page("a", following="more")] * 200)

    with pytest.raises(TargetError) as caught:
        it.api.list(PODS, "x")

    assert "no end after 200 objects" in caught.value.why


def test_an_empty_list_may_be_null(make: Make) -> None:
    assert make(ok({"metadata": {}, "items": None})).api.list(PODS, "x") == ()


@pytest.mark.parametrize("body", [{}, {"items": {}}, {"items": ["text"]}], ids=["no items", "a map", "texts"])
def test_what_is_not_a_list_of_objects_is_an_error(make: Make, body: Any) -> None:
    with pytest.raises(TargetError, match="x"):
        make(ok(body)).api.list(PODS, "x")


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_read_is_repeated_after_a_passing_failure(make: Make, code: int) -> None:
    it = make(failed(code), AnswerLost("cut"), NotSent("refused"), ok({"a": 1}))

    assert it.api.get(PODS, "x") == {"a": 1}
    assert it.slept == [0.25, 0.5, 1.0]


def test_a_read_that_keeps_failing_ends_with_the_servers_words(make: Make) -> None:
    it = make(*[failed(503, "ServiceUnavailable", "etcd is away")] * 5)

    with pytest.raises(TargetError, match="x") as caught:
        it.api.get(PODS, "x")

    assert "HTTP 503 ServiceUnavailable: etcd is away" in caught.value.why
    assert it.script.steps == []


def test_the_servers_pause_is_kept_to_within_reason(make: Make) -> None:
    headers = {"retry-after": "3"}
    it = make(
        failed(429, **headers), failed(429, **{"retry-after": "3600"}), failed(429, **{"retry-after": "Fri"}), ok({})
    )

    it.api.create(PODS, {}, "x")

    assert it.slept == [3.0, 10.0, 1.0]


def test_a_write_is_repeated_only_if_it_was_not_processed(make: Make) -> None:
    it = make(NotSent("connection refused"), failed(429), ok({"done": True}))

    assert it.api.patch(PODS, [], "x") == {"done": True}


@pytest.mark.parametrize(
    "step",
    [AnswerLost("cut"), AnswerTooLarge("more than 64 MiB"), failed(504), failed(500, message="etcd timed out"),
     HttpAnswer(502, {}, b"<title>Bad Gateway</title>"), HttpAnswer(200, {}, b"{half")],
    ids=["lost", "too large", "504", "500", "a proxy's 502", "not JSON"],
)  # fmt: skip
def test_a_write_whose_outcome_is_open_is_no_answer_and_is_not_repeated(make: Make, step: Step) -> None:
    it = make(step)

    with pytest.raises(NoAnswer, match="x") as caught:
        it.api.create(PODS, {}, "x")

    assert "context prod, https://k8s.example.com:6443" in caught.value.why
    assert caught.value.hint


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (failed(401, "Unauthorized"), LoginRefused),
        (failed(403, "Forbidden"), Forbidden),
        (failed(404, "NotFound"), NotFound),
        (failed(409, "AlreadyExists"), AlreadyExists),
        (failed(409, "Conflict"), Conflict),
        (failed(422, "Invalid"), Invalid),
        (failed(400, "BadRequest"), Invalid),
        (failed(415, "UnsupportedMediaType"), TargetError),
        (failed(500, "InternalError", 'failed calling webhook "h": the server\'s words'), TargetError),
        (LoginFailed("getting credentials: the server's words"), LoginRefused),
        (Untrusted("x509: the server's words"), TargetError),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_what_was_not_written_says_why_where_and_what_next(
    make: Make, step: Step, kind: type[TargetError], dry_run: bool
) -> None:
    with pytest.raises(kind, match="web cannot be changed") as caught:
        make(step).api.patch(PODS, [], "web cannot be changed", dry_run=dry_run)

    assert type(caught.value) is kind
    assert "the server's words (context prod, https://k8s.example.com:6443)" in caught.value.why
    assert caught.value.hint


@pytest.mark.parametrize(
    "said",
    [
        'error: exec plugin: invalid apiVersion "client.authentication.k8s.io/v1"',
        "Unable to connect to the server: getting credentials: exec plugin is configured to use API version a, "
        "plugin returned version b",
        "Error in configuration: interactiveMode must be specified for deployer to use exec authentication plugin",
        'error: no Auth Provider found for name "gcp"',
        "error: The azure auth plugin has been removed.",
    ],
)
def test_a_login_that_this_kubectl_does_not_know_is_not_repeated_and_says_what_helps(make: Make, said: str) -> None:
    with pytest.raises(LoginUnknown) as found:
        raise_if_not_sent(said)

    with pytest.raises(LoginRefused) as caught:
        make(found.value).api.get(PODS, "x")

    assert said in caught.value.why
    assert "'deployer'" in caught.value.hint
    assert "`program`" in caught.value.hint


def test_a_dry_run_without_an_answer_has_written_nothing(make: Make) -> None:
    it = make(*[AnswerLost("cut")] * 5)

    with pytest.raises(TargetError) as caught:
        it.api.patch(PODS, [], "x", dry_run=True)

    assert not isinstance(caught.value, NoAnswer)
    assert {request.query["dryRun"] for request in it.script.requests} == {"All"}


def test_kinds_of_patches_have_their_types(make: Make) -> None:
    it = make(ok({}), ok({}), ok({}))

    it.api.patch(PODS, [{"op": "test"}], "x")
    it.api.patch(PODS, {"data": {}}, "x")
    it.api.delete(PODS, "x", uid="1234", version="7")

    assert [request.content_type for request in it.script.requests[:2]] == [
        "application/json-patch+json",
        "application/merge-patch+json",
    ]
    assert it.script.requests[2].body["preconditions"] == {"uid": "1234", "resourceVersion": "7"}


def test_the_servers_words_cannot_steer_a_terminal_or_fill_it(make: Make) -> None:
    with pytest.raises(Forbidden) as caught:
        make(failed(403, "Forbidden", "\x1b[2J\nroot:~# " + "x" * 5000)).api.get(PODS, "x")

    assert "\x1b" not in caught.value.why
    assert "\n" not in caught.value.why
    assert len(caught.value.why) < 600


def test_no_secret_of_a_kubeconfig_or_a_body_is_shown(make: Make) -> None:
    it = make(failed(422, "Invalid"))

    with pytest.raises(Invalid) as caught:
        it.api.patch(PODS, [{"op": "replace", "path": "/x", "value": "very-secret"}], "x")

    shown = f"{caught.value.what} {caught.value.why} {caught.value.hint} {it.script.requests} {it.api.context}"
    assert "very-secret" not in shown
