"""What a session does by itself: repeats reads and never writes, finds proxies, leaves netrc alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
import responses

from rollback.system import http_session
from tests.support import registry_proxy as fronts
from tests.support.registry_proxy import Asked, Faults, Go, Reply, front

URL = "https://marathon.example.com/v2/apps"


def fine(_asked: Asked, _go: Go) -> Reply:
    return Reply(200, {}, b"fine")


@pytest.mark.parametrize(
    "fault", [fronts.status(503, Retry_After="0"), fronts.status(429, Retry_After="0"), fronts.reset]
)
def test_a_read_is_repeated(fault: fronts.Fault) -> None:
    with front("", Faults("/", fault), fine) as server, http_session.connect() as opened:
        assert opened.get(server.url + "/").text == "fine"
        assert len(server.seen) == 2


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_write_is_never_repeated(method: str) -> None:
    with front("", Faults("/", fronts.status(503)), fine) as server, http_session.connect() as opened:
        assert opened.request(method, server.url + "/", data=b"x").status_code == 503
        assert len(server.seen) == 1


def test_a_fault_that_lasts_is_handed_over_as_it_is() -> None:
    rule = Faults("/", fronts.status(503, Retry_After="0"), times=9)
    with front("", rule) as server, http_session.connect(retries=2) as opened:
        assert opened.get(server.url + "/").status_code == 503
        assert len(server.seen) == 3


def test_every_request_says_who_asks() -> None:
    with front("", fine) as server, http_session.connect() as opened:
        opened.get(server.url + "/")

        assert server.seen[0].headers["user-agent"].startswith("rollback/")


def test_an_answer_that_drips_is_given_up_as_a_whole() -> None:
    with (
        front("", lambda _asked, _go: Reply(200, {}, b"x" * 50, drip_s=0.1)) as server,
        http_session.connect(read_s=5, total_s=0.3) as opened,
        pytest.raises(requests.exceptions.Timeout, match=r"within 0\.3 s"),
    ):
        opened.get(server.url + "/")


def test_pauses_between_repetitions_count_too() -> None:
    rule = Faults("/", fronts.status(503, Retry_After="60"), times=9)
    with (
        front("", rule) as server,
        http_session.connect(total_s=0.3) as opened,
        pytest.raises(requests.exceptions.Timeout),
    ):
        opened.get(server.url + "/")


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_session, "_LARGEST", 2**20)
    with (
        front("", lambda _asked, _go: Reply(200, {}, b"x" * 2**21)) as server,
        http_session.connect() as opened,
        pytest.raises(requests.exceptions.ConnectionError, match="more than 1 MiB"),
    ):
        opened.get(server.url + "/")


def test_an_answer_that_does_not_come_is_given_up() -> None:
    with (
        front("", lambda _asked, _go: Reply(200, {}, b"xx", drip_s=1)) as server,
        http_session.connect(read_s=0.05, retries=0) as opened,
        pytest.raises(requests.exceptions.RequestException, match="timed out"),
    ):
        opened.get(server.url + "/")


def test_netrc_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login eve password wrong\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with front("", fine) as server, http_session.connect() as opened:
        opened.get(server.url + "/", headers={"Authorization": "token=mine"})

        assert server.seen[0].headers["authorization"] == "token=mine"


def test_each_host_has_its_own_proxy_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with front("", fine) as proxy, front("", fine) as server, http_session.connect() as opened:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
        opened.get(server.url + "/direct")
        opened.get("http://marathon.example.com/proxied")

        assert [asked.target for asked in server.seen] == ["/direct"]
        assert [asked.target for asked in proxy.seen] == ["http://marathon.example.com/proxied"]


def test_a_redirect_out_of_the_proxy_s_reach_goes_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    def lead(_asked: Asked, _go: Go) -> Reply:
        return Reply(302, {"Location": f"{server.url}/inner"})

    with front("", fine) as server, front("", lead) as proxy, http_session.connect() as opened:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

        assert opened.get("http://marathon.example.com/").text == "fine"
        assert [asked.target for asked in server.seen] == ["/inner"]


@responses.activate
def test_a_named_bundle_is_what_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/usual.pem")
    responses.get(URL, json={})

    told = []
    for verify in (tmp_path / "own.pem", True, False):
        with http_session.connect(verify=verify) as opened:
            opened.get(URL)
            told.append(responses.calls[-1].request.req_kwargs["verify"])  # type: ignore[attr-defined]

    assert told == [str(tmp_path / "own.pem"), "/usual.pem", False]
