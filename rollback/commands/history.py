"""`rollback history`: past runs."""

from __future__ import annotations

import sys
from typing import Any

from rollback.commands.run import undo_options
from rollback.config import option_values
from rollback.config.settings import Settings
from rollback.errors import BadInput
from rollback.output import incident_report
from rollback.output.progress import Progress
from rollback.output.run_history import run_text, runs_json, runs_text
from rollback.output.terminal import TerminalInfo
from rollback.state import record
from rollback.workflow import timeline_file
from rollback.workflow.command_result import CommandResult


def main(options: dict[str, Any], progress: Progress) -> CommandResult:
    """List the runs of a dump folder, newest first, or show one."""
    folder = option_values.folder(options["--dump"])
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
    if options["--env"]:
        env = Settings().environment(options["--env"]).name
        records = [past for past in records if past.header.env == env]
    if options["--html"]:
        page = option_values.new_file(options["--html"], "--html")
        timeline_file.write(
            page, progress, timeline_file.history_of(folder, records), records, run_options=undo_options(options)
        )
    return CommandResult(runs_text(records, TerminalInfo.of(sys.stdout)), runs_json(records))
