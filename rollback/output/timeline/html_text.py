"""Text from outside inside HTML."""

from __future__ import annotations

import html

from rollback.core.plain_text import sanitize


def escape(text: str) -> str:
    """Text as HTML shows it, in elements and quoted attributes, without what would turn the direction of writing."""
    return html.escape(sanitize(text))
