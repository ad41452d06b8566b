"""Records of runs that never were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rollback.state.record import Header, Record


def past(
    run: str, *, at: str, as_of: str = "2026-11-20", verdict: str = "DONE", kind: str = "run", **members: Any
) -> Record:
    """A run of prod; without a verdict it was killed."""
    header = Header(
        **{
            "run": run,
            "kind": kind,
            "env": "prod",
            "target": "memory",
            "as_of": as_of,
            "by": "sam",
            "at": at,
            "on_failure": "restore",
            **members,
        }
    )
    outcome = {"verdict": verdict, "summary": f"it ended as {verdict}", "when": at} if verdict else {}
    return Record(header, {}, {}, frozenset(), outcome, (), Path(f"{run}.jsonl"))
