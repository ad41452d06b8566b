"""What automation must know after a rollback: the environment is frozen, and these images were withdrawn. Pure.

The commonest complaint after any rollback is a deployment job that puts the bad version back an hour later.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from rollback.core import json_text
from rollback.core.command_lines import CommandLines
from rollback.core.plain_text import sanitize
from rollback.core.timestamps import Instant, with_local

_MOST = 200  # images remembered per environment
_MOST_FORMER = 10  # freezes that later runs have replaced


@dataclass(frozen=True)
class Freeze:
    """An environment in which nothing is to be deployed for a while.

    Attributes:
        by: who froze it.
        reason: why; may be empty.
        run: the run that did it.
        since: RFC 3339 time.
        until: RFC 3339 time.
    """

    by: str
    reason: str
    run: str
    since: str
    until: str


@dataclass(frozen=True)
class Withdrawn:
    """An image that a run has withdrawn, by whom, when and why."""

    image: str
    by: str
    at: str
    reason: str
    run: str


@dataclass(frozen=True)
class Unfinished:
    """A run or an undo that has begun to write and has no outcome yet: it goes on, or it was cut off.

    Attributes:
        run: its id.
        by: who started it.
        host: the machine that it runs on.
        dump: the folder of its record there.
        since: RFC 3339 time of its start.
    """

    run: str
    by: str
    host: str
    dump: str
    since: str


@dataclass(frozen=True)
class EnvironmentState:
    """What is remembered of one environment of one cluster.

    Attributes:
        freeze: what keeps deployments out for a while.
        withdrawn: the images that were rolled back, newest first.
        unfinished: the runs without an outcome, newest first. A run that was cut off does not become whole because
            another one follows it.
        former: the freezes that later runs have replaced, newest first. They count again once those are undone.
    """

    freeze: Freeze | None = None
    withdrawn: tuple[Withdrawn, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    former: tuple[Freeze, ...] = ()


def begun(state: EnvironmentState, unfinished: Unfinished, freeze: Freeze | None) -> EnvironmentState:
    """The state before the first write of a run.

    Args:
        state: before it.
        unfinished: the run.
        freeze: the freeze that counts from now on; None leaves an earlier one as it is.
    """
    former = (state.freeze, *state.former)[:_MOST_FORMER] if freeze and state.freeze else state.former
    return replace(state, freeze=freeze or state.freeze, unfinished=(unfinished, *state.unfinished), former=former)


def reverted(state: EnvironmentState, run: str, before: Freeze | None) -> EnvironmentState:
    """The state after a run of which nothing is left: the freeze that was there before it counts again.

    Args:
        state: the state that the run began with, perhaps changed meanwhile.
        run: the run.
        before: the freeze before it.
    """
    if state.freeze is not None and state.freeze.run == run:
        former = tuple(one for one in state.former if one != before)
        state = replace(state, freeze=before, former=former)
    return ended(state, {run})


def ended(state: EnvironmentState, runs: Collection[str]) -> EnvironmentState:
    """The state once runs have an outcome, or nothing of them is left."""
    return replace(state, unfinished=tuple(one for one in state.unfinished if one.run not in runs))


def after_run(
    state: EnvironmentState, withdrawn: Iterable[Withdrawn], freeze: Freeze | None, deployed: Iterable[str]
) -> EnvironmentState:
    """The state after a run, of which `ended` says that it is no longer unfinished.

    Args:
        state: before it.
        withdrawn: what it took out.
        freeze: the freeze that it leaves behind; None leaves an earlier one as it is.
        deployed: image references that it brought: they are wanted again.
    """
    wanted = set(deployed)
    newest: dict[str, Withdrawn] = {}
    for one in (*withdrawn, *state.withdrawn):
        if one.image not in wanted:
            newest.setdefault(one.image, one)
    return replace(state, freeze=freeze or state.freeze, withdrawn=tuple(newest.values())[:_MOST])


def after_undo(
    state: EnvironmentState, run: str, withdrawn: Iterable[Withdrawn], deployed: Iterable[str]
) -> EnvironmentState:
    """The state after an undo: the freeze of the undone run goes with it, and it is no longer unfinished.

    The freeze that this one had replaced counts again: the environment is as that earlier run has left it.
    """
    return lifted(ended(after_run(state, withdrawn, None, deployed), {run}), {run})


def lifted(state: EnvironmentState, runs: Collection[str]) -> EnvironmentState:
    """The state without the freezes of runs of which nothing is left; the newest of the others counts."""
    left = tuple(one for one in (state.freeze, *state.former) if one and one.run not in runs)
    return replace(state, freeze=left[0] if left else None, former=left[1:])


def is_frozen_by(state: EnvironmentState, run: str) -> bool:
    """Whether the freeze of a run counts, or would count again."""
    return any(one.run == run for one in (state.freeze, *state.former) if one)


def merged(states: Iterable[EnvironmentState]) -> EnvironmentState:
    """What is kept of one environment in several places: nothing that one of them holds against a deployment is lost.

    Args:
        states: of each place; where one counts before the others, it first.
    """
    every = tuple(dict.fromkeys(states))
    if len(every) == 1:
        return every[0]
    freezes = [one.freeze for one in every if one.freeze]
    newest: dict[str, Withdrawn] = {}
    for one in sorted((one for state in every for one in state.withdrawn), key=lambda one: one.at, reverse=True):
        newest.setdefault(one.image, one)
    return EnvironmentState(
        max(freezes, key=lambda one: Instant.parse(one.until), default=None),
        tuple(newest.values())[:_MOST],
        tuple(dict.fromkeys(one for state in every for one in state.unfinished)),
        tuple(dict.fromkeys(one for state in every for one in state.former))[:_MOST_FORMER],
    )


def thawed(state: EnvironmentState) -> EnvironmentState:
    """The state without its freeze, and without runs that were cut off."""
    return replace(state, freeze=None, unfinished=(), former=())


def make(by: str, reason: str, run: str, now: datetime, seconds: float) -> Freeze:
    """A freeze that begins now and lasts for some seconds."""
    return Freeze(by, reason, run, str(Instant(now)), str(Instant(now + timedelta(seconds=seconds))))


def objections(
    state: EnvironmentState, image: str, now: datetime, *, env: str = "", commands: CommandLines | None = None
) -> tuple[str, ...]:
    """Why a job may not deploy: a sentence each; none means that it may.

    Args:
        state: what is remembered.
        image: the image reference that it would deploy; empty for any.
        now: the time.
        env: deployment name of the environment, for the commands.
        commands: writes the commands that lift what stands against it; None to mention none.
    """
    reasons = []
    for cut in state.unfinished:
        reasons.append(
            f"the run {cut.run} by {cut.by} has not ended: it began at {with_local(cut.since)} on {cut.host}, and "
            f"its record is in {cut.dump}"
            + (
                f". If it is no longer running: {commands.undo(cut.run, cut.dump)}, or {commands.thaw(env)} if "
                "nothing needs to be undone"
                if commands
                else ""
            )
        )
    frozen = state.freeze
    if frozen and Instant.parse(frozen.until).time > now:
        why = f" because {frozen.reason}" if frozen.reason else ""
        lift = f"; `{commands.thaw(env)}` lifts it" if commands else ""
        reasons.append(f"frozen until {with_local(frozen.until)} by {frozen.by}{why} (run {frozen.run}){lift}")
    for one in state.withdrawn:
        if image and _same_image(one.image, image):
            why = f" because {one.reason}" if one.reason else ""
            reasons.append(f"{one.image} was rolled back at {with_local(one.at)} by {one.by}{why} (run {one.run})")
    return tuple(map(sanitize, reasons))


def _same_image(withdrawn: str, image: str) -> bool:
    """Whether two references name one image: by digest where both have one, else by everything before it.

    Registries have several host names, so a host that differs does not make it another image.
    """
    name, _, digest = withdrawn.partition("@")
    image_name, _, image_digest = image.partition("@")
    if digest and image_digest:
        return digest == image_digest
    return _without_host(name) == _without_host(image_name)


def _without_host(name: str) -> str:
    head, slash, rest = name.partition("/")
    return rest if slash and ("." in head or ":" in head or head == "localhost") else name


def dumps(state: EnvironmentState) -> str:
    """The state as JSON."""
    return json.dumps(as_json(state), ensure_ascii=False)


def as_json(state: EnvironmentState) -> dict[str, Any]:
    """The state's members."""
    return {
        "freeze": asdict(state.freeze) if state.freeze else None,
        "withdrawn": [asdict(one) for one in state.withdrawn],
        "unfinished": [asdict(one) for one in state.unfinished],
        "former": [asdict(one) for one in state.former],
    }


def loads(text: str) -> EnvironmentState:
    """Read a state.

    Raises:
        ValueError: not one.
    """
    try:
        data = json_text.loads(text)
        found = Freeze(**data["freeze"]) if data["freeze"] else None
        former = tuple(Freeze(**one) for one in data.get("former", ()))
        for one in (found, *former):
            if one:
                Instant.parse(one.until)
        unfinished = tuple(Unfinished(**one) for one in data.get("unfinished", ()))  # 0.1 has none
        return EnvironmentState(found, tuple(Withdrawn(**one) for one in data["withdrawn"]), unfinished, former)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("it holds something else than the state of an environment") from error
