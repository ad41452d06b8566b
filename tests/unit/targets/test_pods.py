"""Pods that run a selected repository are named in the plan, also where they cannot be read."""

from __future__ import annotations

from typing import Any

import pytest

from rollback.core import plan
from rollback.core.image_selection import select
from rollback.core.matching import Rules
from rollback.errors import TargetError
from rollback.targets.marathon import pods
from tests.support.image_factory import HOST, PROD, app, built, day_of, image, runs


def pod(**members: Any) -> dict[str, Any]:
    containers = [{"name": "a", "image": {"kind": "DOCKER", "id": f"{HOST}/shop/web:7"}}]
    return {"id": "/ds/prod/shop/web-pod", "containers": containers, **members}


def test_a_pod_of_a_selected_repository_is_named_in_the_plan() -> None:
    shown = (app("web", runs("shop/web:1-master")), *pods.unmanaged([pod()]).apps)
    history = built([image("shop/web:1-master", "2026-11-20")])

    made = plan.build(select(history, day_of("2026-11-20")), shown, PROD, "m", Rules())

    assert [str(other) for other in made.others] == [
        f"/ds/prod/shop/web-pod (pods are not supported) runs {HOST}/shop/web:7"
    ]
    assert len(made.steps) == 1


def test_a_status_has_the_definition_below_spec_and_what_runs_no_image_of_a_registry_is_left_out() -> None:
    status = {"id": "/ds/prod/shop/web-pod", "spec": pod(), "status": "STABLE"}
    appc = pod(containers=[{"name": "a", "image": {"kind": "APPC", "id": "x"}}, {"name": "b"}])

    (found,) = pods.unmanaged([status, appc]).apps

    assert [part.image for part in found.containers] == [f"{HOST}/shop/web:7"]


@pytest.mark.parametrize(
    "odd", [{}, {"id": "/p", "containers": [5]}, {"id": "/p", "containers": [{"image": {"x": 1}}]}]
)
def test_what_is_no_pod_is_an_error_of_the_target(odd: dict[str, Any]) -> None:
    with pytest.raises(TargetError, match="a pod is not as expected"):
        pods.unmanaged([odd])


def test_pods_that_cannot_be_read_are_said_to_be_unknown() -> None:
    assert pods.unknown(TargetError("the pods cannot be read", why="403")).not_looked_at == ("pods: 403",)
