"""Restore a fleet of microservices to the images it had on a date.

Usage:
  rollback get [--repo=<r>] --env=<e> [--dump=<dr>] [--date=<d>] [--last=<n>] [--basis=<b>] [--html=<file>]
               [--user=<u>] [--pwd=<p> | --pwd-file=<f>] [--target=<name>] [--registry=<url>] [--no-cache]
               [--config=<file>] [--json] [--debug]
  rollback plan --date=<d> --env=<e> [--only=<s>] [--skip=<s>] [--strict] [--on-failure=<p>] [--timeout=<s>]
               [--accept-owner=<o>] [--user=<u>] [--pwd=<p> | --pwd-file=<f>] [--target=<name>] [--registry=<url>]
               [--dump=<dr>] [--max-age=<t>] [--out=<file>] [--config=<file>] [--json] [--debug]
  rollback run ([--date=<d>] --env=<e> [--only=<s>] [--skip=<s>] [--strict] [--on-failure=<p>] [--timeout=<s>]
               [--max-age=<t>] | --plan=<file>) [--slack=<s>] [--user=<u>] [--pwd=<p> | --pwd-file=<f>] [--dump=<dr>]
               [--by=<who>] [--reason=<why>] [--incident=<id>] [--accept-owner=<o>] [--target=<name>]
               [--registry=<url>] [--freeze=<t> | --no-freeze] [--steal-lock] [--config=<file>] [--dry-run]
               [--yes] [--json] [--debug]
  rollback undo [<id> | --run=<id>] [--env=<e>] [--slack=<s>] [--user=<u>] [--pwd=<p> | --pwd-file=<f>] [--dump=<dr>]
               [--only=<s>] [--skip=<s>] [--accept-moved=<s>] [--accept-owner=<o>] [--timeout=<s>]
               [--by=<who>] [--reason=<why>] [--incident=<id>] [--target=<name>] [--steal-lock]
               [--config=<file>] [--dry-run] [--yes] [--json] [--debug]
  rollback check --env=<e> [--image=<ref>] [--user=<u>] [--pwd=<p> | --pwd-file=<f>] [--target=<name>]
               [--config=<file>] [--json] [--debug]
  rollback thaw --env=<e> [--by=<who>] [--reason=<why>] [--user=<u>] [--pwd=<p> | --pwd-file=<f>]
               [--target=<name>] [--config=<file>] [--json] [--debug]
  rollback history [<id> | --run=<id>] [--env=<e>] [--dump=<dr>] [--html=<file>] [--config=<file>]
               [--json | --markdown] [--debug]
  rollback doctor [--dump=<dr>] [--slack=<s>] [--user=<u>] [--pwd=<p> | --pwd-file=<f>] [--target=<name>]
               [--registry=<url>] [--config=<file>] [--json] [--debug]
  rollback completion <shell>
  rollback init [--registry=<url>] [--repo=<r>] [--target=<name>] [--set=<keys>] [--config=<file>] [--debug]
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
  init        Ask for registry, repositories and target, and write a commented settings file.
  sandbox     Serve a registry and a Marathon with a small fleet on this machine, to try it and to rehearse.

Environment, date and services:
  --repo=<r>           Repositories, separated by commas; without it, those of the settings.
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
  --plan=<file>        Run this plan as it was made, or refuse if anything has changed since.
  --run=<id>           A run, as `history` lists them; the id alone will do.
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
  --pwd=<p>            Password of that user; - reads it from standard input.
  --pwd-file=<f>       File with the password.
  --set=<keys>         Keys of the target's settings: url=https://marathon.example.com, or
                       context=prod,namespace=shop-{env}.
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
the first write; 4 partly applied, or a deployment of ours still hangs: manual intervention needed; 5 failed, and
everything was restored; 130 interrupted.
"""

# An option is added in two places above, and nowhere else: in the usage of each command that takes it, and once under
# the heading it belongs to. Help, usage errors, completion and the man page follow from them.

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from rollback import __version__
from rollback.config import arguments, usage
from rollback.config.usage_errors import UsageError
from rollback.system import standard_streams

if TYPE_CHECKING:
    from rollback.errors import Refused, RollbackError
    from rollback.workflow.command_result import CommandResult

_WRITING = ("run", "undo")  # their result is a report, whose first line is the verdict in every case
_CHANGING = (*_WRITING, "thaw")  # what they came to is so, whether it can be printed or not
_CANNOT_TELL = 2  # of `check`, whatever goes wrong: neither free nor frozen
_BROKEN_PIPE = 141  # what a shell reports for a program that SIGPIPE ended


def entry() -> NoReturn:
    """The installed command."""
    standard_streams.open_closed()
    try:
        code = main(sys.argv[1:])
    except BrokenPipeError:
        code = _BROKEN_PIPE
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except OSError:  # its reader has left, or its disk is full
            standard_streams.discard(number)
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
        from rollback import targets
        from rollback.config import completion

        there = completion.TargetWords(targets.kinds(), lambda name, section: targets.kind(name, section).owners)
        sys.stdout.write(completion.answer(__doc__ or "", argv[2:], there))
        return 0
    known = usage.read(__doc__ or "")
    words = arguments.split(known, argv)
    if words.has(known.options["--help"]):
        sys.stdout.write(_help(known, words.command(known)))
        return 0
    if words.has(known.options["--version"]):
        sys.stdout.write(f"{__version__}\n")
        return 0
    try:
        return _run(*parse(argv))
    except UsageError as error:
        _say(_usage_error_text(error))
        return 2


def parse(argv: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The command, and by name the value of each of its options.

    Args:
        argv: the words after the program's name.

    Raises:
        UsageError: they make no command.
    """
    return arguments.parse(usage.read(__doc__ or ""), argv)


def _help(known: usage.Usage, command: str) -> str:
    from rollback.output import help_text

    columns = help_text.WIDEST
    if sys.stdout.isatty():
        import shutil

        columns = shutil.get_terminal_size((columns, 24)).columns
    return help_text.of_command(known, command, columns) if command else help_text.overview(known, columns)


def _usage_error_text(error: UsageError) -> str:
    if not sys.stderr.isatty():  # a script's mistake costs no imports
        return f"rollback: {error.what}\n  why:  {error.why}\n  next: {error.hint}\n"
    from rollback.output.error_text import error_text
    from rollback.output.terminal import TerminalInfo

    return error_text(error.what, error.why, error.hint, TerminalInfo.of(sys.stderr))


def _run(command: str, options: dict[str, Any]) -> int:
    from rollback.errors import Declined, Refused, RollbackError

    debug = bool(options.get("--debug"))
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        return _deliver(_command(command, options), command, options)
    except RollbackError as error:
        if debug:
            _show_origin()
        _say(_without_settings(options, error) + _error_text(error))
        as_json = bool(options.get("--json"))
        if isinstance(error, Refused) and command in _WRITING and (as_json or not isinstance(error, Declined)):
            return _deliver(_refusal(error), command, options)
        return error.exit_code
    except BrokenPipeError:  # whoever read us has left: nobody reads on
        standard_streams.discard(1)
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        _say("\nrollback: interrupted; nothing was changed\n")
        return 130
    except Exception as error:  # noqa: BLE001 - the last resort: an exit code and a next step instead of a traceback
        if debug:
            _show_origin()
        _say(
            f"rollback: a mistake in this program ({type(error).__name__})\n"
            "  next: run it again with --debug and report what it prints\n"
        )
        return _CANNOT_TELL if command == "check" else 1


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


def _deliver(result: CommandResult, command: str, options: dict[str, Any]) -> int:
    """Print a result; the exit code.

    Raises:
        Failed: it cannot be printed, and nothing else came of the command.
        Undecided: likewise, of `check`.
        BrokenPipeError: nobody reads it, and nothing else came of the command.
    """
    try:
        _print(result, as_json=bool(options.get("--json")))
    except OSError as error:
        standard_streams.discard(1)
        from rollback.errors import Failed, Undecided

        why = error.strerror or str(error)
        if command in _CHANGING:
            _say(f"rollback: the report could not be printed: {why}{_where_else(result, options)}\n")
            return result.code
        failed = Failed("the result could not be printed", why=why, hint="let standard output lead elsewhere")
        if command == "check":
            raise Undecided(failed) from error
        if isinstance(error, BrokenPipeError):
            raise
        raise failed from error
    return result.code


def _where_else(result: CommandResult, options: dict[str, Any]) -> str:
    """Where a report can be read that could not be printed; empty for one of which there is no record."""
    run = result.data.get("run") if isinstance(result.data, dict) else None
    if not run or "--dump" not in options:
        return ""
    from rollback.workflow import context

    return f"\n  next: {context.command_lines(dump=options['--dump']).history(run)}"


def _say(text: str) -> None:
    """Write to standard error. That nobody can read it changes no exit code."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text)


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
    _say(result.remarks)


def _without_settings(options: dict[str, Any], error: RollbackError) -> str:
    """Before an error of the registry or the target: that there are no settings, which is the likely reason."""
    from rollback.config import settings
    from rollback.errors import BadInput, ProgramMissing, RegistryError, TargetError
    from rollback.output.error_text import error_text
    from rollback.output.terminal import TerminalInfo

    cause = error.__cause__ if isinstance(error.__cause__, RegistryError | TargetError | ProgramMissing) else error
    outside = isinstance(cause, RegistryError | TargetError | ProgramMissing) or "no registry" in error.what
    if "--config" not in options or not outside:
        return ""
    try:
        if settings.find(options["--config"], os.environ):
            return ""
    except BadInput:
        return ""
    what = f"there is no settings file ({settings.FILE}), so the defaults apply; `rollback init` writes one"
    return error_text(what, surface=TerminalInfo.of(sys.stderr))


def _error_text(error: RollbackError) -> str:
    from rollback.errors import Declined, Refused
    from rollback.output.error_text import error_text, reason_text
    from rollback.output.terminal import TerminalInfo

    if isinstance(error, Declined):
        return f"{error.what}\n"
    surface = TerminalInfo.of(sys.stderr)
    if isinstance(error, Refused):
        return "".join(reason_text(reason, surface) for reason in error.reasons)
    return error_text(error.what, error.why, error.hint, surface)


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

    _say(printable_lines(traceback.format_exc()))


def _as_interrupt(number: int, frame: object) -> None:  # noqa: ARG001
    raise KeyboardInterrupt
