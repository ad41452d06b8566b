"""Google's registries: the list of tags holds a member `manifest` with `created` of each config, for nothing.

The member's form is that which go-containerregistry reads (pkg/v1/google/list.go). Times are in milliseconds.
What the member does not say is whether a manifest is an image's: an artifact of another kind whose config has a
believable `created` all the same would count as one. Helm charts, signatures and build caches have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from rollback.core.image_reference import is_digest
from rollback.core.timestamps import Instant
from rollback.registry.manifest import OCI, SCHEMA2
from rollback.registry.vendors.tag_info import TagInfo

NAME = "google"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def dates(document: Mapping[str, Any]) -> dict[str, TagInfo]:
    """Read the member of a page of tags.

    Left out, and so to be read in the plain way, is all that it does not settle: indexes, whose time is that of
    a child, and times that are no whole number.

    Returns:
        What is known, by tag.
    """
    listed = document.get("manifest")
    found: dict[str, TagInfo] = {}
    entries = listed.items() if isinstance(listed, dict) else ()
    for digest, entry in entries:
        if not isinstance(entry, dict) or not is_digest(digest) or entry.get("mediaType") not in (SCHEMA2, OCI):
            continue
        created = _instant(entry.get("timeCreatedMs"))
        tags = entry.get("tag")
        if created is None or not isinstance(tags, list):
            continue
        found.update({tag: TagInfo(digest, created) for tag in tags if isinstance(tag, str)})
    return found


def _instant(milliseconds: object) -> Instant | None:
    try:
        return Instant(_EPOCH + timedelta(milliseconds=int(str(milliseconds))))
    except (ValueError, OverflowError):
        return None
