"""The stand-in for `dcos` without a process for each call, so that a story of a hundred calls takes no minutes."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rollback.system import process
from rollback.system.process import CompletedProgram

STAND_IN = Path(__file__).parent.parent / "data" / "dcos-go"
_CODE = compile(STAND_IN.read_text(encoding="utf-8"), str(STAND_IN), "exec")


def install(folder: Path) -> None:
    """Put the stand-in into a folder of PATH, where it is looked for before it is called."""
    (folder / "dcos").symlink_to(STAND_IN)


def processes() -> SimpleNamespace:
    """What takes the place of the module `process` where `dcos` is called."""
    return SimpleNamespace(**{**vars(process), "run": run})


def run(argv: Sequence[str], *, stdin: str = "", env: Mapping[str, str] | None = None, **_: Any) -> CompletedProgram:
    """See `process.run`; each call has its own streams and environment."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    program: dict[str, Any] = {"__name__": "dcos"}
    exec(_CODE, program)  # noqa: S102 - a file of these tests
    program["sys"] = SimpleNamespace(stdin=io.StringIO(stdin), stdout=out, stderr=err, exit=sys.exit)
    program["os"] = SimpleNamespace(environ=dict(env or {}))
    try:
        program["main"](list(argv[1:]))
    except SystemExit as ended:
        code = int(ended.code or 0)
    except Exception as error:  # noqa: BLE001 - a program ends with a traceback
        code = 1
        err.write(f"{type(error).__name__}: {error}\n")
    said = err.getvalue() or out.getvalue()
    return CompletedProgram(code, out.getvalue(), err.getvalue(), said if code else "")
