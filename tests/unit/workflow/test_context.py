"""From settings to a target."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback.config.settings import Settings, parse
from rollback.errors import BadInput
from rollback.secret import Secret
from rollback.workflow import cluster_identity, context
from rollback.workflow.context import Access

NOBODY = Access("", Secret(), Secret())
EAST = "target: east\ntargets: {east: {kind: marathon, url: 'https://m'}}\n"


def test_an_unknown_target_is_refused_with_those_there_are(tmp_path: Path) -> None:
    file = tmp_path / "rollback.yaml"
    file.write_text(EAST)

    with pytest.raises(BadInput, match="no target called 'west'") as caught:
        context.load_settings(str(file), target="west")

    assert "dcos, east, kubernetes, marathon" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{EAST}app_id: '/{{env}}/x'\n", "line 3: app_id: it needs {service} and {env}"),
        (
            EAST.replace("url:", "app_id: 'x/{service}/{env}', url:"),
            "line 2: targets.east.app_id: an app's id begins with /",
        ),
    ],
)
def test_a_wrong_pattern_is_named_where_it_is_written(text: str, told: str) -> None:
    with pytest.raises(BadInput) as caught:
        context.target(parse(text, Path("rollback.yaml")), NOBODY)

    assert told in caught.value.why


def test_the_targets_own_pattern_goes_before_the_settings_and_these_before_the_kinds() -> None:
    own = parse(EAST.replace("url:", "app_id: '/own/{env}/{service}', url:"), Path("rollback.yaml"))
    general = parse(f"{EAST}app_id: '/all/{{env}}/{{service}}'", Path("rollback.yaml"))

    assert context.app_id_pattern(own) == "/own/{env}/{service}"
    assert context.app_id_pattern(general) == "/all/{env}/{service}"
    assert context.app_id_pattern(Settings()) == "/{department}/{env}/{project}/{service}"


CLUSTER = (
    "target: cluster\ntargets: {cluster: {kind: kubernetes, context: c, namespace: 'shop-{env}', program: /no}}\n"
)


def test_a_target_that_logs_in_by_itself_refuses_a_user_given_as_an_option() -> None:
    config = parse(CLUSTER, Path("rollback.yaml"))

    with pytest.raises(BadInput, match="takes no user and no password"):
        context.target(config, context.access(config, user="ann"), "prod")


def test_a_target_that_logs_in_by_itself_ignores_a_user_of_the_environment_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ROLLBACK_USER", "ann")
    monkeypatch.setenv("ROLLBACK_PASSWORD", "secret")
    config = parse(CLUSTER, Path("rollback.yaml"))

    context.target(config, context.access(config), "prod").close()

    assert [one.message for one in caplog.records] == [
        "the user and the password are ignored: the target cluster logs in by itself"
    ]


@pytest.mark.parametrize(("text", "parallel", "shared"), [(EAST, 4, False), (CLUSTER, 16, True)])
def test_the_target_decides_what_the_settings_leave_open(text: str, parallel: int, shared: bool) -> None:
    open_, closed = (
        parse(text + more, Path("r.yaml")) for more in ("", "run: {parallel: 3}\nshared_state: folder\n")
    )

    assert (context.parallel(open_), cluster_identity.is_shared(open_)) == (parallel, shared)
    assert (context.parallel(closed), cluster_identity.is_shared(closed)) == (3, False)
