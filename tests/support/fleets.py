"""Histories of made-up fleets, from ten services to two hundred."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone

from rollback.core import history
from rollback.core.history import History
from rollback.core.image import Image
from rollback.core.timestamps import Instant
from tests.support.image_factory import digest

_NAMES = ("billing", "cart", "catalog", "search", "login", "stock", "mail", "rating-and-reviews")
_NEWEST = datetime(2026, 11, 21, tzinfo=timezone.utc)


def fleet(services: int, dates: int, *, long: bool = False) -> History:
    """So many services with releases on so many days; the same each time.

    All are released on the first day; then the first service on every day, the others on one day in seven.

    Args:
        services: how many.
        dates: how many.
        long: whether names begin and end alike, and tags are the hashes of commits.
    """
    dice = random.Random(services * 1000 + dates)  # noqa: S311  (no secret)
    days = sorted(_NEWEST - timedelta(days=number) for number in range(dates))
    images = []
    shape = "shop/customer-{}-{:03}-service-eu-central" if long else "shop/{}-{:03}"
    repos = [shape.format(_NAMES[number % len(_NAMES)], number) for number in range(services)]
    for number, repo in enumerate(repos):
        version = 0
        for day in days:
            if day == days[0] or number == 0 or dice.random() < 1 / 7:
                version += 1
                tag = f"{1 + version // 10}.{version % 10}.0-master"
                if long:
                    tag = f"{digest(repo + tag)[7:47]}-master"
                created = Instant(day + timedelta(seconds=dice.randrange(86_400)))
                images.append(Image(repo, tag, created, digest(f"{repo}:{tag}")))
    return history.build(
        repos,
        images,
        last=1000,
        env="prod",
        tag_env="master",
        registry="https://registry.example.com",
        generated=Instant.parse("2026-11-22T04:00:00Z"),
    )
