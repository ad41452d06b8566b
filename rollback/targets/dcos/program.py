"""The program `dcos` in either of its generations: how it is called, logged in, and understood when it fails.

dcos up to 0.6 is one Python program. From 0.7 on it is written in Go, and most of what is needed here is done by a
plug-in that brings the older Python program along. They differ in the login; for the rest, what they print is enough.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

from rollback.errors import (
    AppLocked,
    LoginRefused,
    NoAnswer,
    ProgramMissing,
    ProgramStopped,
    TargetError,
)
from rollback.secret import Secret
from rollback.system import files, process
from rollback.system.process import CompletedProgram
from rollback.targets.base import UNREADABLE, Check, Level, TargetOptions
from rollback.targets.dcos import config_dir
from rollback.targets.dcos.config_dir import PrivateFolder

log = logging.getLogger(__name__)

# `deployment watch` runs `clear` if there is a TERM; 0.6 cannot read its own DCOS_TIMEOUT; the others mix talk into
# the output, or name the one file that the private folder replaces.
_UNWANTED = frozenset(
    {"TERM", "PAGER", "DCOS_TIMEOUT", "DCOS_DEBUG", "DCOS_LOG_LEVEL", "DCOS_VERBOSITY", "DCOS_CONFIG", "DCOS_DIR"}
)
# A token in the environment beats the one that a login stores, and makes 0.6 fail at storing it.
_OTHER_LOGINS = frozenset({"DCOS_ACS_TOKEN", "DCOS_DCOS_ACS_TOKEN", "DCOS_USERNAME", "DCOS_PASSWORD"})

_EXPIRED = re.compile(r"HTTP 401|dcos auth login|token is invalid|unable to get Marathon", re.IGNORECASE)
_UNKNOWN_LOGIN = re.compile(r"Authentication failed|Invalid credentials|HTTP 40[013]", re.IGNORECASE)
_LOCKED = re.compile(r"Changes blocked|App is locked", re.IGNORECASE)
_ABSENT = re.compile(r"\b(?:app|deploymentplan|group) \S+ does not exist", re.IGNORECASE)
_NO_RIGHT = re.compile(r"HTTP 403|not authorized|Permissions '", re.IGNORECASE)
_NO_CLUSTER = re.compile(r"no cluster is attached|core\.dcos_url|cluster setup|No cluster", re.IGNORECASE)
_NO_PLUGIN = re.compile(r"is not a dcos command|unknown command", re.IGNORECASE)
# What the server or the program itself refused. Whatever else goes wrong with a write may have happened after it.
_REFUSED = re.compile(
    r"HTTP 4\d\d|does not exist|Object is not valid|Invalid JSON|Error loading JSON|Max number \(|not authorized"
    r"|unknown flag|unknown command|is not a dcos command|no cluster is attached|core\.dcos_url|Permissions '",
    re.IGNORECASE,
)
_TRY = "check the address, the network and the VPN, then try: dcos marathon about"
WAS_IT_WRITTEN = "see whether it was carried out: dcos marathon deployment list"
_REFUSED_S = 30.0  # seconds before a login that was refused is tried again; quicker ones get an account locked
_CHECK_S = 10.0  # seconds for one answer; whoever runs `doctor` waits for it
_LONGEST = 400  # characters of the program's words that go into an error


class Absent(TargetError):
    """Marathon does not have it, or does not show it to this user."""


class Program:
    """One `dcos`, one private folder, one login.

    Args:
        options: `settings` may hold `program` (a path, or a name on PATH; `dcos`) and `cluster` (an id or a name).
    """

    def __init__(self, options: TargetOptions) -> None:
        self._options = options
        self._cluster = str(options.settings.get("cluster") or "")
        self._path = ""
        self._folders: list[PrivateFolder] = []
        self._lock = threading.Lock()
        self._first = threading.Lock()
        self._used: set[Path | None] = set()  # folders in which a call was made
        self._refused: tuple[float, LoginRefused] | None = None  # when, in seconds of the monotonic clock, and why
        self._by_flag = True  # whether the login takes --password-env (0.6), until it says that it does not

    @property
    def address(self) -> str:
        """The cluster's address; empty if it cannot be determined."""
        return config_dir.address(config_dir.source(), self._cluster or os.environ.get("DCOS_CLUSTER", ""))

    def login(self) -> None:
        """Find the program, and log in where a user is given: one process (two with dcos 0.7 and later).

        Raises:
            LoginRefused: not with this user and password.
            TargetError: there is no such program, or it cannot query.
        """
        self._enter(stale=self._folder)

    def read(self, what: str, *argv: str) -> Any:
        """Have something printed as JSON, and read it.

        Args:
            what: what is tried, as a sentence's beginning: `the apps cannot be read`.
            argv: the arguments.

        Raises:
            Absent: Marathon knows nothing of that name.
            LoginRefused: the login has run out.
            TargetError: it cannot be queried, or prints something else.
        """
        try:
            result = self._run(argv)
        except ProgramStopped as error:
            raise TargetError(what, why=error.what, hint=_TRY) from error
        if result.code:
            raise _refusal(result, what)
        try:
            return json.loads(result.stdout)
        except ValueError as error:
            raise _not_understood(result, what) from error

    def write(self, what: str, *argv: str, stdin: str = "") -> str:
        """Have something written, once; what the program prints about it.

        Raises:
            Absent: Marathon knows nothing of that name.
            AppLocked: a deployment holds the app; nothing was accepted.
            NoAnswer: it may have been accepted.
            TargetError: nothing was accepted.
        """
        try:
            result = self._run(argv, stdin)
        except ProgramStopped as error:
            raise NoAnswer(what, why=error.what, hint=WAS_IT_WRITTEN) from error
        if not result.code:
            if "Usage:" in result.stdout:
                raise _not_understood(result, what)
            return result.stdout
        refusal = _refusal(result, what)
        if type(refusal) is TargetError and not _REFUSED.search(result.said):
            raise NoAnswer(what, why=refusal.why, hint=WAS_IT_WRITTEN)
        raise refusal

    def check(self) -> Check:
        """Whether the program starts, and which version it is. One process."""
        path = self._find()
        said = process.run([path, "--version"], env=process.environment(), timeout_s=_CHECK_S)
        versions = dict(line.split("=", 1) for line in said.stdout.splitlines() if "=" in line)
        found = ", ".join(f"{name} {value}" for name, value in versions.items()) or said.stdout.strip()[:80]
        if said.code:
            return Check("dcos", Level.FAIL, f"{path} does not start (exit code {said.code})", "run `dcos --version`")
        return Check("dcos", Level.OK, f"{path}: {found}")

    def close(self) -> None:
        """Remove the private folders, tokens included."""
        while self._folders:
            self._folders.pop().cleanup()

    @property
    def _folder(self) -> Path | None:
        return Path(self._folders[-1].name) if self._folders else None

    def _run(self, argv: tuple[str, ...], stdin: str = "") -> CompletedProgram:
        """Call the program; when the login has run out, which means that nothing was done, log in and call again."""
        if self._folder is None:
            self._enter(stale=None)
        used = self._folder
        result = self._call_in(used, argv, stdin)
        if result.code and self._options.user and _EXPIRED.search(result.said):
            log.info("the login has run out, logging in once more")
            self._enter(stale=used)
            result = self._call_in(self._folder, argv, stdin)
        return result

    def _call_in(self, folder: Path | None, argv: tuple[str, ...], stdin: str) -> CompletedProgram:
        """Call the program; alone until the first call in a folder is over.

        dcos 0.7 and later rewrite the description of a plug-in when they load it first; a second one that reads it
        at that moment finds half a file.
        """
        if folder in self._used:
            return self._call(folder, argv, stdin)
        with self._first:
            result = self._call(folder, argv, stdin)
            self._used.add(folder)
        return result

    def _enter(self, stale: Path | None) -> None:
        """Get a private folder with a login in it, unless another thread has done so since `stale` was used.

        A renewed login gets a new folder: calls that are under way in the old one keep reading sound files.
        """
        with self._lock:
            if self._folder != stale:
                return
            if self._refused and time.monotonic() < self._refused[0] + _REFUSED_S:
                raise self._refused[1]
            self._path = self._path or self._find()
            if not self._folders:
                config_dir.remove_leftovers()
            fresh = config_dir.private_copy(config_dir.source())
            try:
                if self._options.user:
                    self._log_in(Path(fresh.name))
            except BaseException as error:
                fresh.cleanup()
                if isinstance(error, LoginRefused):
                    self._refused = (time.monotonic(), error)
                raise
            self._folders.append(fresh)

    def _find(self) -> str:
        named = str(self._options.settings.get("program") or "dcos")
        if os.sep in named:
            named = str((self._options.folder / files.expand_user(named)).absolute())  # a bare name is one on PATH
        try:
            return process.find(named)
        except ProgramMissing as error:
            hint = (
                "install the DC/OS CLI, or name it in the settings: targets: {dcos: {program: /path/to/dcos}}, or "
                "use --target=marathon with its URL in the settings"
            )
            raise TargetError(error.what, why=error.why, hint=hint) from error

    def _log_in(self, private: Path) -> None:
        """Log in, with the password in the child's environment alone: argv and files can be read by others."""
        options = self._options
        what = f"the login of {options.user!r} failed"
        if not options.password:
            raise LoginRefused(what, why="no password was given", hint="give --pwd")
        members = {"DCOS_USERNAME": options.user, "DCOS_PASSWORD": options.password.reveal()}
        by_flag = ("auth", "login", f"--username={options.user}", "--password-env=DCOS_PASSWORD")
        try:
            result = self._call(private, by_flag if self._by_flag else ("auth", "login"), **members)
            if result.code and self._by_flag and "unknown flag" in result.said:
                self._by_flag = False
                result = self._call(private, ("auth", "login"), **members)
        except ProgramStopped as error:
            raise TargetError(what, why=error.what, hint=_TRY) from error
        if result.code and _UNKNOWN_LOGIN.search(result.said):
            raise LoginRefused(what, why=_words(result), hint="check --user and --pwd")
        if result.code:
            raise _refusal(result, what)

    def _call(self, private: Path | None, argv: tuple[str, ...], stdin: str = "", **members: str) -> CompletedProgram:
        unwanted = _UNWANTED | (_OTHER_LOGINS if self._options.user else frozenset())
        if self._cluster:
            members["DCOS_CLUSTER"] = self._cluster
        secrets = (self._options.password, Secret(os.environ.get("DCOS_ACS_TOKEN", "")))
        env = process.environment(without=unwanted, DCOS_DIR=str(private), **members)
        try:
            return process.run(
                [self._path, *argv], stdin=stdin, env=env, timeout_s=self._options.timeout_s, secrets=secrets
            )
        except ProgramMissing as error:
            raise TargetError(error.what, why=error.why, hint="is this file the DC/OS CLI?") from error


def _refusal(result: CompletedProgram, what: str) -> TargetError:
    """The error for a call that failed, in the program's own words."""
    said, why = result.said, _words(result)
    if _LOCKED.search(said):
        return AppLocked(what, why=why, hint="wait for that deployment, or end it, then try again")
    if _NO_PLUGIN.search(said):
        return _not_understood(result, what)
    if _NO_CLUSTER.search(said):
        return TargetError(what, why=why, hint="attach one: dcos cluster setup https://<the cluster>")
    if re.search("unable to get Marathon", said):  # what 0.7 and later say for a 401 as for everything else
        return TargetError(
            what, why=why, hint="the login may have run out: dcos auth login, or give --user and --pwd"
        )
    if _EXPIRED.search(said):
        return LoginRefused(what, why=why, hint="dcos auth login, or give --user and --pwd")
    if _ABSENT.search(said):
        return Absent(what, why=why, hint="check the id, and whether this user may see it: dcos marathon app list")
    if _NO_RIGHT.search(said):
        return TargetError(what, why=why, hint="does this user have permission for these apps?")
    if "Max number (" in said:
        return TargetError(what, why=why, hint="wait until some deployments are done: dcos marathon deployment list")
    hint = "try again; if it goes on, look at Marathon's log" if _REFUSED.search(said) else _TRY
    return TargetError(what, why=why, hint=hint)


def _not_understood(result: CompletedProgram, what: str) -> TargetError:
    """The error for a call that printed something else: its usage, with exit code 0, where its plug-in is missing."""
    if "Usage:" in result.stdout or _NO_PLUGIN.search(result.said):
        why = "this dcos does not know the marathon command"
        return TargetError(what, why=why, hint="its plug-in is missing: dcos package install dcos-core-cli --cli")
    return TargetError(what, why=f"dcos printed something else than JSON: {_words(result)}", hint=UNREADABLE)


def _words(result: CompletedProgram) -> str:
    """What it said, in one line; the last line where it is a Python traceback."""
    # The login of dcos 0.7 and later is tried twice, and its refusal printed twice.
    said = "\n".join(dict.fromkeys(result.quote.splitlines()))
    if "Traceback (most recent call last)" in said:
        said = said.splitlines()[-1]
    return " ".join(said.split())[:_LONGEST] or f"dcos ended with code {result.code} and said nothing"
