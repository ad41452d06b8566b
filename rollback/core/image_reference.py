"""Image references, `host:port/path:tag@digest`, and the names of repositories, tags and digests."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from rollback.errors import BadInput

# The grammar of an image name: https://pkg.go.dev/github.com/distribution/reference
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")


_HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d+)?")


_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)


_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


@dataclass(frozen=True)
class Reference:
    """An image reference, `host:port/path:tag@digest`, parsed.

    Attributes:
        host: the registry's host and port; empty where the reference names none.
        path: the repository.
        tag: empty where there is none.
        digest: `sha256:…`; empty where there is none.
    """

    host: str
    path: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Take a reference apart by the rules that Docker uses.

        The first part is a host if it holds a dot or a colon or is `localhost`; everything else is a path.

        Raises:
            BadInput: not an image reference.
        """
        name, at, digest = text.partition("@")
        head, slash, rest = name.partition("/")
        host, path = (head, rest) if slash and ("." in head or ":" in head or head == "localhost") else ("", name)
        path, colon, tag = path.partition(":")
        sound = (
            _PATH.fullmatch(path)
            and (not host or _HOST.fullmatch(host))
            and (not colon or _TAG.fullmatch(tag))
            and (not at or _DIGEST.fullmatch(digest))
        )
        if not sound:
            raise BadInput(f"{text!r} is not an image reference", why="expected host/repository:tag@sha256:…")
        return cls(host, path, tag, digest)

    def __str__(self) -> str:
        host = f"{self.host}/" if self.host else ""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{host}{self.path}{tag}{digest}"

    def at(self, tag: str, digest: str = "") -> Reference:
        """The same repository on the same host, with another tag and digest."""
        return replace(self, tag=tag, digest=digest)


def is_repo(text: str) -> bool:
    """Tell whether `text` is a repository's path, such as `shop/billing`."""
    return bool(_PATH.fullmatch(text)) and len(text) <= 255


def is_tag(text: str) -> bool:
    """Tell whether a registry could have a tag of this name (at most 128 characters)."""
    return bool(_TAG.fullmatch(text))


def is_digest(text: str) -> bool:
    """Tell whether `text` is a whole digest."""
    return bool(_DIGEST.fullmatch(text))
