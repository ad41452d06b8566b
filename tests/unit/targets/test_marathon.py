"""Marathon over HTTP: addresses, logins, and what each answer means."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from responses import matchers
from urllib3.exceptions import MaxRetryError, NewConnectionError
from urllib3.util.retry import Retry

from rollback.core.apps import App, Change, Deployment
from rollback.errors import AppLocked, BadInput, LoginRefused, NoAnswer, TargetError
from rollback.secret import Secret
from rollback.targets import connect
from rollback.targets.base import Target, TargetOptions

DCOS = "https://dcos.example.com"
URL = f"{DCOS}/service/marathon"
LOGIN = f"{DCOS}/acs/api/v1/auth/login"
APPS = f"{URL}/v2/apps"
AT = f"(marathon at {URL})"
HTML = "<html><head><title>401 Authorization Required</title></head><body>nginx</body></html>"
APP = App("/a/b", "a:1", "v1", 1, False, (), {"container": {"type": "DOCKER", "docker": {"image": "a:1"}}})
CHANGE = Change(APP, "a:2")


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(f"{URL}/v2/info", json={"version": "1.10.0"})
        yield mock


def target(url: str = URL, **options: Any) -> Target:
    settings = {"kind": "marathon", "url": url} | options.pop("settings", {})
    return connect(TargetOptions("marathon", settings, **options))


class TestAddresses:
    @pytest.mark.parametrize(
        "url", [URL, f"{URL}/", f"{URL}/v2", f"{URL}/v2/", f"{DCOS}", f"{DCOS}/", f"{DCOS}/v2/", f"{DCOS}/marathon"]
    )
    def test_an_address_is_taken_in_every_usual_form(self, server: responses.RequestsMock, url: str) -> None:
        server.get(f"{DCOS}/v2/info", body=HTML, status=404, content_type="text/html")
        server.get(f"{DCOS}/marathon/v2/info", json={"version": "1.10.0"})
        found = target(url)

        found.login()

        assert found.name in {f"marathon at {URL}", f"marathon at {DCOS}/marathon"}

    def test_a_marathon_without_dcos_is_found_at_its_own_address(self, server: responses.RequestsMock) -> None:
        server.get("http://master:8080/v2/info", json={"version": "1.10.0"})
        found = target("http://master:8080")

        found.login()

        assert found.name == "marathon at http://master:8080"

    def test_a_cluster_that_asks_everybody_for_a_login_is_told_from_such_a_marathon(
        self, server: responses.RequestsMock
    ) -> None:
        for host in (DCOS, "http://master:8080"):
            server.get(f"{host}/v2/info", status=401, body=HTML, content_type="text/html")
            server.post(f"{host}/acs/api/v1/auth/login", json={"token": "T"})
        server.get("http://master:8080/service/marathon/v2/info", status=404, json={"message": "not found"})
        server.get("http://master:8080/v2/info", json={"version": "1.10.0"})
        behind, direct = (target(url, user="u", password=Secret("p")) for url in (DCOS, "http://master:8080"))

        behind.login()
        direct.login()

        assert (behind.name, direct.name) == (f"marathon at {URL}", "marathon at http://master:8080")

    @pytest.mark.parametrize("url", ["", "dcos.example.com", "ftp://dcos.example.com", "https://"])
    def test_what_is_no_address_is_refused(self, url: str) -> None:
        with pytest.raises(BadInput) as caught:
            target(url)

        assert "url" in caught.value.what
        assert "https://" in caught.value.hint

    def test_a_password_in_the_address_is_refused_and_not_repeated(self) -> None:
        with pytest.raises(BadInput) as caught:
            target("https://admin:hunter2@dcos.example.com")

        assert "hunter2" not in f"{caught.value.what}{caught.value.why}{caught.value.hint}"

    def test_something_else_at_the_address_is_a_clear_error(self, server: responses.RequestsMock) -> None:
        server.get("http://other/service/marathon/v2/info", body="<title>Shop</title>", content_type="text/html")

        with pytest.raises(TargetError, match="JSON") as caught:
            target("http://other/service/marathon").login()

        assert "Shop" in caught.value.why
        assert "url" in caught.value.hint

    def test_an_address_without_a_marathon_is_named_with_a_next_step(self, server: responses.RequestsMock) -> None:
        for url in (f"{DCOS}/elsewhere", DCOS):
            server.get(f"{DCOS}/elsewhere/v2/info", body=HTML, status=404, content_type="text/html")
            server.replace(responses.GET, f"{URL}/v2/info", body=HTML, status=404, content_type="text/html")
            server.get(f"{DCOS}/v2/info", body=HTML, status=404, content_type="text/html")
            server.get(f"{DCOS}/marathon/v2/info", body=HTML, status=404, content_type="text/html")
            with pytest.raises(TargetError) as caught:
                target(url).login()

            assert DCOS in f"{caught.value.what} {caught.value.why}"
            assert "check the address" in caught.value.hint

    def test_a_login_at_something_else_names_the_address(self, server: responses.RequestsMock) -> None:
        server.post(LOGIN, body=HTML, status=501)

        with pytest.raises(TargetError) as caught:
            target(user="ann", password=Secret("pw")).login()

        assert DCOS in caught.value.why
        assert "check the address" in caught.value.hint

    def test_a_redirect_is_not_followed(self, server: responses.RequestsMock) -> None:
        server.post(LOGIN, status=302, headers={"Location": "https://elsewhere/login?secret"})

        with pytest.raises(TargetError) as caught:
            target(user="u", password=Secret("hunter2")).login()

        assert "https://elsewhere/login" in caught.value.why
        assert "?secret" not in caught.value.why

    def test_nobody_there_is_said_in_few_words(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Retry, "get_backoff_time", lambda _retry: 0)

        with pytest.raises(TargetError) as caught:
            target("http://127.0.0.1:9/service/marathon", timeout_s=1).apps("prod")

        assert caught.value.why == "http://127.0.0.1:9/service/marathon does not answer: Connection refused"


class TestLogins:
    def test_user_and_password_become_a_token(self, server: responses.RequestsMock) -> None:
        wanted = matchers.json_params_matcher({"uid": "u", "password": "hunter2"})
        server.post(LOGIN, json={"token": "T"}, match=[wanted])
        server.get(APPS, json={"apps": []}, match=[matchers.header_matcher({"Authorization": "token=T"})])
        found = target(user="u", password=Secret("hunter2"))

        found.login()

        assert found.apps("prod") == ()

    def test_a_wrong_password_is_refused_in_the_servers_words(self, server: responses.RequestsMock) -> None:
        server.post(
            LOGIN, status=401, json={"title": "401 Unauthorized", "description": "Invalid credentials.", "code": "X"}
        )

        with pytest.raises(LoginRefused) as caught:
            target(user="u", password=Secret("hunter2")).login()

        assert caught.value.why == f"HTTP 401 Unauthorized: Invalid credentials. {AT}"
        assert "hunter2" not in repr(caught.value.__dict__)

    def test_a_password_that_the_server_repeats_is_hidden(self, server: responses.RequestsMock) -> None:
        server.post(LOGIN, status=400, json={"description": "'hunter2' is too short"})

        with pytest.raises(LoginRefused) as caught:
            target(user="u", password=Secret("hunter2")).login()

        assert caught.value.why == f"HTTP 400 Bad Request: '***' is too short {AT}"

    def test_a_token_that_runs_out_in_the_middle_is_renewed_once(self, server: responses.RequestsMock) -> None:
        server.post(LOGIN, json={"token": "T1"})
        server.post(LOGIN, json={"token": "T2"})
        fresh = matchers.header_matcher({"Authorization": "token=T2"})
        server.patch(APPS, status=401, body=HTML, content_type="text/html")
        server.patch(APPS, json={"deploymentId": "d", "version": "v2"}, match=[fresh])
        found = target(user="u", password=Secret("hunter2"))
        found.login()

        assert found.update([CHANGE]) == Deployment("d", ("/a/b",), "v2")

        assert [call.request.url for call in server.calls if call.request.method == "POST"] == [LOGIN, LOGIN]

    def test_a_login_that_is_refused_later_does_not_go_round(self, server: responses.RequestsMock) -> None:
        server.post(LOGIN, json={"token": "T"})
        server.get(APPS, status=401, body=HTML, content_type="text/html")
        found = target(user="u", password=Secret("hunter2"))
        found.login()

        with pytest.raises(LoginRefused) as caught:
            found.apps("prod")

        assert "401" in caught.value.why
        assert "<" not in caught.value.why
        assert len([call for call in server.calls if call.request.method == "POST"]) == 2

    def test_without_a_user_a_401_asks_for_one(self, server: responses.RequestsMock) -> None:
        server.get(APPS, status=401, body=HTML, content_type="text/html")

        with pytest.raises(LoginRefused) as caught:
            target().apps("prod")

        assert "--user" in caught.value.hint

    def test_a_token_comes_from_a_file_beside_the_settings(
        self, server: responses.RequestsMock, tmp_path: Path
    ) -> None:
        (tmp_path / "token").write_text("FROM-FILE\n")
        server.get(APPS, json={"apps": []}, match=[matchers.header_matcher({"Authorization": "token=FROM-FILE"})])
        found = target(settings={"token_file": "token"}, folder=tmp_path)
        found.login()

        assert found.apps("prod") == ()

    def test_a_token_from_a_file_is_read_again_when_it_has_run_out(
        self, server: responses.RequestsMock, tmp_path: Path
    ) -> None:
        (tmp_path / "token").write_text("OLD")
        server.get(APPS, json={"apps": []}, match=[matchers.header_matcher({"Authorization": "token=NEW"})])
        server.get(APPS, status=401, body=HTML, match=[matchers.header_matcher({"Authorization": "token=OLD"})])
        found = target(settings={"token_file": "token"}, folder=tmp_path)
        found.login()

        with pytest.raises(LoginRefused) as caught:
            found.apps("prod")
        (tmp_path / "token").write_text("NEW")

        assert found.apps("prod") == ()
        assert str(tmp_path / "token") in caught.value.hint

    def test_a_token_file_that_is_missing_is_a_clear_error(self, tmp_path: Path) -> None:
        with pytest.raises(LoginRefused) as caught:
            target(settings={"token_file": "token"}, folder=tmp_path).login()

        assert str(tmp_path / "token") in caught.value.what

    def test_a_marathon_without_dcos_needs_no_login(
        self, server: responses.RequestsMock, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.get("http://master:8080/v2/info", json={"version": "1.10.0"})
        server.post("http://master:8080/acs/api/v1/auth/login", status=404, json={"message": "URI not found"})

        with caplog.at_level(logging.WARNING):
            target("http://master:8080", user="u", password=Secret("hunter2")).login()

        assert "without DC/OS" in caplog.text
        assert "hunter2" not in caplog.text


class TestAnswers:
    def test_a_lock_names_its_deployments(self, server: responses.RequestsMock) -> None:
        said = "App is locked by one or more deployments. View details at '/v2/deployments/<DEPLOYMENT_ID>'."
        server.patch(APPS, status=409, json={"message": said, "deployments": [{"id": "d-7"}, {"id": "d-8"}]})

        with pytest.raises(AppLocked) as caught:
            target().update([CHANGE])

        assert "App is locked" in caught.value.why
        assert "d-7, d-8" in caught.value.why

    def test_every_particular_of_a_bad_body_is_told(self, server: responses.RequestsMock) -> None:
        details = [{"path": "/container/docker", "errors": ["not defined", "twice"]}]
        server.patch(APPS, status=422, json={"message": "Object is not valid", "details": details})

        with pytest.raises(TargetError) as caught:
            target().update([CHANGE])

        assert caught.value.why.endswith("Object is not valid; /container/docker: not defined, twice")
        assert not isinstance(caught.value, NoAnswer)

    def test_an_unknown_app_is_refused(self, server: responses.RequestsMock) -> None:
        server.patch(APPS, status=404, json={"message": "App '/a/b' does not exist"})

        with pytest.raises(TargetError, match="/a/b") as caught:
            target().update([CHANGE])

        assert "does not exist" in caught.value.why

    def test_a_forbidden_page_is_told_by_its_title(self, server: responses.RequestsMock) -> None:
        server.get(APPS, status=403, body="<TITLE>\n403 Forbidden</TITLE>", content_type="text/html")

        with pytest.raises(TargetError) as caught:
            target().apps("prod")

        assert caught.value.why == f"HTTP 403 Forbidden: 403 Forbidden {AT}"
        assert "permission" in caught.value.hint

    def test_too_many_deployments_is_no_question_of_permission(self, server: responses.RequestsMock) -> None:
        server.patch(APPS, status=403, json={"message": "Max number (100) of running deployments is achieved."})

        with pytest.raises(TargetError) as caught:
            target().update([CHANGE])

        assert "wait" in caught.value.hint

    @pytest.mark.parametrize("status", [502, 503, 504])
    def test_a_write_that_a_proxy_gave_up_has_no_answer(self, server: responses.RequestsMock, status: int) -> None:
        server.patch(APPS, status=status, body="<title>Bad Gateway</title>", content_type="text/html")

        with pytest.raises(NoAnswer):
            target().update([CHANGE])

    @pytest.mark.parametrize(
        "fault",
        [
            requests.ReadTimeout("read timed out"),
            requests.ConnectionError(("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))),
            requests.exceptions.ChunkedEncodingError("cut"),
        ],
    )
    def test_a_write_without_an_answer_counts_as_sent(
        self, server: responses.RequestsMock, fault: requests.RequestException
    ) -> None:
        server.patch(APPS, body=fault)

        with pytest.raises(NoAnswer):
            target().update([CHANGE])

    def test_a_write_that_never_left_was_not_taken(self, server: responses.RequestsMock) -> None:
        pool: Any = None
        reason = NewConnectionError(pool, "Failed to establish a new connection: [Errno 111] Connection refused")
        server.patch(APPS, body=requests.ConnectionError(MaxRetryError(pool, "/", reason)))

        with pytest.raises(TargetError) as caught:
            target().update([CHANGE])

        assert not isinstance(caught.value, NoAnswer)

    def test_a_success_that_names_no_deployment_is_no_answer(self, server: responses.RequestsMock) -> None:
        server.patch(APPS, body="<title>Welcome</title>", content_type="text/html")

        with pytest.raises(NoAnswer):
            target().update([CHANGE])

    def test_a_list_that_is_none_is_a_clear_error(self, server: responses.RequestsMock) -> None:
        server.get(APPS, json={"message": "hello"})

        with pytest.raises(TargetError, match="cannot be read"):
            target().apps("prod")


class TestRequests:
    def test_a_fleet_is_one_patch_without_force(self, server: responses.RequestsMock) -> None:
        server.patch(APPS, json={"deploymentId": "d", "version": "v2"})
        other = Change(App("/a/c", "c:1", "v1", 1, False, (), {"container": {"docker": {"image": "c:1"}}}), "c:2")

        found = target().update([CHANGE, other])

        assert found == Deployment("d", ("/a/b", "/a/c"), "v2")
        (call,) = server.calls
        assert call.request.url == APPS
        assert [part["container"]["docker"]["image"] for part in json.loads(call.request.body or b"")] == [
            "a:2",
            "c:2",
        ]

    def test_a_look_costs_one_request_when_all_run_and_two_otherwise(self, server: responses.RequestsMock) -> None:
        up = {"id": "/s/prod/a", "instances": 1, "version": "1", "tasks": [{"version": "1", "state": "TASK_RUNNING"}]}
        down = {"id": "/s/prod/b", "instances": 1, "version": "1", "tasks": []}
        foreign = {"id": "/s/prod/a-too", "instances": 1, "version": "1", "tasks": []}
        server.get(APPS, json={"apps": [up, down, foreign]})
        server.get(f"{URL}/v2/queue", json={"queue": [{"app": {"id": "/s/prod/b"}, "delay": {"overdue": True}}]})
        found = target()

        seen = found.status(["/s/prod/a"])
        after_one = len(server.calls)
        both = found.status(["/s/prod/a", "/s/prod/b", "/s/prod/gone"])

        assert set(seen) == {"/s/prod/a"}
        assert after_one == 1
        assert {one: both[one].unplaced for one in both} == {"/s/prod/a": "", "/s/prod/b": "no offers"}
        assert len(server.calls) == 3
        assert parse_qs(urlsplit(str(server.calls[1].request.url)).query)["id"] == ["/s/prod"]

    def test_what_another_version_of_a_task_holds_is_looked_up_once(self, server: responses.RequestsMock) -> None:
        tasks = [{"id": f"a.{number}", "version": number, "state": "TASK_RUNNING"} for number in ("1", "2", "3")]
        scaled = {"id": "/a", "instances": 3, "cmd": "run", "version": "3", "tasks": tasks}
        server.get(APPS, json={"apps": [scaled]})
        server.get(f"{APPS}/a/versions/1", json={"id": "/a", "cmd": "other", "instances": 1, "version": "1"})
        server.get(f"{APPS}/a/versions/2", json={"id": "/a", "cmd": "run", "instances": 2, "version": "2"})
        server.get(f"{URL}/v2/queue", json={"queue": []})
        found = target()

        seen = [found.status(["/a"])["/a"] for _ in range(2)]

        assert [(one.ready, one.stale) for one in seen] == [(2, 1), (2, 1)]
        assert len([call for call in server.calls if "/versions/" in str(call.request.url)]) == 2

    def test_a_version_that_is_no_longer_stored_is_not_the_present_one(self, server: responses.RequestsMock) -> None:
        tasks = [{"id": "a.1", "version": "1", "state": "TASK_RUNNING"}]
        server.get(APPS, json={"apps": [{"id": "/a", "instances": 1, "version": "2", "tasks": tasks}]})
        server.get(f"{APPS}/a/versions/1", status=404, json={"message": "App '/a' does not exist", "details": []})
        server.get(f"{URL}/v2/queue", json={"queue": []})

        seen = target().status(["/a"])["/a"]

        assert (seen.ready, seen.stale) == (0, 1)

    def test_a_cancelled_deployment_is_rolled_back_by_another(self, server: responses.RequestsMock) -> None:
        server.delete(f"{URL}/v2/deployments/d1", json={"deploymentId": "d2", "version": "v3"})

        assert target().cancel(Deployment("d1", ("/a",))) == Deployment("d2", ("/a",), "v3")

    def test_a_deployment_that_is_over_cannot_be_cancelled(self, server: responses.RequestsMock) -> None:
        server.delete(f"{URL}/v2/deployments/d1", status=404, json={"message": "DeploymentPlan d1 does not exist"})

        assert target().cancel(Deployment("d1", ("/a",))) is None

    def test_closing_twice_is_harmless(self) -> None:
        found = target()
        found.close()
        found.close()
