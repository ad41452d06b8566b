"""The user's own programs around a run: `preflight` decides whether it may begin, `after` receives its report."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollback.config.settings import HookSettings
from rollback.core.plain_text import sanitize
from rollback.core.plan import Plan
from rollback.errors import ProgramMissing, ProgramStopped, Reason
from rollback.output import json_report
from rollback.system import files, process
from rollback.workflow.run_request import RunRequest
from rollback.workflow.signals import raising

log = logging.getLogger(__name__)

_LARGEST = 1 << 20  # bytes that a hook may print; nobody reads more as a reason
_LONGEST = 2000  # characters of its output that are quoted
_HOLDS_SECRET = re.compile(r"PASSW|PASSPHRASE|_PWD$|TOKEN|SECRET|CREDENTIAL|API_?KEY|PRIVATE_?KEY", re.IGNORECASE)


def problems(chosen: HookSettings) -> tuple[Reason, ...]:
    """Why hooks cannot be run, or may not be; runs none."""
    found = (_unusable(key, hook) for key, hook in (("preflight", chosen.preflight), ("after", chosen.after)) if hook)
    return tuple(reason for reason in found if reason)


def preflight(request: RunRequest, plan: Plan) -> tuple[Reason, ...]:
    """Let the user's hook decide on a plan that nothing else is against.

    That the hook for the end could not be run is a reason, too: nobody would be there to say so later.

    Returns:
        Why it may not be carried out; empty if it may.
    """
    hooks = request.config.hooks
    unusable = problems(hooks)
    if unusable or hooks.preflight is None:
        return unusable
    refused = Reason("the preflight hook refused", hint=f"resolve it, then try again ({hooks.preflight} decides)")
    document = {"hook": "preflight", **_about(request, plan), **json_report.plan_json(plan, ())}
    del document["reasons"]
    try:
        done = _run(request, hooks.preflight, document)
    except ProgramStopped as error:
        hint = f"correct {hooks.preflight}, or raise hooks.timeout_s"
        return (Reason("the preflight hook did not decide", "\n".join(filter(None, (error.what, error.why))), hint),)
    words = _words(request, done)
    if done.code == 0:
        log.info("the preflight hook agreed: %s", words)
        return ()
    return (Reason(refused.what, words or f"it ended with code {done.code} and printed nothing", refused.hint),)


def after(request: RunRequest, plan: Plan, outcome: Mapping[str, Any]) -> None:
    """Give the user's hook the report. Whatever it does, the outcome stays; a signal meanwhile ends only the hook.

    Args:
        request: the run.
        plan: what was to be done.
        outcome: as `--json` prints it.
    """
    hook = request.config.hooks.after
    if hook is None or request.dry_run:
        return
    problem = _unusable("after", hook)
    if problem:
        log.warning("%s: %s", problem.what, problem.why)
        return
    try:
        with raising():
            done = _run(request, hook, {"hook": "after", **_about(request, plan), **outcome})
    except ProgramStopped as error:
        log.warning("the hook %s: %s", hook, error.what)
    except KeyboardInterrupt:
        log.warning("the hook %s was interrupted", hook)
    else:
        if done.code:
            words = sanitize(_words(request, done)) or "it printed nothing"
            log.warning("the hook %s failed with code %d: %s", hook, done.code, words)


def _about(request: RunRequest, plan: Plan) -> dict[str, Any]:
    return {
        "command": request.kind,
        "dry_run": request.dry_run,
        "env": plan.env.name,
        "target": plan.target,
        "as_of": plan.as_of,
        "by": request.by,
        "reason": request.reason,
        "incident": request.incident,
    }


def _unusable(key: str, hook: Path) -> Reason | None:
    """Why a hook cannot be run, or may not be: somebody else could have put it there."""
    try:
        process.find(str(hook.absolute()))
        why = files.distrust(hook)
    except ProgramMissing as error:
        return Reason(
            f"the hook {hook} cannot be started",
            error.why,
            f"make it executable (chmod +x), or correct hooks.{key} in the settings",
        )
    except OSError as error:
        return Reason(f"the hook {hook} cannot be started", files.why(error), f"correct hooks.{key} in the settings")
    hint = "give it and its folder to this user or root, and take the right to write from all others (chmod go-w)"
    return Reason(f"the hook {hook} is not run", why, hint) if why else None


def _run(request: RunRequest, hook: Path, document: Mapping[str, Any]) -> process.CompletedProgram:
    secrets = [name for name in os.environ if _HOLDS_SECRET.search(name)]
    return process.run(
        [str(hook.absolute())],
        stdin=json.dumps(document),
        env=process.environment(without=secrets),
        timeout_s=request.config.hooks.timeout_s,
        secrets=[request.slack],
        largest=_LARGEST,
    )


def _words(request: RunRequest, done: process.CompletedProgram) -> str:
    """All that it printed: a reason may be on either output, and a stray warning on the other."""
    said = "\n".join(filter(None, (done.stdout.strip(), done.stderr.strip())))
    return process.redact(said, [request.slack])[:_LONGEST]
