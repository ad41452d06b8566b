"""`rollback history`: past runs."""

from __future__ import annotations

import sys

from rollback import record
from rollback.commands import gather, page
from rollback.commands.gather import Given
from rollback.commands.result import Result, as_asked
from rollback.errors import BadInput
from rollback.progress import Progress
from rollback.screens import handover
from rollback.screens.past import run_text, runs_json, runs_text
from rollback.screens.surface import Surface
from rollback.settings import Settings


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
