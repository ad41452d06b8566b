"""Images: what is known of one, and which of its tags names it best."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timezone, tzinfo
from enum import Enum

from rollback.core.timestamps import Instant


class CreatedFrom(str, Enum):
    """Where an image's creation time was read."""

    CONFIG = "config"
    ANNOTATION = "annotation"
    LABEL = "label"
    HISTORY = "history"  # the newest entry of the config's `history`
    TAG = "tag"
    DEPLOYED = "deployed"  # nothing says when it was created; an app was configured with it then
    DAY = "day"  # a rollback.json of the older form holds only the day


class Basis(str, Enum):
    """What "as of a date" rests on."""

    BUILT = "built"  # when images were created
    DEPLOYED = "deployed"  # what the target was configured with
    AUTO = "auto"  # deployed wherever the target remembers, else built


@dataclass(frozen=True)
class Image:
    """One image of one repository.

    Attributes:
        repo: path of the repository in its registry, e.g. `shop/billing`.
        tag: the tag that it is shown under.
        created: when it was created.
        digest: `sha256:…` of its manifest; empty if unknown.
        created_from: where `created` was read.
        tags: every tag of the environment that names this digest, sorted; `tag` is one of them.
        config: digest of its config; empty if unknown. Images with equal configs are one build: an index and the
            manifest of its platform, or a copy in another form.
        basis: `built`, or `deployed` for an image that is there only because it ran.
    """

    repo: str
    tag: str
    created: Instant
    digest: str = ""
    created_from: CreatedFrom = CreatedFrom.CONFIG
    tags: tuple[str, ...] = ()
    config: str = ""
    basis: Basis = Basis.BUILT

    def __post_init__(self) -> None:
        """An image of one tag needs no list of them."""
        object.__setattr__(self, "tags", tuple(sorted({*self.tags, self.tag})))

    @property
    def order(self) -> tuple[Instant, str, str]:
        """Sort key: by time. Between equal times it only makes lists repeatable; it never decides what is newer."""
        return (self.created, self.digest, self.tag)

    @property
    def build(self) -> str:
        """What two images of one repository share if they are the same build."""
        return self.config or self.digest or self.tag

    def day(self, zone: tzinfo = timezone.utc) -> date:
        """The release date: the day of `created` in `zone`."""
        return self.created.day(zone)


@dataclass(frozen=True)
class Skipped:
    """A tag that was found and is not offered.

    Attributes:
        repo: its repository.
        tag: the tag; of an undated image, the one that it is shown under.
        reason: why.
        undated: it is an image, and only its time is unknown.
    """

    repo: str
    tag: str
    reason: str
    undated: bool = False


@dataclass(frozen=True)
class DeployedImage:
    """What an app was configured with for some time, as its target remembers.

    Attributes:
        app: id of the app.
        repo: repository of the image.
        tag: the tag; empty if the reference had none.
        digest: `sha256:…`; empty if unknown.
        since: when it was configured so.
        until: when it was configured otherwise; None if it still is.
        certain: whether it is known to have run, and not only to have been configured.
    """

    app: str
    repo: str
    tag: str
    digest: str
    since: Instant
    until: Instant | None = None
    certain: bool = True


def builds(images: Iterable[Image]) -> int:
    """How many different builds there are among images of one repository."""
    return len({image.build for image in images})
