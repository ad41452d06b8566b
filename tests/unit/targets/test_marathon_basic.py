"""Marathon behind HTTP Basic, as with its option `--http_credentials`, without DC/OS."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import responses

from rollback.errors import BadInput, LoginRefused, RollbackError
from rollback.secret import Secret
from rollback.targets import connect
from rollback.targets.base import Target, TargetOptions
from tests.support import registry_proxy as fronts
from tests.support.registry_proxy import Asked, Front, Go, Reply, front

PASSWORD = "correct horse: battery"
CHALLENGE = {"WWW-Authenticate": 'basic realm="Mesosphere"'}


def marathon(asked: Asked, _go: Go) -> Reply:
    """The two answers of Marathon's that these tests need."""
    known: dict[str, Any] = {"/v2/info": {"version": "1.10.0"}, "/v2/apps": {"apps": []}}
    place = asked.path.removeprefix("/marathon")
    if place not in known:
        return Reply(404, {"Content-Type": "application/json"}, b'{"message":"URI not found"}')
    return Reply(200, {"Content-Type": "application/json"}, json.dumps(known[place]).encode())


def guard(asked: Asked, go: Go) -> Reply:
    reply = fronts.basic("amy", PASSWORD)(asked, go)
    return reply.with_headers(**CHALLENGE) if reply.status == 401 else reply


@pytest.fixture
def server() -> Iterator[Front]:
    with front("", guard, marathon) as opened:
        yield opened


def target(url: str, user: str = "amy", password: str = PASSWORD) -> Target:
    settings = {"kind": "marathon", "url": url}
    return connect(TargetOptions("marathon", settings, user=user, password=Secret(password) if user else Secret()))


@pytest.mark.parametrize("path", ["", "/", "/marathon", "/marathon/v2"])
def test_the_challenge_is_answered_wherever_marathon_is(server: Front, path: str) -> None:
    found = target(server.url + path)

    found.login()

    assert found.apps("prod") == ()
    assert [asked for asked in server.seen if asked.method != "GET"] == []  # nothing was posted to a DC/OS
    assert not any("/service/marathon" in asked.target for asked in server.seen)


def test_without_a_user_the_hint_is_to_give_one(server: Front) -> None:
    with pytest.raises(LoginRefused) as caught:
        target(server.url, user="").login()

    assert caught.value.hint == "log in: give --user and --pwd"


def test_a_wrong_password_is_said_once_and_never_shown(server: Front, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(LoginRefused, match="as 'amy'") as caught:
        target(server.url, password="hunter2-wrong").login()

    assert caught.value.hint == "check --user and --pwd"
    encoded = base64.b64encode(b"amy:hunter2-wrong").decode()
    texts = f"{caught.value.what} {caught.value.why} {caught.value.hint} {caplog.text}"
    assert not [secret for secret in ("hunter2-wrong", encoded) if secret in texts]
    assert sum("authorization" in asked.headers for asked in server.seen) == 1


def test_what_a_server_repeats_is_not_shown(server: Front) -> None:
    def echo(asked: Asked, _go: Go) -> Reply:
        body = json.dumps({"message": f"who sends {asked.headers.get('authorization')}?"}).encode()
        return Reply(401, {**CHALLENGE, "Content-Type": "application/json"}, body)

    server.rules.insert(0, echo)

    with pytest.raises(LoginRefused) as caught:
        target(server.url).login()

    assert "who sends Basic ***?" in caught.value.why


@responses.activate
@pytest.mark.parametrize("url", ["http://master.example.com:8080", "http://master.example.com/marathon"])
def test_no_password_goes_unencrypted_over_a_network(url: str) -> None:
    responses.get(f"{url}/v2/info", status=401, headers=CHALLENGE)

    with pytest.raises(LoginRefused) as caught:
        target(url).login()

    assert caught.value.why == f"{url} requires HTTP Basic, which sends the password unencrypted over http"
    assert "https" in caught.value.hint
    assert all("Authorization" not in call.request.headers for call in responses.calls)
    assert all(call.request.method == "GET" for call in responses.calls)


@responses.activate
def test_over_tls_the_challenge_is_answered() -> None:
    sent = "Basic " + base64.b64encode(f"amy:{PASSWORD}".encode()).decode()
    match = [responses.matchers.header_matcher({"Authorization": sent})]
    responses.get("https://marathon.example.com/v2/info", json={"version": "1.10.0"}, match=match)
    responses.get("https://marathon.example.com/v2/info", status=401, headers=CHALLENGE)

    target("https://marathon.example.com").login()

    assert [call.request.headers.get("Authorization") for call in responses.calls] == [None, sent]


@responses.activate
def test_a_cluster_that_names_its_own_login_first_is_not_sent_a_basic_header() -> None:
    url = "https://dcos.example.com/service/marathon"
    both = {"WWW-Authenticate": 'acsjwt realm="dcos", Basic realm="dcos"'}
    match = [responses.matchers.header_matcher({"Authorization": "token=T"})]
    responses.get(f"{url}/v2/info", json={"version": "1.10.0"}, match=match)
    responses.get(f"{url}/v2/info", status=401, headers=both)
    responses.post("https://dcos.example.com/acs/api/v1/auth/login", json={"token": "T"})

    target(url).login()


def test_a_user_with_a_colon_is_refused(server: Front) -> None:
    with pytest.raises(LoginRefused, match="'amy:x'") as caught:
        target(server.url, user="amy:x").login()

    assert "colon" in caught.value.why


@pytest.mark.parametrize(
    "url",
    [
        "http://a,http://b",
        "http://a:port",
        "http://a:99999",
        "http://a:0",
        "http://",
        "http://a b",
        "http://a\nb",
        "http://[::1",
        "ftp://a",
        "a:8080",
        "https://user:pass/word@a",
    ],
)
def test_a_malformed_address_is_bad_input(url: str) -> None:
    with pytest.raises(BadInput, match="its url cannot be used") as caught:
        target(url)

    assert RollbackError.exit_code != caught.value.exit_code == 2
    assert "word" not in f"{caught.value.what} {caught.value.why}"
