"""`rollback history`: past runs."""

from __future__ import annotations

import sys

from rollback.config.settings import Settings
from rollback.errors import BadInput
from rollback.output import handover
from rollback.output.past import run_text, runs_json, runs_text
from rollback.output.progress import Progress
from rollback.output.surface import Surface
from rollback.state import record
from rollback.workflow import gather, page
from rollback.workflow.gather import Given
from rollback.workflow.result import Result, as_asked


def main(options: Given, progress: Progress) -> Result:
    """List the runs of a dump folder, newest first, or tell one."""
    folder = gather.dump_folder(options)
    if options["--run"]:
        found = record.find(folder, options["--run"], None)
        if options["--markdown"]:
            return Result(handover.markdown(found))
        return as_asked(options, run_text(found, Surface.of(sys.stdout)), [dict(line) for line in found.lines])
    if options["--markdown"]:
        raise BadInput("--markdown tells one run", hint="name it with --run; `rollback history` lists them")
    records = [record.read(path) for path in record.files(folder)]
    if options["--env"]:
        env = Settings().environment(options["--env"]).name
        records = [past for past in records if past.header.env == env]
    if options["--html"]:
        page.write(options, progress, page.history_of(options, records), records)
    return as_asked(options, runs_text(records, Surface.of(sys.stdout)), runs_json(records))
