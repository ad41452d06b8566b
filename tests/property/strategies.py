"""What hypothesis draws: images, references, histories, fleets."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import strategies as st

from rollback.core.image import CreatedFrom, DeployedImage, Image, Skipped
from rollback.core.image_reference import Reference
from rollback.core.timestamps import Instant
from tests.support.image_factory import digest

BEGIN = datetime(2026, 11, 1, tzinfo=timezone.utc)
REPOS = ("billing", "cart", "shop/web")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati")

zones = st.sampled_from(ZONES)
# Few distinct times, so that ties and full days are common; nanoseconds, so that they are not all ties.
instants = st.builds(
    lambda quarter, nano: Instant(BEGIN + timedelta(hours=6 * quarter), nano),
    st.integers(0, 60),
    st.sampled_from([0, 0, 1, 999]),
)


@st.composite
def images(draw: st.DrawFn, least: int = 0) -> list[Image]:
    """Images of a few repositories, each tag once per repository, in any order."""
    names = draw(
        st.lists(st.tuples(st.sampled_from(REPOS), st.integers(1, 30)), min_size=least, max_size=25, unique=True)
    )
    return [
        Image(
            repo,
            f"{number}-master",
            draw(instants),
            digest(f"{repo}:{number}"),
            draw(st.sampled_from(list(CreatedFrom)[:3])),
        )
        for repo, number in names
    ]


@st.composite
def deployments(draw: st.DrawFn, found: list[Image]) -> list[DeployedImage]:
    """What two apps of each repository were configured with, one image after the other; some images are gone."""
    entries: list[DeployedImage] = []
    for repo in REPOS:
        known = [image for image in found if image.repo == repo]
        for app in (f"/{repo}", f"/{repo}-canary"):
            times = sorted(draw(st.lists(instants, max_size=4, unique=True)))
            for since, until in zip(times, [*times[1:], None], strict=False):
                gone = Image(repo, "gone-master", since, digest("gone"))
                image = draw(st.sampled_from([*known, gone]))
                certain = draw(st.booleans())
                entries.append(DeployedImage(app, repo, image.tag, image.digest, since, until, certain))
    return entries


skipped = st.lists(st.builds(Skipped, st.sampled_from(REPOS), st.just("x-master"), st.text(max_size=20)), max_size=3)

_word = st.from_regex(r"[a-z0-9]{1,6}([._-][a-z0-9]{1,4})?", fullmatch=True)
_hosts = st.one_of(
    st.just(""),
    st.just("localhost"),
    st.sampled_from(["r.example.com", "r.example.com:5000", "10.0.0.1:80", "Registry.Example-2.com"]),
    st.just("[::1]:5000"),
    st.just("registry:443"),
)
_paths = st.lists(_word, min_size=1, max_size=4).map("/".join)
_tags = st.one_of(st.just(""), st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True))
_digests = st.one_of(st.just(""), st.binary(max_size=2).map(lambda data: digest(data.hex())))


def _names_a_host(path: str) -> bool:
    head, slash, _ = path.partition("/")
    return bool(slash) and ("." in head or head == "localhost")


references = st.builds(Reference, _hosts, _paths, _tags, _digests).filter(
    lambda reference: bool(reference.host) or not _names_a_host(reference.path)
)
