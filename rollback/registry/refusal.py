"""Why a server refuses, in its own words, as registries and token servers put them into the body of an answer."""

from __future__ import annotations

import json
import re
from typing import Any

_READ = 4096  # bytes of a body that is no JSON document
_LONGEST = 160  # characters
_MEMBERS = (
    "details",
    "message",
    "error_description",
    "error",
)  # Docker Hub's and others', and OAuth's (RFC 6749, 5.2)


def refusal_reason(body: bytes) -> str:
    """Find the reason in a refusal: the error document of a registry or a token server, a page's title, or a line.

    Returns:
        One short line that can be shown, but that may repeat what the server was sent; empty if there is none.
    """
    said = _of_document(body)
    if not said:
        text = body[:_READ].decode("utf-8", "replace")
        if text.lstrip().startswith("<"):
            title = re.search(r"<title[^>]*>([^<]*)", text, re.IGNORECASE)
            said = f"(a web page{': ' + title[1].strip() if title else ''})"
        else:
            said = text.strip().split("\n", 1)[0]
    clean = "".join(letter if letter.isprintable() else " " for letter in said)
    return clean.strip()[:_LONGEST]


def _of_document(body: bytes) -> str:
    """The reason in a JSON document; empty if it is none, or of another form."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    errors = document.get("errors")  # https://github.com/opencontainers/distribution-spec, "Error Codes"
    if isinstance(errors, list):
        listed = [_of_error(error) for error in errors[:3] if isinstance(error, dict)]
        return "; ".join(one for one in listed if one)
    found = (document.get(name) for name in _MEMBERS)
    return next((text for text in found if isinstance(text, str) and text), "")


def _of_error(error: dict[str, Any]) -> str:
    parts = (error.get("code"), error.get("message"))
    return ": ".join(part for part in parts if isinstance(part, str) and part)
