"""Challenges, kept credentials and helper programs."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rollback.registry.address import Address
from rollback.registry.auth.credentials import Login
from rollback.registry.auth.docker_config import Keychain
from rollback.secret import Secret
from rollback.system.http_challenge import Challenge, parse

HOST = "registry.example.com:5000"
SECRET = "s3cret: with a colon"


def auth(user: str, password: str = SECRET) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def find(repo: str = "shop/cart", host: str = HOST) -> Login:
    return Keychain().find(Address.parse(host), repo)


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Any], Path]:
    """Writes Docker's file; gives its path."""

    def write(document: Any) -> Path:
        path = tmp_path / "config.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        return path

    return write


@pytest.fixture
def helper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Makes `docker-credential-ours` of a shell script's lines; gives the file of servers it was asked for."""

    def make(lines: str) -> Path:
        program = tmp_path / "bin" / "docker-credential-ours"
        program.parent.mkdir()
        asked = tmp_path / "asked"
        program.write_text(f'#!/bin/sh\nread -r server\nprintf "%s %s\\n" "$1" "$server" >>"{asked}"\n{lines}\n')
        program.chmod(0o700)
        monkeypatch.setenv("PATH", str(program.parent), prepend=":")
        return asked

    return make


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Basic", [Challenge("basic", {})]),
        ('BASIC realm="a, b"', [Challenge("basic", {"realm": "a, b"})]),
        (
            'Bearer realm="https://auth.example.com/token",service="r",scope="repository:a/b:pull,push"',
            [
                Challenge(
                    "bearer",
                    {"realm": "https://auth.example.com/token", "service": "r", "scope": "repository:a/b:pull,push"},
                )
            ],
        ),
        (
            'Negotiate, Basic realm="x" , Bearer realm=plain , error="a \\"quoted\\" word"',
            [
                Challenge("negotiate", {}),
                Challenge("basic", {"realm": "x"}),
                Challenge("bearer", {"realm": "plain", "error": 'a "quoted" word'}),
            ],
        ),
        ("", []),
        ('"', []),
    ],
)
def test_challenges_are_taken_apart(header: str, expected: list[Challenge]) -> None:
    assert parse(header) == expected


@pytest.mark.parametrize("key", [HOST, f"https://{HOST}", f"https://{HOST}/v1/", f"http://{HOST}/v2/"])
def test_docker_s_entry_is_found_under_each_form_of_its_name(docker: Callable[[Any], Path], key: str) -> None:
    path = docker({"auths": {"other.example.com": auth("bob"), key: auth("amy")}})

    login = find()

    assert (login.user, login.password.reveal(), login.source) == ("amy", SECRET, str(path))


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("registry.example.com", "registry.example.com:443"),
        ("registry.example.com", "https://registry.example.com:443/v2/"),
        ("registry.example.com:443", "registry.example.com"),
        ("registry.example.com", "Registry.Example.COM"),
        ("Registry.example.com", "registry.example.com"),
        ("http://registry.example.com", "registry.example.com:80"),
        ("registry.example.com", "HTTPS://registry.example.com/"),
        ("registry.example.com", "https://registry.example.com/artifactory/api/docker/key"),
    ],
)
def test_a_host_is_the_same_with_its_usual_port_and_in_any_case(
    docker: Callable[[Any], Path], address: str, key: str
) -> None:
    docker({"auths": {key: auth("amy")}})

    assert find("shop/cart", address).user == "amy"


NAME = "registry.example.com"


@pytest.mark.parametrize("keys", [(NAME, f"{NAME}:443"), (f"{NAME}:443", NAME)])
def test_the_key_that_is_written_like_the_address_comes_first(
    docker: Callable[[Any], Path], keys: tuple[str, ...]
) -> None:
    docker({"auths": {key: auth("amy" if key == NAME else "bob") for key in keys}})

    assert find("shop/cart", NAME).user == "amy"
    assert find("shop/cart", f"https://{NAME}:443").user == "bob"


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("registry.example.com", "registry.example.com:80"),
        ("registry.example.com", "registry.example.com:5000"),
        ("http://registry.example.com", "https://registry.example.com:80"),
        ("registry.example.com", "registry.example.com/other"),
        ("registry.example.com", "registry.example.comm"),
    ],
)
def test_another_port_or_namespace_is_another_entry(docker: Callable[[Any], Path], address: str, key: str) -> None:
    docker({"auths": {key: auth("eve")}})

    assert find("shop/cart", address).name == "anonymous"


_FORMS = [HOST, f"https://{HOST}", f"https://{HOST}/v2/", f"http://{HOST}/v1/"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
@pytest.mark.parametrize("filled", [0, 1, 2, 3])
def test_of_several_keys_the_best_filled_one_counts_in_any_order(
    docker: Callable[[Any], Path], order: tuple[int, ...], filled: int
) -> None:
    docker({"auths": {_FORMS[at]: auth(f"user{at}") if at >= filled else {} for at in order}})

    assert find().user == f"user{filled}"


def test_a_registry_token_is_read_and_kept_secret(docker: Callable[[Any], Path]) -> None:
    docker({"auths": {HOST: {"registrytoken": SECRET.replace(" ", "")}}})

    login = find()

    assert bool(login)
    assert login.registry_token.reveal() == SECRET.replace(" ", "")
    assert login.name == "the owner of a registry token"
    assert SECRET.replace(" ", "") not in repr(login)
    assert login.registry_token in login.secrets()


@pytest.mark.parametrize(
    "entry",
    [
        {"registrytoken": "two words"},
        {"registrytoken": "a\nline"},
        {"registrytoken": "é"},
        {"auth": base64.b64encode(b"no colon").decode()},
    ],
)
def test_an_entry_that_cannot_be_used_is_warned_about(
    docker: Callable[[Any], Path], caplog: pytest.LogCaptureFixture, entry: dict[str, str]
) -> None:
    docker({"auths": {HOST: entry}})

    assert find().name == "anonymous"
    assert "an entry in" in caplog.text


def test_a_helper_comes_before_the_store_and_the_store_before_the_entries(
    docker: Callable[[Any], Path], helper: Callable[[str], Path]
) -> None:
    asked = helper("""echo '{"Username": "kept", "Secret": "s"}'""")
    docker({"credsStore": "ours", "auths": {f"{HOST}/shop/cart": auth("file"), HOST: auth("file")}})

    assert find().user == "kept"
    assert asked.read_text() == f"get {HOST}\n"


def test_entries_count_where_the_store_knows_nothing(
    docker: Callable[[Any], Path], helper: Callable[[str], Path]
) -> None:
    helper("echo credentials not found in native keychain; exit 1")
    docker({"credsStore": "ours", "auths": {HOST: auth("file")}})

    assert find().user == "file"


def test_nothing_kept_is_anonymous() -> None:
    login = find()

    assert (login.name, login.source, bool(login)) == ("anonymous", "no credentials were found", False)


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "https://registry-1.docker.io/v2/"])
@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io"])
def test_docker_hub_has_several_names(docker: Callable[[Any], Path], host: str, key: str) -> None:
    docker({"auths": {key: auth("amy")}})

    assert find("redis", host).user == "amy"


def test_user_and_password_may_stand_apart(docker: Callable[[Any], Path]) -> None:
    docker({"auths": {HOST: {"username": "amy", "password": SECRET}}})

    assert find().password.reveal() == SECRET


def test_podman_s_files_come_first_and_the_longest_name_wins(
    docker: Callable[[Any], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker({"auths": {HOST: auth("docker")}})
    folder = tmp_path / "run" / "containers"
    folder.mkdir(parents=True)
    names = {f"{HOST}/shop/cart": auth("cart"), f"{HOST}/shop": auth("shop")}
    (folder / "auth.json").write_text(json.dumps({"auths": names}))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))

    assert [find(repo).user for repo in ("shop/cart", "shop/web", "shopping/x", "")] == [
        "cart",
        "shop",
        "docker",
        "docker",
    ]


def test_the_folders_of_the_home_are_looked_into(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for place, user in ((".config/containers/auth.json", "podman"), (".docker/config.json", "docker")):
        file = tmp_path / place
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"auths": {f"{user}.example.com": auth(user)}}))

    assert [find("x", f"{user}.example.com").user for user in ("podman", "docker")] == ["podman", "docker"]


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": []}', '{"auths": {"%s": {"auth": "*"}}}' % HOST])  # noqa: UP031
def test_a_file_that_cannot_be_read_is_no_reason_to_fail(docker: Callable[[Any], Path], text: str) -> None:
    docker(text)

    assert find().name == "anonymous"


def test_a_helper_for_the_host_comes_before_the_store_and_is_asked_once(
    docker: Callable[[Any], Path], helper: Callable[[str], Path]
) -> None:
    asked = helper(f"""echo '{{"Username": "amy", "Secret": "{SECRET}"}}'""")
    docker({"credHelpers": {HOST: "ours"}, "credsStore": "missing", "auths": {HOST: {}}})
    kept = Keychain()

    logins = [kept.find(Address.parse(HOST), repo) for repo in ("a/b", "c/d")]

    assert [login.user for login in logins] == ["amy", "amy"]
    assert logins[0].source.startswith("docker-credential-ours, named in ")
    assert asked.read_text() == f"get {HOST}\n"


def test_the_store_is_asked_for_docker_hub_by_its_old_name(
    docker: Callable[[Any], Path], helper: Callable[[str], Path]
) -> None:
    asked = helper("""echo '{"Username": "<token>", "Secret": "identity"}'""")
    docker({"credsStore": "ours"})

    login = find("redis", "docker.io")

    assert (login.user, login.identity_token.reveal()) == ("", "identity")
    assert asked.read_text() == "get https://index.docker.io/v1/\n"


@pytest.mark.parametrize(
    ("lines", "warned"),
    [
        ("echo credentials not found in native keychain; exit 1", ""),
        ("echo very-secret; echo very-secret >&2; exit 3", "ended with code 3"),
        ("echo very-secret", "cannot be read"),
        ("""echo '["very-secret"]'""", "cannot be read"),
        ("""echo '{"Username": 1, "Secret": "very-secret"}'""", "cannot be read"),
    ],
)
def test_a_helper_that_fails_is_warned_about_without_its_words(
    docker: Callable[[Any], Path],
    helper: Callable[[str], Path],
    caplog: pytest.LogCaptureFixture,
    lines: str,
    warned: str,
) -> None:
    helper(lines)
    docker({"credsStore": "ours"})

    assert find().name == "anonymous"
    assert warned in caplog.text
    assert bool(caplog.records) == bool(warned)
    assert "very-secret" not in caplog.text


@pytest.mark.parametrize("name", ["missing", "../evil", "a b", ""])
def test_a_helper_that_is_not_there_is_no_reason_to_fail(docker: Callable[[Any], Path], name: str) -> None:
    docker({"credHelpers": {HOST: name}, "auths": {HOST: auth("amy")}})

    assert find().user == "amy"


def test_no_credential_shows_itself() -> None:
    login = Login("amy", password=Secret(SECRET))

    assert SECRET not in repr(login)
    assert SECRET not in repr(login.basic)
