"""An environment is known if it is configured, or if a history, a record or an app uses it; else it is bad input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rollback.config.settings import Settings, parse
from rollback.core.apps import App
from rollback.core.plan import Environment
from rollback.errors import BadInput, Refused, TargetError
from rollback.secret import Secret
from rollback.workflow import context, known_environments
from rollback.workflow.context import Access
from tests.support.image_factory import app, built, image, runs

NOBODY = Access("", Secret(), Secret())
QA = Environment("qa", "qa")
PRODS = built([image("shop/web:1-master", "2026-11-20")])


@dataclass
class Target:
    """Shows some apps, or an error; it is closed in the end."""

    shown: tuple[App, ...] | TargetError
    closed: bool = False

    def login(self) -> None:
        pass

    def apps(self, env: str) -> tuple[App, ...]:
        if isinstance(self.shown, TargetError):
            raise self.shown
        return self.shown

    def close(self) -> None:
        self.closed = True


Connect = Callable[..., Target]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    def connect(*ids: str, error: TargetError | None = None) -> Target:
        target = Target(error or tuple(app(one, runs("shop/web:1-master")) for one in ids))

        def made(config: Settings, access: Access, env: str) -> Any:
            assert env == "qa"
            return target

        monkeypatch.setattr(context, "target", made)
        return target

    return connect


def require(env: Environment, tmp_path: Path, config: Settings | None = None, history: Any = PRODS) -> None:
    known_environments.require_for_history(history, env, config or Settings(), tmp_path, NOBODY)


def test_a_name_that_nothing_uses_is_bad_input_with_the_known_ones(connect: Connect, tmp_path: Path) -> None:
    target = connect("/ds/prod/shop/web", "/qa/prod/shop/web")  # the pattern's second segment is what counts

    with pytest.raises(BadInput, match="there is no environment 'qa'") as caught:
        require(QA, tmp_path)

    assert "neither this history nor a record nor an app uses it; known are dev (tags: develop)" in caught.value.why
    assert target.closed


def test_a_name_that_only_apps_use_is_known_and_the_history_has_no_images_of_it(
    connect: Connect, tmp_path: Path
) -> None:
    connect("/ds/prod/shop/web", *(f"/ds/qa/shop/{name}" for name in "abcde"))

    with pytest.raises(Refused) as caught:
        require(QA, tmp_path)

    said = caught.value
    assert (said.exit_code, said.what) == (3, "there are no images of qa in this history, which is of prod")
    assert "only apps use it: /ds/qa/shop/a, /ds/qa/shop/b, /ds/qa/shop/c and 2 more" in said.why
    assert "environments: {qa: <tag name>}" in said.hint
    assert "make a history of qa with `rollback get`" in said.hint


def test_an_app_that_the_settings_name_for_every_environment_counts(connect: Connect, tmp_path: Path) -> None:
    connect("/elsewhere-qa/web")
    config = parse("apps: {web: '/elsewhere-{env}/web'}", Path("rollback.yaml"))

    with pytest.raises(Refused, match="no images of qa"):
        require(QA, tmp_path, config)


def test_where_the_ids_do_not_name_the_environment_the_apps_of_its_own_place_count(
    connect: Connect, tmp_path: Path
) -> None:
    text = "target: k\ntargets: {k: {kind: kubernetes, context: c, namespace: 'shop-{env}'}}"
    config = parse(text, Path("rollback.yaml"))
    connect("shop-qa/deployment/web")
    with pytest.raises(Refused, match="no images of qa"):
        require(QA, tmp_path, config)

    connect()
    with pytest.raises(BadInput, match="there is no environment 'qa'"):
        require(QA, tmp_path, config)


def test_a_target_that_does_not_serve_an_environment_says_so_itself(tmp_path: Path) -> None:
    text = "target: k\ntargets: {k: {kind: kubernetes, context: c, namespace: shop, environments: [prod]}}"

    with pytest.raises(BadInput, match="the environment qa is not one of the target k"):
        require(QA, tmp_path, parse(text, Path("rollback.yaml")))


def test_a_target_that_cannot_be_queried_is_named_beside_the_known_ones(connect: Connect, tmp_path: Path) -> None:
    target = connect(error=TargetError("http://m cannot be reached", why="connection refused"))

    with pytest.raises(BadInput, match="there is no environment 'qa'") as caught:
        require(QA, tmp_path)

    assert "whether an app does is not known: http://m cannot be reached (connection refused)" in caught.value.why
    assert "known are dev" in caught.value.why
    assert target.closed


@pytest.mark.parametrize(
    ("env", "history"),
    [
        (Environment("prod", "master"), PRODS),
        (QA, built([image("shop/web:1-qa", "2026-11-20")], env="qa", tag_env="qa")),
        (QA, built([image("shop/web:1-qa", "2026-11-20")], env="", tag_env="")),
    ],
)
def test_the_target_is_not_queried_for_what_is_known_already(env: Environment, history: Any, tmp_path: Path) -> None:
    require(env, tmp_path, history=history)  # the settings have no target that could be connected
