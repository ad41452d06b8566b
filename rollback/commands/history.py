"""`rollback history`: past runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rollback.config import option_values
from rollback.errors import BadInput
from rollback.output import incident_report
from rollback.output.progress import Progress
from rollback.output.run_history import run_text, runs_json, runs_text
from rollback.output.terminal import TerminalInfo
from rollback.state import record
from rollback.state.record import Record
from rollback.workflow import context, known_environments, timeline_file
from rollback.workflow.command_result import CommandResult


def main(options: dict[str, Any], progress: Progress) -> CommandResult:
    """List the runs of a dump folder, newest first, or show one."""
    folder = option_values.folder_of_records(options["--dump"])
    run = options["--run"] or options["<id>"]
    if run:
        if options["--html"]:
            raise BadInput("--html shows all runs", hint=f"leave out --html or {run}; --markdown shows one")
        found = record.find(folder, run)
        if options["--markdown"]:
            return CommandResult(incident_report.markdown(found))
        return CommandResult(run_text(found, TerminalInfo.of(sys.stdout)), [dict(line) for line in found.lines])
    if options["--markdown"]:
        raise BadInput("--markdown shows one run", hint="name it with --run; `rollback history` lists them")
    records = list(record.readable(folder))
    env = _environment(options["--env"], options["--config"], folder, records) if options["--env"] else ""
    records = [past for past in records if env in {"", past.header.env}]
    if options["--html"]:
        page = option_values.new_file(options["--html"], "--html")
        commands = context.command_lines(dump=options["--dump"], config=options["--config"])
        timeline_file.write(page, progress, timeline_file.history_of(folder, records), records, commands=commands)
    return CommandResult(runs_text(records, TerminalInfo.of(sys.stdout), env), runs_json(records))


def _environment(name: str, settings_file: str | None, dump: Path, records: Sequence[Record]) -> str:
    """The deployment name of the environment whose runs are listed.

    Raises:
        BadInput: it is not configured, and neither a record nor a history in the dump folder is of it.
    """
    config = context.load_settings(settings_file)
    env = context.environment(name, config)
    recorded = {past.header.env for past in records}
    if not config.knows(env.name) and env.name not in recorded and not known_environments.built(dump, env, config):
        raise context.unknown_environment(env, config, known_environments.IN_THE_FOLDER, recorded)
    return env.name
