"""An answer of any form is the target's error, never the end of a run."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest
import responses

from rollback import targets
from rollback.core.apps import Change, Deployment
from rollback.errors import NoAnswer, TargetError
from rollback.targets.base import Target, TargetOptions
from tests.support.image_factory import app

URL = "http://127.0.0.1:1/service/marathon"
DEEP = "[" * 50_000 + "]" * 50_000
ODD = (
    DEEP,
    '{"apps": ' + DEEP + "}",
    '{"apps": [{"id": "/a", "instances": 1e999}]}',
    '{"apps": [{"id": "/a", "tasks": 5}]}',
    '{"apps": [{"id": "/a", "container": "x"}]}',
    '{"apps": {"a": 1}}',
    '{"deploymentId": ' + DEEP + "}",
    '[{"id": "/a", "affectedApps": 7}]',
    '{"app": {"labels": 3}}',
    "[1]",
    "5",
    "null",
)


@pytest.fixture
def target() -> Target:
    return targets.connect(TargetOptions("marathon", {"kind": "marathon", "url": URL}, folder=Path()))


def answering(text: str) -> responses.RequestsMock:
    mock = responses.RequestsMock(assert_all_requests_are_fired=False)
    for method in (responses.GET, responses.POST, responses.PUT, responses.DELETE, responses.PATCH):
        mock.add(method, re.compile(".*"), body=text, content_type="application/json")
    return mock


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("question", ["apps", "deployments", "status", "labels", "login"])
def test_an_odd_answer_to_a_question_is_an_error_of_the_target(target: Target, question: str, text: str) -> None:
    words: dict[str, tuple[Any, ...]] = {"apps": ("prod",), "status": (["/a"],), "labels": ("/m",)}
    with answering(text), contextlib.suppress(TargetError):  # an answer that can be read after all is none
        getattr(target, question)(*words.get(question, ()))


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_an_odd_answer_to_a_write_is_no_answer(target: Target, text: str) -> None:
    change = Change(app("/a", "r/a:2", definition={"container": {"docker": {"image": "r/a:2"}}}), "r/a:1")
    with answering(text):
        with pytest.raises(NoAnswer):
            target.update([change])
        with pytest.raises(NoAnswer):
            target.cancel(Deployment("d", ("/a",)))


@pytest.mark.parametrize("mistake", [RecursionError, OverflowError, TypeError, KeyError, ValueError, AttributeError])
def test_whatever_an_adapter_stumbles_over_is_the_targets_error(
    monkeypatch: pytest.MonkeyPatch, target: Target, mistake: type[Exception]
) -> None:
    def stumbling(*_: Any) -> None:
        raise mistake("odd")

    for name in ("apps", "update", "place"):
        monkeypatch.setattr(f"rollback.targets.marathon.Marathon.{name}", stumbling)

    with pytest.raises(TargetError, match=rf"the answer of marathon at {URL} cannot be used") as caught:
        target.apps("prod")
    with pytest.raises(NoAnswer):
        target.update([])
    with pytest.raises(NoAnswer):
        target.place("/m", {})  # type: ignore[attr-defined]
    assert not isinstance(caught.value, NoAnswer)
    assert mistake.__name__ in caught.value.why
    assert hasattr(target, "drift")
    assert not hasattr(target, "no_such_thing")
