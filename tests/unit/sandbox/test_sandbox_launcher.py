"""The sandbox as it is served: real sockets on loopback, settings that point at it."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import yaml

from rollback.sandbox.http_messages import Request, Response
from rollback.sandbox.http_server import listening
from rollback.sandbox.launcher import serving
from rollback.sandbox.marathon.fault_injection import Fault, FaultKind


def test_it_serves_a_registry_and_a_marathon_that_know_each_other() -> None:
    with serving(speed=50) as sandbox:
        apps = requests.get(f"{sandbox.marathon_url}/v2/apps", timeout=5).json()["apps"]
        image = next(a for a in apps if a["id"] == "/ds/prod/shop/cart")["container"]["docker"]["image"]
        host, _, path = image.partition("/")
        repo, _, tag = path.partition(":")
        tags = requests.get(f"{sandbox.registry_url}/v2/{repo}/tags/list", timeout=5).json()["tags"]

    assert host == urlsplit(sandbox.registry_url).netloc
    assert tag in tags


def test_an_image_that_the_registry_lacks_cannot_be_pulled() -> None:
    with serving(speed=200) as sandbox:
        container = sandbox.fleet.apps["/ds/prod/shop/cart"].definition["container"]
        container = {**container, "docker": {"image": container["docker"]["image"].replace("2.11.0", "9.9.9")}}
        url = f"{sandbox.marathon_url}/v2/apps//ds/prod/shop/cart"
        requests.patch(url, json={"container": container}, timeout=5).raise_for_status()
        deadline = time.monotonic() + 5
        failure = None
        while failure is None and time.monotonic() < deadline:
            failure = requests.get(url, timeout=5).json()["app"].get("lastTaskFailure")

    assert failure is not None
    assert "manifest unknown" in failure["message"]


def test_the_settings_point_at_it(tmp_path: Path) -> None:
    with serving() as sandbox:
        sandbox.write_settings(tmp_path / "rollback.yaml")

    settings = yaml.safe_load((tmp_path / "rollback.yaml").read_text())
    assert settings["registry"]["url"] == sandbox.registry_url
    assert settings["targets"][settings["target"]] == {"kind": "marathon", "url": sandbox.marathon_url}


def test_its_ports_can_be_chosen_and_a_taken_one_is_an_error() -> None:
    with serving() as first:
        taken = urlsplit(first.registry_url).port
        assert taken is not None
        with pytest.raises(OSError, match="in use"), serving(registry_port=taken):
            pass


def test_its_password_is_not_in_its_text() -> None:
    with serving(password="hunter2") as sandbox:
        assert "hunter2" not in repr(sandbox)
        assert "hunter2" not in repr(sandbox.front.logins)
        login = {"uid": sandbox.user, "password": "hunter2"}
        assert requests.post(f"{sandbox.dcos_url}/acs/api/v1/auth/login", json=login, timeout=5).status_code == 200


def test_a_dropped_answer_is_a_closed_connection() -> None:
    with serving() as sandbox:
        sandbox.faults.add(Fault(FaultKind.DROP, method="*"))

        with pytest.raises(requests.ConnectionError):
            requests.get(f"{sandbox.marathon_url}/v2/apps", timeout=5)


def test_connections_are_kept_and_a_head_has_a_length_but_no_body() -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        seen.append(request)
        return Response(200, b"four")

    with listening(answer) as url:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
        connection.request("HEAD", "/a%20b?x=1&x=2")
        head = connection.getresponse()
        length, empty = head.getheader("Content-Length"), head.read()
        own_port = connection.sock.getsockname()
        connection.request("POST", "/c", json.dumps({}), {"X-Thing": "y"})
        body = connection.getresponse().read()
        same = connection.sock.getsockname() == own_port
        connection.close()

    assert (length, empty, body, same) == ("4", b"", b"four", True)
    assert (seen[0].path, seen[0].query["x"]) == ("/a b", ("1", "2"))
    assert (seen[1].body, seen[1].headers["x-thing"]) == (b"{}", "y")


def test_it_stops_while_clients_hold_their_connections() -> None:
    with requests.Session() as session:
        with listening(lambda _: Response(200)) as url:
            first = session.get(url, timeout=5).status_code

        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=5)

    assert first == 200
