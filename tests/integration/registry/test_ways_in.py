"""The same registry behind every kind of login, and where the credentials may not go."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rollback.errors import RegistryError
from rollback.registry.client import RegistryOptions, connect
from rollback.secret import Secret
from tests.support import registry_proxy as fronts
from tests.support.hostile_images import EAGER, REPOS, Fleet, agrees, lines, look, master
from tests.support.registry_proxy import Bearer, Front, front

PASSWORD = "correct horse: battery"
LOGIN: dict[str, Any] = {"user": "amy", "password": Secret(PASSWORD)}


@contextmanager
def guarded(fleet: Fleet, bearer: Bearer, *rules: fronts.Rule) -> Iterator[tuple[Front, Front]]:
    """The registry behind a token server on another port."""
    with front("", bearer.server) as server, front(fleet.url, *rules, bearer.registry) as registry:
        bearer.realm = f"{server.url}/token?account=x"
        yield registry, server


def write_docker_config(home: Path, document: object) -> Path:
    folder = home / "docker"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(document))
    return folder


def encoded(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def test_basic_credentials_are_shown_after_one_challenge_and_then_at_once(fleet: Fleet) -> None:
    with front(fleet.url, fronts.basic("amy", PASSWORD)) as registry:
        survey = look(registry.url, **LOGIN)
        without = [asked for asked in registry.seen if "authorization" not in asked.headers]

    agrees(survey, fleet)
    assert len(without) == 1


def test_a_wrong_password_is_said_with_the_user_and_never_shown(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with front(fleet.url, fronts.basic("amy", "another")) as registry, pytest.raises(RegistryError) as caught:
        look(registry.url, **LOGIN)

    assert re.fullmatch(r"shop/\w+ cannot be read from http://127\.0\.0\.1:\d+", caught.value.what)
    assert "no access as amy (the settings): 401 UNAUTHORIZED: authentication required" in caught.value.why
    assert "docker login" in caught.value.hint
    assert_no_secret(caught.value, caplog)


def test_a_login_that_is_missing_is_said(fleet: Fleet) -> None:
    with front(fleet.url, fronts.basic("amy", PASSWORD)) as registry, pytest.raises(RegistryError) as caught:
        look(registry.url)

    assert "no access as anonymous (no credentials were found): 401 UNAUTHORIZED" in caught.value.why


@pytest.mark.parametrize("login", [{}, LOGIN])
def test_one_token_opens_all_repositories(fleet: Fleet, login: dict[str, Any]) -> None:
    bearer = Bearer(user="amy", password=PASSWORD) if login else Bearer()
    with guarded(fleet, bearer) as (registry, _server):
        survey = look(registry.url, **login)

    agrees(survey, fleet)
    assert bearer.given == [[f"repository:{repo}:pull" for repo in REPOS]]


def test_a_server_that_gives_one_scope_a_token_is_asked_for_each(fleet: Fleet) -> None:
    bearer = Bearer()
    bearer.shared = False
    with guarded(fleet, bearer) as (registry, _server):
        survey = look(registry.url)

    agrees(survey, fleet)
    assert sorted(scopes[0] for scopes in bearer.given) == sorted(f"repository:{repo}:pull" for repo in REPOS)


def test_a_shared_token_that_opens_only_one_repository_is_replaced_for_the_others(fleet: Fleet) -> None:
    bearer = Bearer()
    bearer.forgiving = True
    with guarded(fleet, bearer) as (registry, _server):
        survey = look(registry.url)

    agrees(survey, fleet)
    assert len(bearer.given) == len(REPOS)


def test_a_challenge_without_scope_and_a_token_under_its_other_name_do_too(fleet: Fleet) -> None:
    bearer = Bearer()
    bearer.says_scope, bearer.member, bearer.life_s = False, "access_token", None
    with guarded(fleet, bearer) as (registry, server):
        survey = look(registry.url)

    agrees(survey, fleet)
    assert server.seen[0].query["service"] == ["registry.example, with a comma"]
    assert server.seen[0].query["account"] == ["x"]


def test_a_token_is_replaced_before_it_runs_out(fleet: Fleet) -> None:
    bearer = Bearer()
    bearer.life_s = 0.001
    with guarded(fleet, bearer) as (registry, _server):
        look(registry.url, ["shop/forms"])
        refused = [asked for asked in registry.seen if "authorization" not in asked.headers]

    assert len(bearer.given) > 2
    assert len(refused) == 1  # the first question; no token was ever refused


def test_a_token_that_is_withdrawn_in_the_middle_is_fetched_again(fleet: Fleet) -> None:
    bearer = Bearer()

    def withdraw(asked: fronts.Asked, go: fronts.Go) -> fronts.Reply:
        if "/blobs/" in asked.path and len(bearer.given) == 1:
            bearer.tokens.clear()
        return go()

    with guarded(fleet, bearer, withdraw) as (registry, _server):
        survey = look(registry.url, ["shop/many"])

    assert lines(survey) == fleet.of("shop/many")
    assert len(bearer.given) == 2


def test_a_repository_that_no_token_opens_ends_the_survey_by_name(fleet: Fleet) -> None:
    bearer = Bearer()

    def closed(asked: fronts.Asked, go: fronts.Go) -> fronts.Reply:
        if asked.repo == "shop/dates":
            return fronts.refusal(403, "DENIED", "requested access to the resource is denied")
        return go()

    with guarded(fleet, bearer, closed) as (registry, _server), pytest.raises(RegistryError) as caught:
        look(registry.url)

    assert caught.value.what == f"shop/dates cannot be read from {registry.url}"
    assert "the list of tags: no access as anonymous" in caught.value.why
    assert "403 DENIED: requested access to the resource is denied" in caught.value.why


def test_a_token_server_that_refuses_the_password_is_said(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bearer = Bearer(user="amy", password="another")
    with guarded(fleet, bearer) as (registry, _server), pytest.raises(RegistryError) as caught:
        look(registry.url, ["shop/many"], **LOGIN)

    assert caught.value.what.startswith("no token for shop/many from 127.0.0.1:")
    assert caught.value.why == "requested as amy (the settings): the token server answered 401 no"
    assert_no_secret(caught.value, caplog)


def test_a_token_server_s_own_words_are_shown_without_what_it_was_sent(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bearer = Bearer()

    def gitlab(asked: fronts.Asked, _go: fronts.Go) -> fronts.Reply:
        return fronts.refusal(403, "DENIED", f"access forbidden for {asked.headers['authorization']}")

    with front("", gitlab) as server, front(fleet.url, bearer.registry) as registry:
        bearer.realm = f"{server.url}/jwt/auth"
        with pytest.raises(RegistryError) as caught:
            look(registry.url, ["shop/many"], **LOGIN)

    assert caught.value.why == (
        "requested as amy (the settings): the token server answered 403 DENIED: access forbidden for Basic ***"
    )
    assert_no_secret(caught.value, caplog)


def test_a_registry_token_opens_the_registry_without_a_token_server(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bearer = Bearer(user="nobody", password="x")
    bearer.tokens["very-secret-registry-token"] = [f"repository:{repo}:pull" for repo in REPOS]
    with guarded(fleet, bearer) as (registry, server):
        host = registry.url.removeprefix("http://")
        document = {"auths": {host: {"registrytoken": "very-secret-registry-token"}}}
        monkeypatch.setenv("DOCKER_CONFIG", str(write_docker_config(tmp_path, document)))

        survey = look(registry.url)

        agrees(survey, fleet)
        assert server.seen == []
        assert len([asked for asked in registry.seen if "authorization" not in asked.headers]) == 1


def test_a_registry_token_that_is_refused_is_said_and_never_shown(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with guarded(fleet, Bearer()) as (registry, _server):
        host = registry.url.removeprefix("http://")
        document = {"auths": {host: {"registrytoken": "very-secret-registry-token"}}}
        folder = write_docker_config(tmp_path, document)
        monkeypatch.setenv("DOCKER_CONFIG", str(folder))

        with pytest.raises(RegistryError) as caught:
            look(registry.url, ["shop/many"])

    assert f"no access as the owner of a registry token ({folder}/config.json): 401 UNAUTHORIZED" in caught.value.why
    assert_no_secret(caught.value, caplog)


def test_an_identity_token_is_traded_for_tokens(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bearer = Bearer(user="nobody", password="x", refresh="very-secret-refresh")
    with guarded(fleet, bearer) as (registry, server):
        host = registry.url.removeprefix("http://")
        document = {"auths": {host: {"identitytoken": "very-secret-refresh"}}}
        monkeypatch.setenv("DOCKER_CONFIG", str(write_docker_config(tmp_path, document)))

        survey = look(registry.url)

    agrees(survey, fleet)
    assert [asked.method for asked in server.seen] == ["POST"]
    assert b"grant_type=refresh_token" in server.seen[0].body


@pytest.mark.parametrize("key", ["{host}", "http://{host}/v1/", "https://{host}"])
def test_docker_s_file_opens_the_registry(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    with front(fleet.url, fronts.basic("amy", PASSWORD)) as registry:
        host = registry.url.removeprefix("http://")
        document = {"auths": {key.format(host=host): {"auth": encoded("amy", PASSWORD)}}}
        monkeypatch.setenv("DOCKER_CONFIG", str(write_docker_config(tmp_path, document)))

        survey = look(registry.url)

    agrees(survey, fleet)


JUDGED: list[dict[str, str]] = [
    {"{host}": "exact"},
    {"https://{host}": "url"},
    {"http://{host}/v2/": "url"},
    {"https://{host}/v1/": "url"},
    {"https://{host}": "url", "{host}": "exact"},
    {"{host}": "exact", "http://{host}/v2/": "url"},
    {"{host}/shop": "namespace", "{host}": "exact"},
    {"https://{host}": "url", "{host}/shop": "namespace"},
    {"{host}": "exact", "{host}/shop/many": "repository", "{host}/shop": "namespace"},
    {"{host}/other": "other", "{host}": "exact"},
    {"other.example": "other"},
    {},
]


@pytest.mark.parametrize("entries", JUDGED, ids=", ".join)
@pytest.mark.parametrize("reverse", [False, True])
def test_skopeo_chooses_the_same_entry_of_the_file(
    part: Callable[[str], str],
    fleet: Fleet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    entries: dict[str, str],
    reverse: bool,
) -> None:
    def any_user(asked: fronts.Asked, go: fronts.Go) -> fronts.Reply:
        sent = asked.headers.get("authorization", "Basic Og==")  # skopeo's for nobody: a colon
        return fronts.basic("a", "login")(asked, go) if sent == "Basic Og==" else go()

    with front(fleet.url, any_user) as registry:
        host = registry.url.removeprefix("http://")
        listed = {key.format(host=host): {"auth": encoded(user, "x")} for key, user in entries.items()}
        if reverse:
            listed = dict(reversed(listed.items()))
        file = tmp_path / "auth.json"
        file.write_text(json.dumps({"auths": listed}))
        monkeypatch.setenv("REGISTRY_AUTH_FILE", str(file))

        judge = subprocess.run(
            [part("skopeo"), "list-tags", "--tls-verify=false", f"docker://{host}/shop/many"],
            capture_output=True,
            timeout=60,
            check=False,
        )
        theirs = {asked.headers.get("authorization") for asked in registry.seen} - {None, "Basic Og=="}
        registry.seen.clear()
        with contextlib.suppress(RegistryError):
            look(registry.url, ["shop/many"])
        ours = {asked.headers["authorization"] for asked in registry.seen if "authorization" in asked.headers}

    assert (judge.returncode == 0) == bool(ours), judge.stderr
    assert ours == theirs
    assert bool(ours) == any("host" in key for key in entries)


def test_a_credential_helper_opens_the_registry(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "docker-credential-ours"
    helper.write_text(
        f'#!/bin/sh\nread -r server\necho "$1 $server" >>"{tmp_path}/asked"\n'
        f"""printf '{{"ServerURL":"%s","Username":"amy","Secret":"{PASSWORD}"}}' "$server"\n"""
    )
    helper.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with front(fleet.url, fronts.basic("amy", PASSWORD)) as registry:
        host = registry.url.removeprefix("http://")
        monkeypatch.setenv(
            "DOCKER_CONFIG", str(write_docker_config(tmp_path, {"credHelpers": {host: "ours"}, "credsStore": "none"}))
        )

        survey = look(registry.url)

    agrees(survey, fleet)
    assert (tmp_path / "asked").read_text() == f"get {host}\n"


def test_podman_s_longest_name_counts(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with front(fleet.url, fronts.basic("amy", PASSWORD)) as registry:
        host = registry.url.removeprefix("http://")
        file = tmp_path / "auth.json"
        entries = {
            host: {"auth": encoded("bob", "wrong")},
            f"{host}/shop": {"auth": encoded("bob", "wrong")},
            f"{host}/shop/many": {"auth": encoded("amy", PASSWORD)},
        }
        file.write_text(json.dumps({"auths": entries}))
        monkeypatch.setenv("REGISTRY_AUTH_FILE", str(file))

        survey = look(registry.url, ["shop/many"])

    assert lines(survey) == fleet.of("shop/many")


def test_redirected_blobs_are_fetched_without_the_registry_s_permission(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bearer = Bearer(user="amy", password=PASSWORD)
    with (
        front(fleet.url, fronts.storage, host="localhost") as storage,
        guarded(fleet, bearer, fronts.redirected(lambda: storage.url)) as (registry, _server),
    ):
        survey = look(registry.url, **LOGIN)

    agrees(survey, fleet)
    assert storage.seen
    assert all("authorization" not in asked.headers for asked in storage.seen)
    assert_no_secret(None, caplog)


def test_a_redirect_within_the_registry_keeps_the_permission(fleet: Fleet) -> None:
    def moved(asked: fronts.Asked, go: fronts.Go) -> fronts.Reply:
        if "/blobs/" in asked.path and "moved" not in asked.target:
            return fronts.Reply(307, {"Location": f"{asked.path}?moved"})
        return go()

    with front(fleet.url, moved, fronts.basic("amy", PASSWORD)) as registry:
        survey = look(registry.url, **LOGIN)

    agrees(survey, fleet)


def test_storage_that_refuses_is_named_by_host_and_without_its_signature(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        front("", lambda _asked, _go: fronts.Reply(403, {}, b"<html><title>expired</title></html>")) as storage,
        front(fleet.url, fronts.redirected(lambda: storage.url)) as registry,
        pytest.raises(RegistryError) as caught,
    ):
        look(registry.url, ["shop/many"])

    assert caught.value.why == "the config: 403 (a web page: expired)"
    assert_no_secret(caught.value, caplog)


def test_a_server_that_repeats_what_it_was_sent_gives_nothing_away(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def echo(asked: fronts.Asked, go: fronts.Go) -> fronts.Reply:
        sent = asked.headers.get("authorization", "")
        return fronts.refusal(400, "ODD", f"who sends {sent}?") if sent else go()

    with (
        front(fleet.url, echo, fronts.basic("amy", PASSWORD)) as registry,
        pytest.raises(RegistryError, match="shop/many") as caught,
    ):
        look(registry.url, ["shop/many"], **LOGIN)

    assert "who sends Basic ***?" in caught.value.why
    assert_no_secret(caught.value, caplog)


def test_a_registry_tells_as_whom_it_is_asked(fleet: Fleet) -> None:
    named = connect(RegistryOptions(fleet.url, user="amy", password=Secret(PASSWORD))).identity
    nobody = connect(RegistryOptions(fleet.url)).identity
    in_url = connect(RegistryOptions(fleet.url.replace("://", "://eve:pass@")))

    assert (named.user, named.source) == ("amy", "the settings")
    assert (nobody.user, nobody.source) == ("anonymous", "no credentials were found")
    assert (in_url.identity.user, in_url.url) == ("eve", fleet.url)


def test_netrc_is_never_read(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login eve password wrong\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with front(fleet.url, fronts.basic("amy", PASSWORD)) as registry:
        survey = connect(RegistryOptions(registry.url, **LOGIN), budget=EAGER).survey(["shop/many"], master)

    assert lines(survey) == fleet.of("shop/many")


def assert_no_secret(error: RegistryError | None, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the error, nor what it came from, nor any log holds a secret."""
    texts = [record.getMessage() for record in caplog.records]
    cause: BaseException | None = error
    while cause:
        texts += [str(cause), repr(cause), str(getattr(cause, "why", "")), str(getattr(cause, "hint", ""))]
        cause = cause.__cause__ or cause.__context__
    for secret in (PASSWORD, encoded("amy", PASSWORD), "very-secret"):
        assert not [text for text in texts if secret in text]
