"""Why a plan may not run: services without an image. Pure."""

from __future__ import annotations

from rollback.core.image_selection import Choice, Match
from rollback.core.matching import service_of
from rollback.errors import Reason

_NO_IMAGE = {
    Match.MISSING: "nothing on or before this date",
    Match.UNDATED: "no image with a usable time on or before this date",
    Match.TIED: "two images of the same time",
    Match.GONE: "the image that it ran is gone",
}
REMEDY = {
    Match.MISSING: "choose a later date",
    Match.UNDATED: "set registry.tag_date if its tags hold dates, and run `rollback get` again",
    Match.TIED: "choose another date, or set registry.tag_date if its tags hold dates, and run `rollback get` again",
    Match.GONE: "choose another date, or push that image again and run `rollback get`",
}


def gone(choice: Choice, name: str) -> Reason:
    """What an app ran is known, and the registry no longer has it."""
    return Reason(
        f"{name}: the image that it ran is gone from the registry",
        why=choice.reason,
        hint=f"{REMEDY[Match.GONE]}, or leave it out: --skip={name}",
        service=name,
    )


def nothing_selected(choice: Choice) -> Reason:
    """With `--strict`: a service has no image."""
    service = service_of(choice.repo)
    # Of a missing one the first words say what the line above has said.
    cause = choice.reason.partition(": ")[2] if choice.match is Match.MISSING else choice.reason
    return Reason(
        f"{service}: {_NO_IMAGE[choice.match]}",
        why=f"{cause}{'; ' if cause else ''}--strict requires an image of every service",
        hint=f"{REMEDY[choice.match]}, or leave out --strict to let it stay as it is",
        service=service,
    )
