"""Values for tests of the core: an image, an app, a history in one line each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date
from typing import Any

from rollback.core import history
from rollback.core.apps import App
from rollback.core.history import History
from rollback.core.image import Image
from rollback.core.image_reference import Reference
from rollback.core.image_selection import AsOf
from rollback.core.plan import Environment
from rollback.core.timestamps import Instant

HOST = "registry.example.com"
PROD = Environment("prod", "master")
AT = "2026-11-22T04:00:00Z"


def digest(text: str) -> str:
    """A digest that is the same for the same text."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def image(name: str, created: str) -> Image:
    """An image `repo:tag`; a `created` of ten characters is that day at noon UTC."""
    repo, _, tag = name.partition(":")
    return Image(repo, tag, Instant.parse(f"{created}T12:00:00Z" if len(created) == 10 else created), digest(name))


def app(name: str, reference: str, **members: Any) -> App:
    """A checked app with two instances; `name` is its id, or its service in /ds/prod/shop/."""
    app_id = name if name.startswith("/") else f"/ds/prod/shop/{name}"
    whole: dict[str, Any] = {
        "id": app_id,
        "image": reference,
        "version": "v1",
        "instances": 2,
        "checked": True,
        "definition": {"container": {"docker": {"image": reference}}},
        **members,
    }
    return App(**whole)


def runs(name: str) -> str:
    """The reference of an image `repo:tag` in the usual registry, pinned to its digest."""
    return f"{Reference.parse(f'{HOST}/{name}')}@{digest(name)}"


def built(images: Iterable[Image], repos: Iterable[str] = (), **members: Any) -> History:
    """What `get` makes of these images."""
    images = tuple(images)
    named = tuple(repos) or tuple(dict.fromkeys(one.repo for one in images))
    whole: dict[str, Any] = {
        "env": "prod",
        "tag_env": "master",
        "registry": f"https://{HOST}",
        "generated": Instant.parse(AT),
        **members,
    }
    return history.build(named, images, **whole)


def day_of(text: str) -> AsOf:
    """A date as `--date` names it."""
    return AsOf(text, date.fromisoformat(text))


def day(text: str) -> date:
    """A date."""
    return date.fromisoformat(text)
