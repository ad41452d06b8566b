"""A user's way into a registry, and where it was found."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from rollback.secret import Secret


@dataclass(frozen=True)
class Login:
    """Credentials for a registry.

    Attributes:
        user: empty for nobody in particular.
        password: of that user, or an access token that takes its place.
        identity_token: what a login left behind instead of a password, to be traded for tokens.
        registry_token: a token that the registry itself takes, so that no token server is needed.
        source: where it was found, in words.
    """

    user: str = ""
    password: Secret = field(default_factory=Secret)
    identity_token: Secret = field(default_factory=Secret)
    source: str = ""
    registry_token: Secret = field(default_factory=Secret)

    def __bool__(self) -> bool:
        return bool(self.user or self.identity_token or self.registry_token)

    @property
    def name(self) -> str:
        """As whom this is, in words."""
        if self.user:
            return self.user
        if self.identity_token:
            return "the owner of an identity token"
        return "the owner of a registry token" if self.registry_token else "anonymous"

    @property
    def basic(self) -> Secret:
        """The Authorization header of the Basic scheme (RFC 7617)."""
        pair = f"{self.user}:{self.password.reveal()}".encode()
        return Secret(f"Basic {base64.b64encode(pair).decode()}")

    def secrets(self) -> list[Secret]:
        """Every text in it that must not be seen."""
        encoded = [Secret(self.basic.reveal().removeprefix("Basic "))] if self.password else []
        return [secret for secret in (self.password, self.identity_token, self.registry_token, *encoded) if secret]


ANONYMOUS = Login(source="no credentials were found")


@dataclass(frozen=True)
class Identity:
    """The user for a registry: a user's name or `anonymous`, and where that was found."""

    user: str
    source: str
