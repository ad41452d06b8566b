"""`rollback sandbox`: a registry and a Marathon with a small fleet on this machine, until it is interrupted."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

from rollback.config import option_values
from rollback.config.settings import FILE
from rollback.errors import BadInput, Failed
from rollback.output.progress import Progress
from rollback.sandbox.launcher import serving
from rollback.system import files
from rollback.workflow import context
from rollback.workflow.command_result import CommandResult


def main(options: dict[str, Any], progress: Progress) -> CommandResult:
    """Serve until Ctrl-C or SIGTERM."""
    port = _port(options["--port"])
    path = option_values.folder(options["--dump"]) / FILE
    if os.path.lexists(path) and not _is_ours(path):
        raise BadInput(
            f"{path} is there already and is not the sandbox's",
            hint="choose an empty folder with --dump, so that your settings stay as they are",
        )
    dump = options["--dump"]
    commands = context.command_lines(dump=dump, config=None if dump == "." else str(path))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with serving(registry_port=port, port=port + 1 if port else 0) as sandbox:
            sandbox.write_settings(path)
            progress.say(f"registry  {sandbox.registry_url}")
            progress.say(f"marathon  {sandbox.marathon_url}")
            progress.say(f"DC/OS     {sandbox.dcos_url}   user {sandbox.user}, password {sandbox.password}")
            progress.say(f"settings  {path}")
            progress.say(f"everything was healthy on {sandbox.story.good_day}; in another terminal:")
            progress.say(f"  {commands.get('shop/billing,shop/cart,shop/catalog,shop/web', 'prod')}")
            progress.say(f"  {commands.run(str(sandbox.story.good_day), 'prod')}")
            progress.say("Ctrl-C ends it")
            stop.wait()
            path.unlink(missing_ok=True)
    except OSError as error:
        raise Failed(
            "the sandbox cannot start",
            why=error.strerror or str(error),
            hint="choose another --port or --dump",
        ) from error
    return CommandResult("")


def _is_ours(path: Path) -> bool:
    """Whether the settings there were written by a sandbox."""
    try:
        return "rollback sandbox" in files.read_text(path, most=files.SMALL, errors="replace")
    except OSError:
        return False


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) < 65_535:
        return int(text)
    raise BadInput(f"--port: {text!r:.40} is not a port from 0 to 65534", hint="write --port=5000, or leave it out")
