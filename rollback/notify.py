"""Slack: told at the start and at the end, and never able to change what happens."""

from __future__ import annotations

import logging
from typing import Any

from rollback.secret import Secret

log = logging.getLogger(__name__)

_SECONDS = 5.0  # for connecting, and for each byte of the answer
_MOST = 3000  # characters; Slack cuts longer sections (docs.slack.dev, block kit)


def escape(text: str) -> str:
    """Text as Slack's mrkdwn wants it: the three characters that it reads as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def send(webhook: Secret, title: str, body: str) -> bool:
    """Post one message.

    A failure of whatever kind is one warning and nothing else; the address is never shown, since it is a
    credential, and requests puts it into the text of its exceptions.

    Args:
        webhook: the address of an incoming webhook; empty for none.
        title: the first line.
        body: the rest, set in a fixed-width font.

    Returns:
        Whether Slack took it.
    """
    if not webhook:
        return False
    import requests

    from rollback import session

    text = escape(body.strip())[:_MOST]
    message: dict[str, Any] = {"text": f"{escape(title)}\n```{text}```" if text else escape(title)}
    try:
        with session.connect(read_s=_SECONDS, retries=0) as slack:
            answer = slack.post(webhook.reveal(), json=message, allow_redirects=False)
    except (requests.RequestException, ValueError) as error:
        log.warning("Slack was not told (%s)", type(error).__name__)
        return False
    if answer.status_code == requests.codes.ok:
        return True
    log.warning("Slack was not told: it answered %s %s", answer.status_code, answer.text.strip()[:60])
    return False
