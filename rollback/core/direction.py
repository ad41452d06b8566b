"""Whether a change brings an app to an older image or to a newer one. Pure.

The apps of a repository go to one date together, so one that was behind, such as the idle color of blue and green,
goes forward.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rollback.core.history import History
from rollback.core.image_reference import Reference
from rollback.core.plan import Action, Plan, Step
from rollback.core.timestamps import Instant
from rollback.errors import BadInput

BACK = "back"
FORWARD = "forward"
DIRECTIONS = ("", BACK, FORWARD)


def with_directions(plan: Plan, history: History) -> Plan:
    """The plan with the direction of each change, where the history has both images; others keep what they say.

    Args:
        plan: the plan.
        history: the images, with the times at which they were created.
    """
    created = {
        (image.repo, name): image.created for image in history.images for name in (*image.tags, image.digest) if name
    }
    return replace(
        plan, steps=tuple(replace(step, direction=_direction(step, created) or step.direction) for step in plan.steps)
    )


def _direction(step: Step, created: Mapping[tuple[str, str], Instant]) -> str:
    if step.action is not Action.CHANGE or step.app is None or step.image is None or step.app.inexact:
        return ""
    try:
        now = Reference.parse(step.app.restore_image)
    except BadInput:
        return ""
    before = created.get((step.repo, now.digest or now.tag))
    if before is None or before == step.image.created:
        return ""
    return BACK if step.image.created < before else FORWARD
