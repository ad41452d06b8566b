"""Slack messages at the start and at the end of a run; they never change what happens."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from rollback.core.plan import Plan
from rollback.errors import Reason
from rollback.execution.outcome import Outcome
from rollback.output import slack_messages
from rollback.secret import Secret
from rollback.state.record import Header

log = logging.getLogger(__name__)

_IN_ALL_S = 2.5  # for one message, whatever happens; a run posts two, and does not wait for a chat
_TIMES = 3  # so often is a message offered at most


def started(webhook: Secret, header: Header, plan: Plan) -> bool:
    """Tell that a run begins."""
    return bool(webhook) and post(webhook, slack_messages.started(header, plan))


def ended(webhook: Secret, what: str, outcome: Outcome, header: Header | None = None) -> bool:
    """Tell how a run ended."""
    return bool(webhook) and post(webhook, slack_messages.ended(what, outcome, header))


def refused(webhook: Secret, what: str, reasons: Sequence[Reason]) -> bool:
    """Tell that a run was refused, and why."""
    return bool(webhook) and post(webhook, slack_messages.refused(what, reasons))


def send(webhook: Secret, title: str, body: str) -> bool:
    """Tell anything else: a title, and lines set in a fixed-width font."""
    return bool(webhook) and post(webhook, slack_messages.plain(title, body))


def post(webhook: Secret, message: slack_messages.Message, *, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Post one message, again after 429 or 5xx as long as the pauses stay within a small budget.

    A failure of whatever kind is one warning and nothing else; the address is never shown, since it is a
    credential, and requests puts it into the text of its exceptions.

    Args:
        webhook: the address of an incoming webhook.
        message: what its API takes.
        sleep: waits for so many seconds.

    Returns:
        Whether Slack took it.
    """
    import requests

    from rollback.errors import RollbackError
    from rollback.system import http_session
    from rollback.system.bounded_call import bounded

    end = time.monotonic() + _IN_ALL_S
    answered = ""
    try:
        with http_session.connect(read_s=_IN_ALL_S, retries=0, total_s=_IN_ALL_S) as door:
            for _ in range(_TIMES):
                answer = bounded(
                    lambda: door.post(webhook.reveal(), json=message, allow_redirects=False),
                    within_s=end - time.monotonic(),
                )
                if answer.status_code == requests.codes.ok:
                    return True
                answered = f"it answered {answer.status_code} {_word(answer.text)}".rstrip()
                pause = _pause(answer.headers.get("Retry-After", ""))
                if not (answer.status_code == requests.codes.too_many_requests or answer.status_code >= 500):
                    break
                if pause >= end - time.monotonic():
                    break
                sleep(pause)
    except (requests.RequestException, RollbackError, ValueError, OSError) as error:
        answered = type(error).__name__
    log.warning("the Slack message was not sent (%s)", answered)
    return False


def _pause(retry_after: str) -> float:
    """Seconds that Slack wants us to wait (https://docs.slack.dev/apis/web-api/rate-limits); 1 if it does not say."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 1.0


def _word(text: str) -> str:
    """Slack's answer is one word such as `invalid_blocks`; a proxy's is a page, of which nothing is shown."""
    word = text.strip()
    return word if len(word) <= 40 and word.replace("_", "").isalnum() else ""
