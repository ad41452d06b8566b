"""The form of rollback.json: a history as text, and back, trusting nothing in it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, time, timezone, tzinfo
from typing import Any

from rollback.core.history import History, newest_first, zone
from rollback.core.image import CreatedFrom, Image, Skipped
from rollback.core.image_reference import is_digest, is_repo, is_tag
from rollback.core.timestamps import Instant
from rollback.errors import BadInput

SCHEMA = 2


FILE = "rollback.json"


_MOST_MISTAKES = 8  # a broken file makes one screen of messages, not a thousand


def as_json(history: History) -> dict[str, Any]:
    """The members of rollback.json; `all` and `rollbacks` are what older readers know."""
    return {
        "all": list(history.repos),
        "rollbacks": {
            day.isoformat(): [{image.tag: image.repo} for image in history.released(day)] for day in history.dates
        },
        "schema": SCHEMA,
        "env": history.env,
        "tag_env": history.tag_env,
        "registry": history.registry,
        "generated": str(history.generated) if history.generated else "",
        "timezone": history.timezone,
        "last": history.last,
        "images": [
            {
                "repo": image.repo,
                "tag": image.tag,
                "digest": image.digest,
                "created": str(image.created),
                "created_from": image.created_from.value,
            }
            for image in history.images
        ],
        "skipped": [{"repo": skip.repo, "tag": skip.tag, "reason": skip.reason} for skip in history.skipped],
    }


def dumps(history: History) -> str:
    """The text of rollback.json, with a newline at its end."""
    return json.dumps(as_json(history), indent=1, ensure_ascii=False) + "\n"


def loads(text: str) -> History:
    """Read rollback.json, whole or with `all` and `rollbacks` alone; trust nothing in it.

    Raises:
        BadInput: not JSON, or not a history: every mistake that was found is named.
    """
    try:
        data = json.loads(text, object_pairs_hook=_unique)
    except RecursionError as error:
        raise _bad(["it is nested too deeply"]) from error
    except ValueError as error:
        raise _bad([str(error)]) from error
    reader = _HistoryReader()
    history = reader.history(data)
    if reader.mistakes or history is None:
        raise _bad(reader.mistakes)
    return history


def _bad(mistakes: Sequence[str]) -> BadInput:
    shown = list(mistakes[:_MOST_MISTAKES])
    if len(mistakes) > len(shown):
        shown.append(f"and {len(mistakes) - len(shown)} more")
    return BadInput(
        f"{FILE} cannot be used", why="; ".join(shown), hint="make it anew with `rollback get`; nothing was changed"
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]
    if twice:
        raise ValueError(f"the member {twice[0]!r:.60} is there twice")
    return dict(pairs)


class _HistoryReader:
    """Turns parsed JSON into a History and gathers every mistake on the way."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []

    def history(self, data: Any) -> History | None:
        if not isinstance(data, dict):
            self.mistakes.append("it is not a JSON object")
            return None
        schema = data.get("schema", SCHEMA)
        if schema != SCHEMA:
            self.mistakes.append(f"schema {schema!r:.60} is not one that this version reads ({SCHEMA})")
            return None
        repos = self._repos(data)
        released = self._released(data, repos)
        name = self._text(data, "timezone") or "UTC"
        try:
            days = zone(name)
        except BadInput as error:
            self.mistakes.append(error.what)
            return None
        if "images" in data:
            images = self._images(data, repos)
            self._agree(released, images, days)
        else:
            images = [
                Image(repo, tag, Instant(datetime.combine(day, time(), timezone.utc)), created_from=CreatedFrom.DAY)
                for day, repo, tag in released
            ]
            name = "UTC"
        last = data.get("last", 0)
        if not isinstance(last, int) or isinstance(last, bool) or last < 0:
            self.mistakes.append(f"last: {last!r:.60} is not a count")
            last = 0
        return History(
            repos=tuple(repos),
            images=newest_first(images),
            dates=tuple(sorted({day for day, _, _ in released}, reverse=True)),
            env=self._text(data, "env"),
            tag_env=self._text(data, "tag_env"),
            registry=self._text(data, "registry"),
            generated=self._generated(data),
            timezone=name,
            last=last,
            skipped=tuple(self._skipped(data)),
        )

    def _text(self, data: dict[str, Any], key: str) -> str:
        value = data.get(key, "")
        if isinstance(value, str) and value.isprintable():
            return value
        self.mistakes.append(f"{key}: {value!r:.60} is not a text")
        return ""

    def _list(self, data: dict[str, Any], key: str) -> list[Any]:
        value = data.get(key, [])
        if isinstance(value, list):
            return value
        self.mistakes.append(f"{key} is not a list")
        return []

    def _repos(self, data: dict[str, Any]) -> list[str]:
        if "all" not in data:
            self.mistakes.append("the member `all` is missing")
        found = self._list(data, "all")
        repos = [repo for repo in found if isinstance(repo, str) and is_repo(repo)]
        for repo in found:
            if repo not in repos:
                self.mistakes.append(f"all: {repo!r:.60} is not a repository")
        if len(set(repos)) < len(repos):
            self.mistakes.append("all names a repository twice")
        return list(dict.fromkeys(repos))

    def _released(self, data: dict[str, Any], repos: Sequence[str]) -> list[tuple[date, str, str]]:
        found: list[tuple[date, str, str]] = []
        rollbacks = data.get("rollbacks")
        if not isinstance(rollbacks, dict):
            self.mistakes.append(
                "the member `rollbacks` is missing" if rollbacks is None else "rollbacks is no object"
            )
            return found
        for text, entries in rollbacks.items():
            try:
                day = date.fromisoformat(text)
                if day.isoformat() != text:
                    raise ValueError
            except ValueError:
                self.mistakes.append(f"rollbacks: {text!r:.60} is not a date")
                continue
            pairs = entries if isinstance(entries, list) else [entries]
            seen: set[str] = set()
            for pair in pairs:
                for tag, repo in pair.items() if isinstance(pair, dict) else [("", pair)]:
                    if repo not in repos or not is_tag(tag):
                        self.mistakes.append(f"rollbacks: {text} has {pair!r:.60}, not a tag of one of `all`")
                    elif repo in seen:
                        self.mistakes.append(f"rollbacks: {text} has two images of {repo}")
                    else:
                        seen.add(repo)
                        found.append((day, repo, tag))
        return found

    def _images(self, data: dict[str, Any], repos: Sequence[str]) -> list[Image]:
        images: list[Image] = []
        for entry in self._list(data, "images"):
            try:
                image = Image(
                    entry["repo"],
                    entry["tag"],
                    Instant.parse(entry["created"]),
                    entry["digest"],
                    CreatedFrom(entry["created_from"]),
                )
                if image.repo not in repos or not is_tag(image.tag) or not is_digest(image.digest):
                    raise ValueError("its repo, tag or digest is not one")
            except (KeyError, TypeError, ValueError) as error:
                self.mistakes.append(f"images: {entry!r:.80} cannot be read ({error!s:.80})")
                continue
            images.append(image)
        twice = [key for key, times in Counter((image.repo, image.tag) for image in images).items() if times > 1]
        self.mistakes += [f"images: {repo}:{tag} is there twice" for repo, tag in twice]
        return images

    def _agree(self, released: Sequence[tuple[date, str, str]], images: Sequence[Image], days: tzinfo) -> None:
        """`rollbacks` and `images` say the same thing twice: whoever edits one by hand must be told."""
        by_tag = {(image.repo, image.tag): image for image in images}
        for day, repo, tag in released:
            image = by_tag.get((repo, tag))
            if image is None:
                self.mistakes.append(f"{day} offers {repo}:{tag}, which `images` does not have")
            elif image.day(days) != day:
                self.mistakes.append(f"{day} offers {repo}:{tag}, which `images` says was created {image.created}")
        offered = {(day, repo): tag for day, repo, tag in released}
        listed = {day for day, _, _ in released}
        newest: dict[tuple[date, str], Image] = {}
        for image in sorted(images, key=lambda image: image.order):
            newest[image.day(days), image.repo] = image
        for (day, repo), image in sorted(newest.items()):
            if day in listed and offered.get((day, repo), "") != image.tag:
                self.mistakes.append(f"{day} does not offer {repo}:{image.tag}, which `images` has of that day")

    def _generated(self, data: dict[str, Any]) -> Instant | None:
        text = self._text(data, "generated")
        try:
            return Instant.parse(text) if text else None
        except ValueError as error:
            self.mistakes.append(f"generated: {error!s:.80}")
            return None

    def _skipped(self, data: dict[str, Any]) -> list[Skipped]:
        try:
            return [Skipped(str(e["repo"]), str(e["tag"]), str(e["reason"])) for e in self._list(data, "skipped")]
        except (KeyError, TypeError):
            self.mistakes.append("skipped: an entry lacks repo, tag or reason")
            return []
