"""DC/OS logins: a user and a password for a token of limited life, as the cluster's identity service gives them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
import secrets
from collections.abc import Mapping

from rollback.sandbox.clock import Clock
from rollback.sandbox.http_messages import Request, Response, as_json

_LIFE_S = 5 * 24 * 3600  # documented for DC/OS 1.8; newer ones configure it


class Logins:
    """Checks passwords and hands out tokens.

    Args:
        users: passwords by user name.
        clock: when tokens run out.
        life_s: seconds that a token is accepted.
    """

    def __init__(self, users: Mapping[str, str], clock: Clock, life_s: float = _LIFE_S) -> None:
        self._users = dict(users)
        self._clock = clock
        self._life_s = life_s
        self._key = secrets.token_bytes(32)

    def __repr__(self) -> str:
        return f"Logins({sorted(self._users)})"

    def expire_all(self) -> None:
        """Make every token that was handed out worthless."""
        self._key = secrets.token_bytes(32)

    def login(self, request: Request) -> Response:
        """Answer `POST /acs/api/v1/auth/login`."""
        if request.method != "POST":
            return as_json(405, {"title": "405 Method Not Allowed", "description": "Use POST."})
        try:
            body = json.loads(request.body)
            user, password = body["uid"], body["password"]
        except (ValueError, TypeError, KeyError):
            return _bad_login("Request body must be a JSON object with the members uid and password.")
        if not (isinstance(user, str) and isinstance(password, str) and user and password):
            return _bad_login("The members uid and password must be strings that are not empty.")
        if not hmac.compare_digest(self._users.get(user, "").encode(), password.encode()) or user not in self._users:
            return as_json(
                401,
                {
                    "title": "401 Unauthorized",
                    "description": "Invalid credentials.",
                    "code": "ERR_INVALID_CREDENTIALS",
                },
                {"WWW-Authenticate": "acsjwt"},
            )
        return as_json(200, {"token": self.token(user)})

    def token(self, user: str) -> str:
        """A new token for a user: a JWT with `uid` and `exp`."""
        expires = int(self._clock().timestamp() + self._life_s)
        signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part({'uid': user, 'exp': expires})}"
        return f"{signed}.{self._signature(signed)}"

    def accepts(self, request: Request) -> bool:
        """Tell whether a request brings a token that still counts."""
        header = request.headers.get("authorization", "")
        token = next((header[len(start) :] for start in ("token=", "Bearer ") if header.startswith(start)), "")
        signed, _, signature = token.rpartition(".")
        if not signed or not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return False
        payload = signed.partition(".")[2]
        return bool(json.loads(base64.urlsafe_b64decode(payload + "=="))["exp"] > self._clock().timestamp())

    def _signature(self, signed: str) -> str:
        return _encoded(hmac.new(self._key, signed.encode(), hashlib.sha256).digest())


def page(status: int, title: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of the web server in front of everything: HTML, whatever the client accepts."""
    text = html.escape(f"{status} {title}")
    body = (
        f'<html>\r\n<head><title>{text}</title></head>\r\n<body bgcolor="white">\r\n'
        f"<center><h1>{text}</h1></center>\r\n<hr><center>openresty</center>\r\n</body>\r\n</html>\r\n"
    )
    return Response(status, body.encode(), {"Content-Type": "text/html; charset=UTF-8", **(headers or {})})


def _bad_login(description: str) -> Response:
    return as_json(400, {"title": "400 Bad Request", "description": description})


def _part(document: Mapping[str, object]) -> str:
    return _encoded(json.dumps(document, separators=(",", ":")).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
