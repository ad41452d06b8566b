"""The conversation with Marathon's HTTP API: where it is, who we are, and whether an answer came."""

from __future__ import annotations

import base64
import logging
import re
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from urllib3.exceptions import ConnectTimeoutError, InsecureRequestWarning, MaxRetryError, NewConnectionError

from rollback.errors import BadInput, LoginRefused, NoAnswer, TargetError
from rollback.secret import Secret
from rollback.system import files, http_challenge, http_session
from rollback.system.network import http_url, is_loopback
from rollback.targets.base import Check, Level, TargetOptions
from rollback.targets.marathon import response_errors

log = logging.getLogger(__name__)

_UNREACHABLE = "check the address (the url of the target, or ROLLBACK_MARATHON_URL), the network and the proxy"

_LOGIN = "/acs/api/v1/auth/login"  # https://docs.d2iq.com/mesosphere/dcos/2.2/security/ent/iam-api/
_REFUSED_S = 30.0  # seconds before a login that was refused is tried again; quicker ones get an account locked
_SERVICE = "/service/marathon"  # where DC/OS's Admin Router keeps Marathon


class MarathonClient:
    """One Marathon, one login.

    Args:
        options: `settings` holds `url`, and perhaps `ca_bundle`, `insecure` and `token_file`.

    Raises:
        BadInput: the settings do not name a Marathon, or a file that is not there.
    """

    def __init__(self, options: TargetOptions) -> None:
        self._options = options
        self.url, self._certain = _base(str(options.settings.get("url") or ""), options.name)
        self.given_url = self.url  # the login completes an address without a path
        self._token_file = _path(options, "token_file")
        bundle = _path(options, "ca_bundle")
        if bundle and not bundle.is_file():
            raise BadInput(
                f"target {options.name!r}: there is no ca_bundle {bundle}", hint="correct ca_bundle in the settings"
            )
        insecure = bool(options.settings.get("insecure"))
        if insecure:
            urllib3.disable_warnings(InsecureRequestWarning)  # it was requested, and would come with every request
        self._session = http_session.connect(
            verify=False if insecure else (bundle or True),  # False only by `insecure: true` in the target's section
            read_s=options.timeout_s,
            total_s=options.timeout_s,
        )
        self.info: Mapping[str, Any] = {}
        self._authorization = Secret()  # the header's whole value
        self._basic: bool | None = None  # whether the server requires HTTP Basic; None: not known yet
        self._lock = threading.Lock()
        self._refused: tuple[float, LoginRefused] | None = None  # when, in seconds of the monotonic clock, and why

    def login(self) -> None:
        """Find Marathon, log in where a user or a token file is given, and see that requests are accepted.

        Raises:
            LoginRefused: this user, password or token is not accepted.
            TargetError: there is no Marathon.
        """
        if not self._certain:
            self._locate()
        self._renew(self._authorization)
        info = response_errors.parse(self.read("/v2/info", "Marathon cannot be queried"))
        if not isinstance(info, dict) or "version" not in info:
            raise TargetError(
                f"{self.url} is not a Marathon",
                why="/v2/info names no version",
                hint="correct the address in the settings: the url of the target, or ROLLBACK_MARATHON_URL",
            )
        self.info = info

    def reach(self) -> Check:
        """Whether the address answers at all, whatever it says; and what its clock says."""
        try:
            began = datetime.now(timezone.utc)
            answer = self._send("GET", "/", Secret())
        except requests.RequestException as error:
            return Check(
                "target",
                Level.FAIL,
                f"{self.url} cannot be reached ({_cause(error)})",
                "check the address, the network, the proxy (HTTPS_PROXY, NO_PROXY) and the CA bundle (ca_bundle)",
            )
        ahead = None
        with suppress(TypeError, ValueError):  # a clock that cannot be read is not compared
            ahead = (parsedate_to_datetime(answer.headers.get("Date", "")) - began).total_seconds()
        return Check("target", Level.OK, f"{self.url} answers ({answer.status_code})", clock_ahead_s=ahead)

    def read(self, path: str, what: str, params: list[tuple[str, str]] | None = None) -> requests.Response:
        """GET; tried again by the session when the way there is bad.

        Raises:
            LoginRefused: not with this login.
            TargetError: not reached, or refused.
        """
        try:
            response = self._request("GET", path, params=params)
        except requests.RequestException as error:
            raise _unreachable(self.url, what, error) from error
        if not response.ok or response.is_redirect:
            raise self._refusal(response, what)
        return response

    def write(self, method: str, path: str, what: str, body: Any = None) -> requests.Response:
        """Send a write, once.

        Raises:
            AppLocked: a deployment holds one of the apps; nothing was accepted.
            NoAnswer: sent, and no answer came; it may have been accepted.
            TargetError: refused or not reached; nothing was accepted.
        """
        try:
            response = self._request(method, path, json=body)
        except requests.RequestException as error:
            if _never_sent(error):
                raise _unreachable(self.url, what, error) from error
            raise NoAnswer(
                what,
                why=f"sent to {self.url}, but no answer came: {_cause(error)}",
                hint=response_errors.WAS_IT_WRITTEN,
            ) from error
        if not response.ok or response.is_redirect:
            raise self._refusal(response, what)
        return response

    def close(self) -> None:
        """Give back the connections and forget the login."""
        self._session.close()
        self._authorization = Secret()

    def _request(self, method: str, path: str, **content: Any) -> requests.Response:
        """Send a request; after a 401, which means that nothing was done, log in again and send it once more."""
        sent = self._authorization
        response = self._send(method, path, sent, **content)
        if response.status_code == 401 and self._renewable():
            self._basic = _requires_basic(response)
            self._renew(sent)
            if self._authorization != sent:
                response = self._send(method, path, self._authorization, **content)
        return response

    def _send(self, method: str, path: str, authorization: Secret, **content: Any) -> requests.Response:
        headers = {"Accept": "application/json"}
        if authorization:
            headers["Authorization"] = authorization.reveal()
        return self._session.request(method, self.url + path, headers=headers, allow_redirects=False, **content)

    def _renewable(self) -> bool:
        return bool(self._options.user or self._token_file)

    def _renew(self, stale: Secret) -> None:
        """Get another Authorization header, unless another thread has done so since `stale` was read."""
        with self._lock:
            if self._authorization != stale:
                return
            if self._refused and time.monotonic() < self._refused[0] + _REFUSED_S:
                raise self._refused[1]
            if self._options.user:
                try:
                    self._authorization = self._basic_login() if self._is_basic() else self._log_in()
                except LoginRefused as error:
                    self._refused = (time.monotonic(), error)
                    raise
            elif self._token_file:
                self._authorization = Secret(f"token={_read_token(self._token_file).reveal()}")

    def _is_basic(self) -> bool:
        """Whether the server itself requires HTTP Basic, as Marathon does with `--http_credentials`."""
        if self._basic is None:
            self._basic = _requires_basic(self._probe("/v2/info"))
        return self._basic

    def _basic_login(self) -> Secret:
        """The Authorization header of HTTP Basic (RFC 7617).

        Raises:
            LoginRefused: it would show the password to the network, or cannot hold this user's name.
        """
        what = f"the login of {self._options.user!r} failed"
        parts = urlsplit(self.url)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise LoginRefused(
                what,
                why=f"{self.url} requires HTTP Basic, which sends the password unencrypted over http",
                hint="give an https url in the settings, for instance that of a proxy with TLS before Marathon",
            )
        if ":" in self._options.user:
            raise LoginRefused(what, why="with HTTP Basic, a user's name cannot hold a colon", hint="check --user")
        pair = f"{self._options.user}:{self._options.password.reveal()}".encode()
        return Secret(f"Basic {base64.b64encode(pair).decode()}")

    def _log_in(self) -> Secret:
        """Exchange user and password for a token, which lasts for days and cannot be prolonged."""
        what = f"the login of {self._options.user!r} failed"
        root = self.url.partition("/service/")[0].removesuffix("/marathon")
        credentials = {"uid": self._options.user, "password": self._options.password.reveal()}
        try:
            response = self._session.post(
                root + _LOGIN, json=credentials, headers={"Accept": "application/json"}, allow_redirects=False
            )
        except requests.RequestException as error:
            raise _unreachable(root, what, error) from error
        if response.status_code in {400, 401, 403}:
            why = self._redacted(response_errors.words(response))
            raise LoginRefused(what, why=why, hint="check --user and --pwd")
        if not response.ok or response.is_redirect:
            if root == self.url and response.status_code in {404, 405, 500}:
                log.warning("%s is a Marathon without DC/OS and knows no login: going on without one", root)
                return Secret()
            if response.status_code >= 500:
                why = f"{root} answers {self._redacted(response_errors.words(response))}"
                raise TargetError(what, why=why, hint=_UNREACHABLE)
            raise response_errors.refusal(response, what)
        token = response_errors.parse(response)
        if not isinstance(token, dict) or not isinstance(token.get("token"), str):
            raise TargetError(
                what, why=f"{root} gave no token", hint="is this a DC/OS cluster? check the url in the settings"
            )
        return Secret(f"token={token['token']}")

    def _locate(self) -> None:
        """Tell a Marathon's own address from that of a DC/OS cluster, which keeps its Marathon below /service."""
        info = self._probe("/v2/info")
        self._basic = _requires_basic(info)
        direct = self._basic or (info.ok and "json" in info.headers.get("Content-Type", ""))
        if info.status_code in {401, 403} and not direct:  # either of them, with a guard before it
            direct = self._probe(f"{_SERVICE}/v2/info").status_code in {404, 405, 500}
        if not direct:
            self.url += _SERVICE
        self._certain = True

    def _probe(self, path: str) -> requests.Response:
        """Send a GET without a login."""
        try:
            return self._send("GET", path, Secret())
        except requests.RequestException as error:
            raise _unreachable(self.url, "Marathon cannot be queried", error) from error

    def _refusal(self, response: requests.Response, what: str) -> TargetError:
        """What an answer that is not a success means, with the next step for this login."""
        error = response_errors.refusal(response, what)
        if not isinstance(error, LoginRefused):
            return error
        if self._options.user:
            why = self._redacted(error.why)
            return LoginRefused(f"{what} as {self._options.user!r}", why=why, hint="check --user and --pwd")
        if self._token_file:
            return LoginRefused(what, why=error.why, hint=f"renew the token in {self._token_file}")
        return error

    def _redacted(self, text: str) -> str:
        """What a server says, without the secrets that it may repeat."""
        pair = self._authorization.reveal().partition(" ")[2]
        for secret in (self._options.password.reveal(), pair):
            text = text.replace(secret or "***", "***")
        return text


def _requires_basic(response: requests.Response) -> bool:
    """Whether a refusal requires HTTP Basic and not for a login at DC/OS (`acsjwt`, `oauthjwt`)."""
    offers = {offer.scheme for offer in http_challenge.parse(response.headers.get("WWW-Authenticate", ""))}
    return response.status_code == 401 and "basic" in offers and not any(one.endswith("jwt") for one in offers)


def _base(url: str, name: str) -> tuple[str, bool]:
    """Cut the address down to the part before `/v2`; and whether that is sure to be Marathon's own.

    Raises:
        BadInput: not an address, or one with a password in it.
    """
    hint = f"targets: {{{name}: {{kind: marathon, url: https://dcos.example.com/service/marathon}}}}"
    if not url:
        raise BadInput(f"target {name!r} needs the url of its Marathon", hint=f"in the settings: {hint}")
    try:
        parts = http_url(url)
    except ValueError as error:
        raise BadInput(
            f"target {name!r}: its url cannot be used", why=str(error), hint=f"in the settings: {hint}"
        ) from error
    if "@" in parts.netloc:
        raise BadInput(f"target {name!r}: the url holds a user name", hint="give --user and --pwd instead")
    path = parts.path.rstrip("/").removesuffix("/v2").rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}", bool(path)


def _path(options: TargetOptions, member: str) -> Path | None:
    """A file that the settings name, relative to the settings' own folder."""
    named = options.settings.get(member)
    return options.folder / files.expand_user(str(named)) if named else None


def _read_token(file: Path) -> Secret:
    try:
        token = files.read_text(file, most=files.SMALL).strip()
    except OSError as error:
        raise LoginRefused(
            f"the token file {file} cannot be read", why=files.why(error), hint="correct token_file in the settings"
        ) from error
    if not token:
        raise LoginRefused(f"the token file {file} is empty", hint="write a token into it, or correct token_file")
    return Secret(token)


def _unreachable(url: str, what: str, error: requests.RequestException) -> TargetError:
    return TargetError(what, why=f"{url} does not answer: {_cause(error)}", hint=_UNREACHABLE)


def _never_sent(error: requests.RequestException) -> bool:
    """Whether the connection was not even made, so that the server cannot have seen the request."""
    if isinstance(error, (requests.ConnectTimeout, requests.exceptions.SSLError, requests.exceptions.ProxyError)):
        return True
    inner = error.args[0] if error.args else None
    reason = inner.reason if isinstance(inner, MaxRetryError) else inner
    return isinstance(reason, (NewConnectionError, ConnectTimeoutError))


def _cause(error: BaseException) -> str:
    """The innermost reason, which says `Connection refused` without the paragraphs around it."""
    while True:
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    text = str(error.args[-1] if error.args else error)
    return re.sub(r"^\[Errno -?\d+\] ", "", text.rpartition(": ")[2]) or type(error).__name__
