"""What an answer of Marathon, or of a proxy before it, means: one of our errors, in the server's own words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import requests

from rollback.errors import AppLocked, LoginRefused, NoAnswer, TargetError

_LONGEST = 400  # characters of the server's words that go into an error
_UNKNOWN_OUTCOME = frozenset({502, 503, 504})  # a proxy or the leader gave up; the write may still be carried out

_WRONG_PLACE = "check the address, the url in the settings: is this a Marathon, or a DC/OS cluster?"
WAS_IT_WRITTEN = "see whether it was carried out, in the list of Marathon's deployments"
_TRY_AGAIN = "try again; if it goes on, look at the log of what answers there"


class NotThere(TargetError):
    """Marathon does not have it, or does not show it to this user: it hides what one may not see behind a 404."""


def parse(response: requests.Response) -> Any:
    """Read a JSON answer.

    Raises:
        TargetError: it is not JSON, for instance a proxy's page.
    """
    try:
        return response.json()
    except requests.JSONDecodeError as error:
        raise TargetError(
            f"{_place(response)} did not answer in JSON",
            why=words(response),
            hint=_WRONG_PLACE,
        ) from error


def refusal(response: requests.Response, what: str) -> TargetError:
    """Turn an answer that is not a success into the error to raise.

    Args:
        response: the answer.
        what: what was tried, as a sentence's beginning: `the apps cannot be read`.
    """
    status, why = response.status_code, words(response)
    at_place = f"{_place(response)}: {why}"
    writing = response.request.method not in {"GET", "HEAD"}
    if status == 401:
        return LoginRefused(what, why=why, hint="log in: give --user and --pwd")
    if status == 403:
        full = "running deployments" in why  # Marathon answers 403 at its limit of simultaneous deployments, too
        hint = "wait until some deployments are done" if full else "does this user have permission for these apps?"
        return TargetError(what, why=why, hint=hint)
    if status == 404:
        hint = "check the id, and whether this user may see it" if _body(response) else _WRONG_PLACE
        return NotThere(what, why=at_place, hint=hint)
    if status == 409:
        held = locks(response)
        by = f" (deployment {', '.join(held)})" if held and not all(lock in why for lock in held) else ""
        return AppLocked(what, why=why + by, hint="wait for that deployment, or end it, then try again")
    if 300 <= status < 400:
        return TargetError(
            what,
            why=f"{_place(response)} wants to be called at {_host_of(response.headers.get('Location', ''))}",
            hint="give that address as url in the settings",
        )
    if writing and (status in _UNKNOWN_OUTCOME or (status >= 500 and not _body(response))):
        return NoAnswer(what, why=at_place, hint=WAS_IT_WRITTEN)
    return TargetError(what, why=at_place, hint=_TRY_AGAIN if _body(response) or status >= 502 else _WRONG_PLACE)


def locks(response: requests.Response) -> tuple[str, ...]:
    """Ids of the deployments that a 409 names."""
    listed = _body(response).get("deployments")
    return tuple(str(held.get("id")) for held in listed if isinstance(held, dict)) if isinstance(listed, list) else ()


def words(response: requests.Response) -> str:
    """The status and what the server says about it: JSON's message and details, or an HTML page's title."""
    body = _body(response)
    said = [str(body[name]) for name in ("message", "description") if body.get(name)]
    said += _details(body.get("details"))
    if not body:
        title = re.search(r"<title>(.*?)</title>", response.text[:4000], re.IGNORECASE | re.DOTALL)
        said = [" ".join(title[1].split())] if title else []
    number = f"HTTP {response.status_code} {response.reason or ''}".rstrip()
    message = "; ".join(dict.fromkeys(said))
    return f"{number}: {message}"[:_LONGEST] if message else number


def _details(details: Any) -> list[str]:
    """The particulars of a 400 or 422: a list of paths with errors, a text, or nothing."""
    if isinstance(details, str):
        return [details]
    if not isinstance(details, list):
        return []
    return [
        f"{entry.get('path', '')}: {', '.join(map(str, entry.get('errors') or ()))}"
        if isinstance(entry, dict)
        else str(entry)
        for entry in details
    ]


def _body(response: requests.Response) -> Mapping[str, Any]:
    """The JSON object in an answer; empty if there is none."""
    try:
        body = json.loads(response.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _place(response: requests.Response) -> str:
    return _host_of(response.url)


def _host_of(url: str) -> str:
    """Scheme, host and path of a URL: a query or a user name may hold what is nobody's business."""
    found = re.match(r"(https?://)(?:[^/@]*@)?([^?#]*)", url)
    return f"{found[1]}{found[2]}" if found else "another address"
