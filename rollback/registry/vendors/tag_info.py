"""What a registry's own listing says about a tag."""

from __future__ import annotations

from dataclasses import dataclass

from rollback.core.timestamps import Instant


@dataclass(frozen=True)
class TagInfo:
    """The manifest that a tag names, and `created` of its config."""

    digest: str
    created: Instant
