"""Flag before variable before file before default, and every mistake of the file at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rollback.config import settings
from rollback.config.settings import Settings
from rollback.core.plan import Environment, OnFailure
from rollback.errors import BadInput

WHOLE = """\
registry: {url: https://registry.example.com, ca_bundle: ca.pem, connections: 8}
environments: {dev: develop, prod: master}
tag_pattern: "{version}-{env}"
app_id: "/{department}/{env}/{project}/{service}"
apps: {billing: /ds/prod/shop/billing-api}
timezone: Europe/Berlin
target: east
targets:
  dcos: {kind: dcos}
  east: {kind: marathon, url: https://dcos.example.com/service/marathon}
run: {timeout_s: 90, parallel: 2, on_failure: keep, settle_s: 0.5, pin: false}
login: {user: jenkins, password_file: /run/secrets/pwd}
slack: {url_file: slack}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def parse(text: str) -> Settings:
    return settings.parse(text, Path("/etc/rollback/rollback.yaml"))


def mistakes(text: str) -> list[str]:
    with pytest.raises(BadInput, match=r"rollback\.yaml cannot be used") as caught:
        parse(text)
    assert caught.value.exit_code == 2
    return caught.value.why.splitlines()


def load(flag: str | None = None, environ: dict[str, str] | None = None, **flags: Any) -> Settings:
    return settings.load(flag, environ or {}, **flags)


def test_a_whole_file_is_read() -> None:
    found = parse(WHOLE)

    assert found.registry.url == "https://registry.example.com"
    assert found.registry.connections == 8
    assert found.apps == {"billing": ("/ds/prod/shop/billing-api",)}
    assert found.timezone == "Europe/Berlin"
    assert (found.run.timeout_s, found.run.parallel, found.run.pin) == (90.0, 2, False)
    assert found.run.on_failure is OnFailure.KEEP
    assert found.target_section() == {"kind": "marathon", "url": "https://dcos.example.com/service/marathon"}


def test_paths_are_relative_to_the_file() -> None:
    found = parse(WHOLE)

    assert found.registry.ca_bundle == Path("/etc/rollback/ca.pem")
    assert found.slack.url_file == Path("/etc/rollback/slack")
    assert found.login.password_file == Path("/run/secrets/pwd")
    assert found.folder == Path("/etc/rollback")


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_is_the_defaults(text: str) -> None:
    found = parse(text)

    assert found.environments == {"dev": "develop", "stage": "stage", "prod": "master"}
    assert (found.target, found.timezone, found.run.on_failure) == ("dcos", "UTC", OnFailure.RESTORE)


def test_both_names_of_an_environment_lead_to_it() -> None:
    assert Settings().environment("prod") == Settings().environment("master") == Environment("prod", "master")
    assert Settings().environment("canary") == Environment("canary", "canary")


def test_a_deployment_name_goes_before_a_tag_name() -> None:
    crossed = parse("environments: {prod: master, master: trunk}")

    assert crossed.environment("master") == Environment("master", "trunk")


def test_every_mistake_is_named_with_line_and_key() -> None:
    assert mistakes(
        "registry:\n"
        "  url: 5\n"
        "  connection: 8\n"
        "  insecure: maybe\n"
        "apps: [billing]\n"
        "run: {timeout_s: soon, parallel: 1.5, on_failure: panic, settle_s: -1}\n"
        "targets: {dcos: yes}\n"
        "timezone: Mars/Olympus\n"
        "bogus: 1\n"
    ) == [
        "line 2: registry.url: expected a text, found 5",
        "line 3: registry.connection: there is no such key; there are url, ca_bundle, client_cert, client_key, "
        "insecure, connections, platform, immutable_tags, tag_date, flavour, deadline_s",
        "line 4: registry.insecure: expected true or false, found 'maybe'",
        "line 5: apps: expected keys and values, found ['billing']",
        "line 6: run.on_failure: expected one of restore, keep, stop, found 'panic'",
        "line 6: run.parallel: expected a whole number, found 1.5",
        "line 6: run.settle_s: expected at least 0",
        "line 6: run.timeout_s: expected a number of seconds, found 'soon'",
        "line 7: targets.dcos: expected keys and values, found True",
        "line 8: timezone: there is no time zone called 'Mars/Olympus'",
        next(line for line in mistakes("\n" * 8 + "bogus: 1") if "bogus" in line),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("run: {parallel: 0}", "line 1: run.parallel: expected at least 1"),
        ("run: {timeout_s: .nan}", "run.timeout_s: expected a number of seconds"),
        ("run: {timeout_s: .inf}", "run.timeout_s: expected a number of seconds"),
        (f"run: {{timeout_s: {'9' * 400}}}", "run.timeout_s: expected a number of seconds"),
        ("run: {parallel: true}", "run.parallel: expected a whole number, found True"),
        ("run: {timeout_s: true}", "run.timeout_s: expected a number of seconds, found True"),
        ("registry: {connections: 1000}", "registry.connections: expected 1 to 128"),
        ("registry: {url: ''}", "registry.url: expected a text"),
        ("hooks: {preflight: [a, b]}", "hooks.preflight: expected a path"),
        ("hooks: {timeout_s: 0.5}", "hooks.timeout_s: expected at least 1"),
        ("hooks: {before: a}", "hooks.before: there is no such key; there are preflight, after, timeout_s"),
        ("registry:", "registry: expected keys and values, found None"),
        ("timezone: ~", "timezone: expected a text, found None"),
        ("timezone: no", "timezone: expected a text, found False"),
        ("environments: {prod: 5}", "environments.prod: expected a text, found 5"),
        ("environments: {5: master}", "environments: expected keys and values"),
        ("tag_pattern: '{version}'", "tag_pattern: it needs {env}"),
        ("target: a\ntarget: b", "line 2: target: is given twice, first in line 1"),
        ("run: {poll_s: 1, poll_s: 2}", "run.poll_s: is given twice"),
        ("[]", "the file: expected keys and values"),
        ("no", "the file: expected keys and values"),
        ("just words", "the file: expected keys and values"),
        ("run: {timeout_s: 1", "line 1"),
        ("\tx: 1", "line 1"),
        ("tag_pattern: {version}-{env}", "line 1"),
        ("timezone: 2026-13-45", ""),
        ("? [a]\n: b", ""),
        ("&a a: *a", ""),
        ("a: &x {b: *x}", ""),
        ("x: !!python/object/apply:os.system [id]", "python"),
        ("[" * 5000, ""),
        ("a: \x07", ""),
    ],
)
def test_what_cannot_be_used_is_bad_input_with_its_line(text: str, told: str) -> None:
    assert told in "\n".join(mistakes(text))


def test_a_file_that_is_no_text_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "rollback.yaml").write_bytes(b"\xff\xfe\xff")

    with pytest.raises(BadInput, match=r"rollback\.yaml cannot be read"):
        load()


def test_a_named_file_that_is_not_there_is_bad_input() -> None:
    for flag, environ in (("nowhere.yaml", {}), (None, {"ROLLBACK_CONFIG": "nowhere.yaml"})):
        with pytest.raises(BadInput, match="no settings file"):
            load(flag, environ)


def test_files_are_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    places = {name: tmp_path / name for name in ("flag.yaml", "variable.yaml", "rollback.yaml")}
    places["user"] = tmp_path / "config" / "rollback" / "rollback.yaml"
    places["user"].parent.mkdir(parents=True)
    for name, path in places.items():
        path.write_text(f"target: {name}\n")
    variable = {"ROLLBACK_CONFIG": "variable.yaml"}

    assert load("flag.yaml", variable).target == "flag.yaml"
    assert load(None, variable).target == "variable.yaml"
    assert load().target == "rollback.yaml"
    places["rollback.yaml"].unlink()
    assert load().target == "user"
    places["user"].unlink()
    assert load() == Settings()


def test_flags_go_before_variables_and_these_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "rollback.yaml").write_text(
        "registry: {url: 'https://file', connections: 3}\ntarget: file\n"
        "targets: {marathon: {kind: marathon, url: 'http://file', insecure: true}}\n"
    )
    environ = {
        "ROLLBACK_REGISTRY": "https://variable",
        "ROLLBACK_TARGET": "marathon",
    }

    assert (load().registry.url, load().target) == ("https://file", "file")
    found = load(None, environ)
    assert (found.registry.url, found.target, found.registry.connections) == ("https://variable", "marathon", 3)
    assert found.target_section() == {"kind": "marathon", "url": "http://file", "insecure": True}
    found = load(None, environ, registry="https://flag", target="dcos")
    assert (found.registry.url, found.target) == ("https://flag", "dcos")


def test_the_usual_targets_need_no_section() -> None:
    assert Settings().target_section() == {}
    assert parse("target: marathon").target_section() == {}


@pytest.mark.parametrize("text", ["hooks: {preflight: gate}", "hooks: {after: page}"])
def test_settings_that_others_can_write_to_may_not_name_hooks(text: str, tmp_path: Path) -> None:
    (tmp_path / "rollback.yaml").write_text(text)
    assert load().hooks != Settings().hooks

    (tmp_path / "rollback.yaml").chmod(0o664)

    with pytest.raises(BadInput) as caught:
        load()
    assert "line 1: hooks." in caught.value.why
    assert "may not name programs: its group can write to it (mode 0664)" in caught.value.why


def test_settings_that_others_can_write_to_may_say_all_else(tmp_path: Path) -> None:
    (tmp_path / "rollback.yaml").write_text("target: marathon")
    (tmp_path / "rollback.yaml").chmod(0o666)

    assert load().target == "marathon"
