"""Restore a fleet of microservices to the images it had on a date.

Usage:
  rollback get --repo=<r> --env=<e> [--dump=<dr>] [--date=<d>] [--last=<n>] [--basis=<b>] [--html=<file>]
               [--user=<u>] [--pwd=<p> | --pwd-file=<f>] [--target=<name>] [--registry=<url>] [--no-cache]
               [--config=<file>] [--json] [--debug]
  rollback plan --date=<d> --env=<e> [--only=<s>] [--skip=<s>] [--strict] [--on-failure=<p>] [--timeout=<s>]
               [--accept-owner=<o>] [--user=<u>] [--pwd=<p> | --pwd-file=<f>] [--target=<name>] [--registry=<url>]
               [--dump=<dr>] [--max-age=<t>] [--out=<file>] [--config=<file>] [--json] [--debug]
  rollback run (--date=<d> --env=<e> | --plan=<file>) [--slack=<s>] [--user=<u>]
               [--pwd=<p> | --pwd-file=<f>] [--dump=<dr>] [--only=<s>] [--skip=<s>] [--strict]
               [--on-failure=<p>] [--timeout=<s>] [--by=<who>] [--reason=<why>] [--incident=<id>]
               [--accept-owner=<o>] [--target=<name>] [--registry=<url>] [--max-age=<t>]
               [--freeze=<t> | --no-freeze] [--steal-lock] [--config=<file>] [--dry-run] [--yes] [--json] [--debug]
  rollback undo [--run=<id>] [--env=<e>] [--slack=<s>] [--user=<u>] [--pwd=<p> | --pwd-file=<f>] [--dump=<dr>]
               [--only=<s>] [--skip=<s>] [--accept-moved=<s>] [--accept-owner=<o>] [--timeout=<s>]
               [--by=<who>] [--reason=<why>] [--incident=<id>] [--target=<name>] [--steal-lock]
               [--config=<file>] [--dry-run] [--yes] [--json] [--debug]
  rollback check --env=<e> [--image=<ref>] [--user=<u>] [--pwd=<p> | --pwd-file=<f>] [--target=<name>]
               [--config=<file>] [--json] [--debug]
  rollback thaw --env=<e> [--by=<who>] [--reason=<why>] [--user=<u>] [--pwd=<p> | --pwd-file=<f>]
               [--target=<name>] [--config=<file>] [--json] [--debug]
  rollback history [--run=<id>] [--env=<e>] [--dump=<dr>] [--html=<file>]
               [--json | --markdown] [--debug]
  rollback doctor [--dump=<dr>] [--slack=<s>] [--user=<u>] [--pwd=<p> | --pwd-file=<f>] [--target=<name>]
               [--registry=<url>] [--config=<file>] [--json] [--debug]
  rollback completion <shell>
  rollback sandbox [--dump=<dr>] [--port=<n>] [--debug]
  rollback -h | --help
  rollback --version

Commands:
  get         Ask the registry which images existed when, write rollback.json and print the dates.
  plan        Show what `run` would do; change nothing.
  run         Restore every service to its image of the date, or the nearest earlier one; wait until all are healthy.
  undo        Put back what a run changed.
  check       Say whether a deployment job may deploy: 0 yes, 1 frozen or rolled back, 2 cannot tell.
  thaw        Lift the freeze of an environment.
  history     List past runs, or show one in full.
  doctor      Check settings, registry, target, clock and folders, and say how to fix what is wrong.
  completion  Print the completion script for bash, zsh or fish.
  sandbox     Serve a registry and a Marathon with a small fleet on this machine, to try it and to rehearse.

Environment, date and services:
  --repo=<r>           Repositories, separated by commas.
  --env=<e>            Environment, by either of its names (prod or master).
  --date=<d>           A date that `get` offered, a time (2026-11-20T14:30+01:00), or a relative moment:
                       yesterday, '3 days ago' (the end of that day), '2 hours ago'.
  --last=<n>           How many of the newest images per repository count [default: 10].
  --basis=<b>          What dates rest on: built (when images were created), deployed (what the target was configured
                       with), or auto (deployed where the target remembers).
  --only=<s>           Only these services, separated by commas.
  --skip=<s>           All but these services.
  --strict             Refuse if a service has no image on or before the date.
  --max-age=<t>        Refuse a rollback.json older than this: 90m, 4h, 2d.
  --plan=<file>        Run this plan, or refuse if anything has changed since it was made.
  --run=<id>           A run, as `history` lists them.
  --accept-moved=<s>   Undo these services although somebody has changed them since.
  --image=<ref>        An image that is about to be deployed.

How it is done:
  --on-failure=<p>     What happens if a service does not come up: restore, keep or stop (default: restore).
  --timeout=<s>        Seconds that a service may take to come up (default: 600).
  --freeze=<t>         How long `check` blocks deployments after this run (default: 4h).
  --no-freeze          Do not freeze the environment.
  --accept-owner=<o>   Go on although this owner, such as argocd, may deploy its own image again.
  --steal-lock         Continue although another run holds the lock; that run writes nothing more.
  --dry-run            Show the plan and stop.
  --yes                Do not ask, and read nothing. Without a terminal, `run` goes on unless standard input already
                       holds nothing but yes or no, of which the first counts; `undo` needs --yes.

Registry, target and login:
  --registry=<url>     Address of the registry.
  --no-cache           Query the registry for everything again.
  --target=<name>      What runs the services: a kind of target, or a name from the settings.
  --user=<u>           Login name on the target.
  --pwd=<p>            Its password; - reads it from standard input.
  --pwd-file=<f>       File with the password.
  --config=<file>      Settings file.

Record and messages:
  --by=<who>           Who does it.
  --reason=<why>       Why.
  --incident=<id>      The incident it belongs to.
  --slack=<s>          Address of a Slack webhook; - reads it from standard input.

Files and output:
  --dump=<dr>          Folder of rollback.json and of the records [default: .].
  --out=<file>         Write the plan to a file.
  --html=<file>        Write the timeline as a page for a browser, complete in one file.
  --markdown           Print one run as a page for the incident.
  --json               Print the result as JSON.
  --port=<n>           First port of the sandbox; 0 takes free ones [default: 0].
  --debug              Log every step, and show where an error comes from.
  -h --help            Show this help; after a command, that command's.
  --version            Show the version.

Exit codes: 0 done or nothing to do; 1 failed, nothing was changed; 2 wrong usage or bad input; 3 refused before
the first write; 4 partly applied, manual intervention needed; 5 failed, and everything was restored; 130 interrupted.
"""

# An option is added in two places above, and nowhere else: in the usage of each command that takes it, and once under
# the heading it belongs to. Help, usage errors, completion and the man page follow from them.

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from rollback import __version__
from rollback.config import usage

if TYPE_CHECKING:
    from rollback.errors import Refused, RollbackError
    from rollback.workflow.command_result import CommandResult

_WRITING = ("run", "undo")  # their result is a report, whose first line is the verdict in every case
_BROKEN_PIPE = 141  # what a shell reports for a program that SIGPIPE ended


def entry() -> NoReturn:
    """The installed command."""
    try:
        code = main(sys.argv[1:])
    except BrokenPipeError:
        code = _BROKEN_PIPE
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except OSError:  # its reader has left; what is still in the buffer must not become an error at the very end
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    sys.exit(code)


def main(argv: Sequence[str]) -> int:
    """Run one command.

    Args:
        argv: the words after the program's name.

    Returns:
        The exit code.
    """
    if list(argv) == ["--version"]:  # the one call that scripts make often; it needs no parser
        sys.stdout.write(f"{__version__}\n")
        return 0
    if list(argv[:2]) == ["completion", "words"]:  # runs at every press of Tab
        from rollback.config import completion
        from rollback.targets import kinds

        sys.stdout.write(completion.answer(__doc__ or "", argv[2:], kinds()))
        return 0
    known = usage.read(__doc__ or "")
    command = next((word for word in argv if word in known.commands), None)
    if {"-h", "--help"} & {*argv}:
        sys.stdout.write(_help(known, command))
        return 0
    if "--version" in argv:
        sys.stdout.write(f"{__version__}\n")
        return 0
    options = parse(argv) if command else None
    if not command or options is None:
        sys.stderr.write(_usage_error(argv))
        return 2
    return _run(command, options)


def parse(argv: Sequence[str]) -> dict[str, Any] | None:
    """The options of a command, as docopt reads them by its usage.

    Args:
        argv: the words after the program's name, one of which is a command's.

    Returns:
        By name, the value of each of its options; None if they make no command.
    """
    from docopt import DocoptExit, docopt

    known = usage.read(__doc__ or "")
    command = next(word for word in argv if word in known.commands)
    try:
        return dict(docopt(known.docopt(command), list(argv), default_help=False))
    except DocoptExit:  # its own text repeats options with their values, passwords included
        return None


def _help(known: usage.Usage, command: str | None) -> str:
    from rollback.output import help_text

    columns = help_text.WIDEST
    if sys.stdout.isatty():
        import shutil

        columns = shutil.get_terminal_size((columns, 24)).columns
    return help_text.of_command(known, command, columns) if command else help_text.overview(known, columns)


def _run(command: str, options: dict[str, Any]) -> int:
    from rollback.errors import Refused, RollbackError

    debug = bool(options.get("--debug"))
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        result = _command(command, options)
        _print(result, as_json=bool(options.get("--json")))
        return result.code
    except RollbackError as error:
        if debug:
            _show_origin()
        sys.stderr.write(_error_text(error))
        if isinstance(error, Refused) and command in _WRITING:
            _print(_refusal(error), as_json=bool(options.get("--json")))
        return error.exit_code
    except BrokenPipeError:  # whoever read us has left: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        sys.stderr.write("\nrollback: interrupted; nothing was changed\n")
        return 130
    except Exception as error:  # noqa: BLE001 - the last resort: an exit code and a next step instead of a traceback
        if debug:
            _show_origin()
        sys.stderr.write(
            f"rollback: a mistake in this program ({type(error).__name__})\n"
            "  next: run it again with --debug and report what it prints\n"
        )
        return 1


def _command(command: str, options: dict[str, Any]) -> CommandResult:
    import importlib
    import logging

    from rollback.output.progress import Handler, Progress

    progress = Progress()
    logger = logging.getLogger("rollback")
    logger.propagate = False
    logger.setLevel(logging.DEBUG if options.get("--debug") else logging.WARNING)
    handler = Handler(progress)
    logger.addHandler(handler)
    try:
        module = importlib.import_module(f"rollback.commands.{command}")
        result: CommandResult = module.main(options, progress)
        return result
    finally:
        progress.close()
        logger.removeHandler(handler)


def _print(result: CommandResult, *, as_json: bool) -> None:
    text = result.text
    if as_json and result.data is not None:
        from rollback.core import json_text

        text = json_text.dumps(result.data)
    else:
        from rollback.core.plain_text import printable_lines

        text = printable_lines(text)
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


def _error_text(error: RollbackError) -> str:
    from rollback.errors import Refused
    from rollback.output.text_report import error_text, reason_text

    if isinstance(error, Refused):
        return "".join(f"rollback: {reason_text(reason)}\n" for reason in error.reasons)
    return f"rollback: {error_text(error.what, error.why, error.hint)}\n"


def _refusal(error: Refused) -> CommandResult:
    from rollback.output.json_report import refused_json
    from rollback.output.terminal import TerminalInfo
    from rollback.output.text_report import refused_text
    from rollback.workflow.command_result import CommandResult

    text = refused_text(error.reasons, TerminalInfo.of(sys.stdout))
    return CommandResult(text, refused_json(error.reasons), error.exit_code)


def _show_origin() -> None:
    import traceback

    from rollback.core.plain_text import printable_lines

    sys.stderr.write(printable_lines(traceback.format_exc()))


def _usage_error(argv: Sequence[str]) -> str:
    """Name what is unknown or missing, by its name alone, and how the command is used."""
    doc = __doc__ or ""
    known = usage.read(doc)
    lines = ["rollback: these words do not make a command"]
    named = _given(argv, known)
    given = set(named)
    command = next((word for word in argv if word in known.commands), None)
    unknown = sorted(name for name in given if not any(option.startswith(name) for option in known.options))
    if command:
        text = known.commands[command].form
        required = re.findall(r"(?<!\[)(?<!\| )(--[a-z-]+)=<[a-z]+>(?![\w>]*\])", re.sub(r"\[[^\]]*\]", "", text))
        missing = [name for name in required if not any(name.startswith(option) for option in given)]
        strangers = sorted(name for name in given - set(unknown) if not re.search(rf"{re.escape(name)}[a-z-]*", text))
        lines += [f"  why:  {name} is missing" for name in missing]
        lines += [f"  why:  {name} does not belong to {command}" for name in strangers]
    lines += [f"  why:  {name} is given twice" for name in sorted(given) if named.count(name) > 1]
    lines += [f"  why:  there is no option {name}" for name in unknown]
    lines.append(f"  next: rollback {command} --help" if command else "  next: rollback --help")
    return "\n".join([*lines, ""])


def _given(argv: Sequence[str], known: usage.Usage) -> list[str]:
    """The names of the options in `argv`, without anything that may be a value: that can be a password."""
    with_value = [option.name for option in known.options.values() if option.value]
    names: list[str] = []
    before = ""
    for word in argv:
        is_value = before.startswith("--") and "=" not in before and any(o.startswith(before) for o in with_value)
        before = "" if is_value else word
        if not is_value and word.startswith("--"):
            name = word.partition("=")[0]
            secret = next((o for o in ("--pwd", "--slack") if name.startswith(o) and name not in with_value), "")
            names.append(f"{secret}…" if secret else re.match(r"-*[a-z-]*", name)[0])  # type: ignore[index]
    return names


def _as_interrupt(number: int, frame: object) -> None:  # noqa: ARG001
    raise KeyboardInterrupt
