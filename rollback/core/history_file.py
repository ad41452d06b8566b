"""The form of rollback.json: a history as text, and back, trusting nothing in it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time, timezone, tzinfo
from typing import Any

from rollback.core import json_text
from rollback.core.environment_tags import EnvironmentTags
from rollback.core.history import History, newest_first, zone
from rollback.core.image import Basis, CreatedFrom, DeployedImage, Image, Skipped
from rollback.core.image_reference import is_digest, is_repo, is_tag
from rollback.core.timestamps import Instant
from rollback.errors import BadInput

SCHEMA = 3
_READ = (2, SCHEMA)  # and a file without `schema`, which has `all` and `rollbacks` alone, or the members of schema 2
FILE = "rollback.json"
_MOST_MISTAKES = 8  # a broken file makes one screen of messages, not a thousand


def as_json(history: History) -> dict[str, Any]:
    """The members of rollback.json; `all` and `rollbacks` are what older readers know."""
    return {
        "all": list(history.repos),
        "rollbacks": {
            day.isoformat(): [{image.tag: image.repo} for image in images.values()]
            for day, images in history.by_day().items()
        },
        "schema": SCHEMA,
        "env": history.env,
        "tag_env": history.tag_env,
        "registry": history.registry,
        "generated": str(history.generated) if history.generated else "",
        "timezone": history.timezone,
        "last": history.last,
        "basis": history.basis.value,
        "images": [_image_json(image) for image in history.images],
        "deployed": [_deployed_json(entry) for entry in history.deployed],
        "skipped": [
            {"repo": skip.repo, "tag": skip.tag, "reason": skip.reason, "undated": skip.undated}
            for skip in history.skipped
        ],
    }


def _image_json(image: Image) -> dict[str, Any]:
    return {
        "repo": image.repo,
        "tag": image.tag,
        "tags": list(image.tags),
        "digest": image.digest,
        "config": image.config,
        "created": str(image.created),
        "created_from": image.created_from.value,
        "basis": image.basis.value,
    }


def _deployed_json(entry: DeployedImage) -> dict[str, Any]:
    return {
        "app": entry.app,
        "repo": entry.repo,
        "tag": entry.tag,
        "digest": entry.digest,
        "from": str(entry.since),
        "until": str(entry.until) if entry.until else None,
        "certain": entry.certain,
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
        data = json_text.loads(text, pairs=_unique)
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
        f"{FILE} cannot be used", why="; ".join(shown), hint="make a new one with `rollback get`; nothing was changed"
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
        self._days: set[date] = set()  # in `rollbacks`, also those without an image

    def history(self, data: Any) -> History | None:
        if not isinstance(data, dict):
            self.mistakes.append("it is not a JSON object")
            return None
        schema = data.get("schema", SCHEMA)
        if schema not in _READ or isinstance(schema, bool):
            self.mistakes.append(
                f"schema {schema!r:.60} is not one that this version reads ({' and '.join(map(str, _READ))})"
            )
            return None
        repos = self._repos(data)
        released = self._released(data, repos)
        name = self._text(data, "timezone") or "UTC"
        try:
            days = zone(name)
        except BadInput as error:
            self.mistakes.append(error.what)
            return None
        tag_env = self._text(data, "tag_env")
        basis = self._basis(data)
        if "images" in data:
            images = self._images(data, repos)
            if schema == 2:
                images = _merged(images, EnvironmentTags(tag_env))
            self._agree(released, images, days, basis)
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
        # On a day of which the registry has no image any more, an app got one all the same.
        days_offered = {day for day, _, _ in released} if basis is Basis.BUILT else self._days
        return History(
            repos=tuple(repos),
            images=newest_first(images),
            dates=tuple(sorted(days_offered, reverse=True)),
            env=self._text(data, "env"),
            tag_env=tag_env,
            registry=self._text(data, "registry"),
            generated=self._generated(data),
            timezone=name,
            last=last,
            skipped=tuple(self._skipped(data)),
            basis=basis,
            deployed=tuple(self._deployed(data, repos)),
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
            self._days.add(day)
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
                    tuple(entry.get("tags", ())),
                    entry.get("config", ""),
                    Basis(entry.get("basis", Basis.BUILT.value)),
                )
                sound = image.repo in repos and all(map(is_tag, image.tags)) and is_digest(image.digest)
                if not sound or (image.config and not is_digest(image.config)) or image.basis is Basis.AUTO:
                    raise ValueError("its repo, tags, digest, config or basis is not one")
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                self.mistakes.append(f"images: {entry!r:.80} cannot be read ({error!s:.80})")
                continue
            images.append(image)
        # A tag may have moved on from an image that ran under it.
        names = Counter((i.repo, tag) for i in images if i.basis is Basis.BUILT for tag in i.tags)
        self.mistakes += [f"images: {repo}:{tag} is there twice" for (repo, tag), times in names.items() if times > 1]
        return images

    def _agree(
        self, released: Sequence[tuple[date, str, str]], images: Sequence[Image], days: tzinfo, basis: Basis
    ) -> None:
        """`rollbacks` and `images` say the same thing twice: whoever edits one by hand must hear of it.

        On the deployed basis the days are those of `deployed`, which decides there.
        """
        by_tag = {(image.repo, tag): image for image in images for tag in image.tags}
        if basis is not Basis.BUILT:
            self.mistakes += [
                f"{day} offers {repo}:{tag}, which `images` does not have"
                for day, repo, tag in released
                if (repo, tag) not in by_tag
            ]
            return
        newest: dict[tuple[date, str], Image] = {}
        for image in sorted((i for i in images if i.basis is Basis.BUILT), key=lambda image: image.order):
            newest[image.day(days), image.repo] = image
        offered: dict[tuple[date, str], Image] = {}
        for day, repo, tag in released:
            found = by_tag.get((repo, tag))
            if found is None:
                self.mistakes.append(f"{day} offers {repo}:{tag}, which `images` does not have")
            elif found.day(days) != day:
                self.mistakes.append(f"{day} offers {repo}:{tag}, which `images` says was created {found.created}")
            else:
                offered[day, repo] = found
        listed = {day for day, _, _ in released}
        for (day, repo), image in sorted(newest.items()):
            mine = offered.get((day, repo))
            if day in listed and (mine is None or mine.created != image.created):
                self.mistakes.append(f"{day} does not offer {repo}:{image.tag}, which `images` has of that day")

    def _basis(self, data: dict[str, Any]) -> Basis:
        text = self._text(data, "basis") or Basis.BUILT.value
        try:
            return Basis(text)
        except ValueError:
            self.mistakes.append(f"basis: {text!r:.60} is not one of {', '.join(one.value for one in Basis)}")
            return Basis.BUILT

    def _deployed(self, data: dict[str, Any], repos: Sequence[str]) -> list[DeployedImage]:
        found: list[DeployedImage] = []
        for entry in self._list(data, "deployed"):
            try:
                until = entry["until"]
                one = DeployedImage(
                    entry["app"],
                    entry["repo"],
                    entry["tag"],
                    entry["digest"],
                    Instant.parse(entry["from"]),
                    None if until is None else Instant.parse(until),
                    entry["certain"],
                )
                named = one.app and one.app.isprintable() and one.repo in repos
                if not named or (one.tag and not is_tag(one.tag)) or (one.digest and not is_digest(one.digest)):
                    raise ValueError("its app, repo, tag or digest is not one")
                if not isinstance(one.certain, bool) or (one.until and one.until < one.since):
                    raise ValueError("its times or `certain` are not sound")
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                self.mistakes.append(f"deployed: {entry!r:.80} cannot be read ({error!s:.80})")
                continue
            found.append(one)
        return found

    def _generated(self, data: dict[str, Any]) -> Instant | None:
        text = self._text(data, "generated")
        try:
            return Instant.parse(text) if text else None
        except ValueError as error:
            self.mistakes.append(f"generated: {error!s:.80}")
            return None

    def _skipped(self, data: dict[str, Any]) -> list[Skipped]:
        try:
            return [
                Skipped(str(e["repo"]), str(e["tag"]), str(e["reason"]), e.get("undated", False) is True)
                for e in self._list(data, "skipped")
            ]
        except (KeyError, TypeError, AttributeError):
            self.mistakes.append("skipped: an entry lacks repo, tag or reason")
            return []


def _merged(images: Sequence[Image], tags: EnvironmentTags) -> list[Image]:
    """The images of a file of schema 2, which has an entry for each tag: one for each digest."""
    groups: dict[tuple[str, str, Instant], list[Image]] = {}
    for image in images:
        groups.setdefault((image.repo, image.digest, image.created), []).append(image)
    return [
        replace(group[0], tag=tags.best(names), tags=names)
        for group in groups.values()
        for names in [tuple(sorted(image.tag for image in group))]
    ]
