"""A plan file that was changed, and its fingerprint computed again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollback.core import plan_file
from tests.faults.scenario import BILLING, Scene, Told, scene


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One for all: nothing may be written in it."""
    with scene(tmp_path_factory.mktemp("forged")) as stage:
        made = stage.command("plan", f"--date={stage.day}", "--env=prod", *stage.common(), f"--out={_plan(stage)}")
        assert made.code == 0, made.err
        (stage.folder / "runs").mkdir()
        yield stage


@pytest.fixture(params=["with a history", "without a history"])
def stage(served: Scene, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    folder = tmp_path / "here"
    shutil.copytree(served.folder, folder)
    if request.param == "without a history":
        (folder / "rollback.json").unlink()
    yield Scene(served.sandbox, folder, served.time, served.options)
    assert not served.writes()


def _plan(stage: Scene) -> Path:
    return stage.folder / "plan.json"


def _content(stage: Scene) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_plan(stage).read_text())
    return content


def _run(stage: Scene, content: dict[str, Any], *words: str) -> Told:
    """Run a plan whose fingerprint fits."""
    body = {key: value for key, value in content.items() if key != "fingerprint"}
    _plan(stage).write_text(json.dumps({**body, "fingerprint": plan_file._fingerprint(body)}))
    return stage.command("run", f"--plan={_plan(stage)}", "--yes", *stage.common(), *words)


def _billing(content: dict[str, Any]) -> dict[str, Any]:
    step: dict[str, Any] = next(step for step in content["steps"] if step["app"]["id"] == BILLING)
    return step


def _foreign_registry(stage: Scene, content: dict[str, Any]) -> None:
    step = _billing(content)
    step["after"] = f"registry.example.com/{step['after'].partition('/')[2]}"
    content["registry"] = "https://registry.example.com"


def _other_repository(stage: Scene, content: dict[str, Any]) -> None:
    step, other = _billing(content), content["steps"][1]
    step["after"], step["image"] = other["after"], other["image"]


def _unknown_digest(stage: Scene, content: dict[str, Any]) -> None:
    step = _billing(content)
    step["after"] = step["after"].replace(step["image"]["digest"], f"sha256:{'0' * 64}")
    step["image"]["digest"] = f"sha256:{'0' * 64}"


def _image_of_another_environment(stage: Scene, content: dict[str, Any]) -> None:
    step = _billing(content)
    step["after"] = step["after"].replace("-master@", "-develop@")
    step["image"]["tag"] = step["image"]["tag"].replace("-master", "-develop")


def _app_of_another_environment(stage: Scene, content: dict[str, Any]) -> None:
    _move(stage, content, "/ds/stage/shop/billing")


def _bystander(stage: Scene, content: dict[str, Any]) -> None:
    others = [
        app_id
        for app_id, image in stage.images().items()
        if app_id.startswith("/ds/prod/") and app_id not in {step["app"]["id"] for step in content["steps"]}
    ]
    _move(stage, content, others[0])


def _move(stage: Scene, content: dict[str, Any], app_id: str) -> None:
    """Let a step write to another app, whose present state the plan knows."""
    step = _billing(content)
    state = stage.sandbox.fleet.apps[app_id]
    step["before"] = state.definition["container"]["docker"]["image"]
    step["app"] = {"id": app_id, "version": state.version, "configuration": ""}


def _another_environments_lock(stage: Scene, content: dict[str, Any]) -> None:
    content["env"], content["tag_env"] = "stage", "stage"


def _another_tag_name(stage: Scene, content: dict[str, Any]) -> None:
    content["tag_env"] = "develop"


def _twice(stage: Scene, content: dict[str, Any]) -> None:
    content["steps"].append(_billing(content))


def _another_moment(stage: Scene, content: dict[str, Any]) -> None:
    content["until"] = "2031-01-01T00:00:00Z"


FORGERIES: dict[Callable[[Scene, dict[str, Any]], None], str] = {
    _foreign_registry: "its image does not follow from its app and repository",
    _other_repository: "its image does not follow from its app and repository",
    _unknown_digest: "is no longer in",
    _image_of_another_environment: "its image is not one of prod",
    _app_of_another_environment: "/ds/stage/shop/billing is not one of its apps in prod",
    _bystander: "is not one of its apps in prod",
    _another_environments_lock: "is not one of its apps in stage",
    _another_tag_name: "this plan is of another environment",
    _another_moment: "the plan's moment does not follow from its date",
    _twice: "the plan writes 2 times to /ds/prod/shop/billing",
}


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__.strip("_"))
def test_a_plan_that_cannot_be_derived_is_refused(
    stage: Scene, forge: Callable[[Scene, dict[str, Any]], None]
) -> None:
    content = _content(stage)
    forge(stage, content)

    told = _run(stage, content)

    assert told.code == 3, (told.out, told.err)
    others = ("this history is of prod", "the plan does not follow from rollback.json")
    assert any(words in told.err for words in (FORGERIES[forge], *others))


def test_with_a_history_it_has_to_be_the_plan_of_that_date(served: Scene, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    shutil.copytree(served.folder, folder)
    stage = Scene(served.sandbox, folder, served.time, served.options)
    older, narrowed, undated = _content(stage), _content(stage), _content(stage)
    held = json.loads((folder / "rollback.json").read_text())["images"]
    image = [one for one in held if one["repo"] == "shop/billing"][-1]
    step = _billing(older)
    step["after"] = f"{step['before'].partition(':1.')[0]}:{image['tag']}@{image['digest']}"
    step["image"] = {**step["image"], "tag": image["tag"], "digest": image["digest"]}
    narrowed["steps"].remove(_billing(narrowed))
    undated["as_of"] = "1999-01-01"

    told = [_run(stage, content) for content in (older, narrowed, undated)]

    assert [one.code for one in told] == [3, 3, 3], told
    assert "the plan does not follow from rollback.json" in told[0].err
    assert f"{BILLING} is not in the plan" in told[1].err
    assert served.writes() == []
