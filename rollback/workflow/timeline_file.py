"""The timeline page as a file: what `get --html` and `history --html` write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from rollback.config.settings import Settings
from rollback.core import image_selection
from rollback.core import plan as plans
from rollback.core.command_lines import CommandLines
from rollback.core.history import History
from rollback.core.image_selection import AsOf
from rollback.core.plan import Environment
from rollback.core.timestamps import Instant, with_local
from rollback.errors import BadInput, Refused, RollbackError
from rollback.output.progress import Progress
from rollback.output.timeline import chart
from rollback.output.timeline.chart import Running
from rollback.output.timeline.page import Commands, page
from rollback.state import record
from rollback.state.record import Record
from rollback.system.files import write_whole
from rollback.workflow import context
from rollback.workflow.context import Access


def write(
    path: Path,
    progress: Progress,
    history: History,
    records: Sequence[Record],
    running: Running | None = None,
    *,
    commands: CommandLines,
) -> None:
    """Write the page.

    Args:
        path: the file.
        progress: where its path is said.
        history: what there was; may be empty.
        records: past runs; those of other environments are left out if the history knows its own.
        running: what runs now, if the target was queried.
        commands: writes the command that goes back to a date.

    Raises:
        Failed: it cannot be written.
    """
    env = history.env or (records[0].header.env if records else "")
    mine = [past for past in records if past.header.env == env]
    before, _, after = commands.run("", env).partition("--date=")
    write_whole(path, page(chart.build(history, mine, running), Commands(f"{before}--date=", after), env))
    progress.say(f"wrote {path}")


def past_runs(dump: Path) -> list[Record]:
    """The records of a dump folder that can be read, newest first."""
    return list(record.readable(dump))


def running(
    history: History, env: Environment, config: Settings, login: Callable[[], Access], progress: Progress
) -> Running:
    """Query what runs on the target; if it cannot be queried, one line says so and the page does without."""
    try:
        target = context.target(config, login(), env.name)
        try:
            target.login()
            apps = target.apps(env.name)
        finally:
            target.close()
        newest = image_selection.select(history, AsOf(str(history.dates[0]), history.dates[0]))
        made = plans.build(newest, apps, env, target.name, context.rules(config, history.registry))
    except (RollbackError, IndexError) as error:
        why = error.what if isinstance(error, RollbackError) else "there is no date"
        progress.say(f"what runs now is not on the page: {why}")
        return Running()
    now = datetime.now(timezone.utc)
    references: dict[str, tuple[str, ...]] = {}
    for step in made.steps:
        if step.before:
            references[step.repo] = tuple(dict.fromkeys((*references.get(step.repo, ()), step.before)))
    return Running(
        references,
        f"{target.name}, queried at {with_local(str(Instant(now)))}",
    )


def history_of(dump: Path, records: Sequence[Record]) -> History:
    """The history in the dump folder, if it is of the environment of these runs; else an empty one."""
    try:
        found = context.read_history(dump)
    except (BadInput, Refused):
        return History((), (), ())
    of_these = not records or not found.env or any(past.header.env == found.env for past in records)
    return found if of_these else History((), (), ())
