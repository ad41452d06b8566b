"""Flag before environment variable before settings file before default, into one frozen Settings.

Every mistake in the file is reported at once, with file, line and key.
"""

from __future__ import annotations

import dataclasses
import os
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from rollback.config import yaml_tree
from rollback.core import history
from rollback.core.environment_tags import EnvironmentTags, check_pattern
from rollback.core.image import Basis
from rollback.core.image_reference import is_repo
from rollback.core.plan import Environment, OnFailure
from rollback.errors import BadInput
from rollback.system import files, user_folders

FILE = "rollback.yaml"
_LONGEST_S = 1e9  # more seconds than anybody waits
_LARGEST = 256 << 10  # bytes of a settings file; PyYAML reads some 100 KiB a second


class SharedState(str, Enum):
    """Where freeze and lock are kept."""

    FOLDER = "folder"  # the state folder: known to this machine
    TARGET = "target"  # a marker on the target: known to every machine


@dataclass(frozen=True)
class RegistrySettings:
    """The section `registry`."""

    url: str = ""
    ca_bundle: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    insecure: bool = False
    connections: int = 16
    platform: str = "linux/amd64"
    immutable_tags: bool = False
    tag_date: str = ""
    flavour: str = "auto"
    deadline_s: float = 900.0


@dataclass(frozen=True)
class RunSettings:
    """The section `run`; durations in seconds."""

    timeout_s: float = 600.0
    parallel: int | None = None  # the target's own
    on_failure: OnFailure = OnFailure.RESTORE
    settle_s: float = 10.0
    poll_s: float = 2.0
    pin: bool = True
    max_age_s: float = 0.0
    freeze_s: float = 4 * 3600.0
    deadline_s: float = 3600.0


@dataclass(frozen=True)
class HookSettings:
    """The section `hooks`: programs of the user; `timeout_s` is the seconds that each may take."""

    preflight: Path | None = None
    after: Path | None = None
    timeout_s: float = 60.0


@dataclass(frozen=True)
class SlackSettings:
    """The section `slack`."""

    url_file: Path | None = None


@dataclass(frozen=True)
class LoginSettings:
    """The section `login`: the user for the target."""

    user: str = ""
    password_file: Path | None = None


def _environments() -> dict[str, str]:
    return {"dev": "develop", "stage": "stage", "prod": "master"}


@dataclass(frozen=True)
class Settings:
    """Everything that can be set.

    `source` is the file that it was read from, `lines` the lines of its keys, and `distrust` why that file is not
    trusted to name programs; empty if it is.
    """

    registry: RegistrySettings = RegistrySettings()
    environments: Mapping[str, str] = field(default_factory=_environments)
    tag_pattern: str = "{version}-{env}"
    app_id: str = ""
    repos: tuple[str, ...] = ()
    apps: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    timezone: str = "UTC"
    basis: Basis = Basis.BUILT
    target: str = "dcos"
    targets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    run: RunSettings = RunSettings()
    login: LoginSettings = LoginSettings()
    hooks: HookSettings = HookSettings()
    slack: SlackSettings = SlackSettings()
    shared_state: SharedState | None = None  # the target's own
    state_folder: Path | None = None
    cache_folder: Path | None = None
    source: Path | None = None
    distrust: str = field(default="", compare=False)
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict, repr=False, compare=False)

    @property
    def folder(self) -> Path:
        """The folder to which relative paths refer."""
        return self.source.parent if self.source else Path()

    def environment(self, name: str) -> Environment:
        """The environment of either name; one that the settings do not know is called the same in both places."""
        for deployment, tag in self.environments.items():
            if name == deployment:
                return Environment(deployment, tag)
        for deployment, tag in self.environments.items():
            if name == tag:
                return Environment(deployment, tag)
        return Environment(name, name)

    def knows(self, name: str) -> bool:
        """Whether an environment of either name is configured."""
        return name in self.environments or name in self.environments.values()

    def tags(self, environment: Environment) -> EnvironmentTags:
        """The tags of an environment."""
        return EnvironmentTags(environment.tag, self.tag_pattern, frozenset(self.environments.values()))

    def target_section(self) -> Mapping[str, Any]:
        """The chosen target's section; empty where it has none, as one that is called like its kind may."""
        return self.targets.get(self.target, {})


def find(flag: str | None, environ: Mapping[str, str]) -> Path | None:
    """The settings file: named, or in the current folder, or in the user's configuration folder.

    Raises:
        BadInput: a file is named that is not there.
    """
    named = flag or environ.get("ROLLBACK_CONFIG")
    if named:
        if not os.path.lexists(named):
            raise BadInput(f"there is no settings file {named}", hint="correct --config or ROLLBACK_CONFIG")
        return Path(named)
    own = user_folders.config_folder()
    for file in (Path(FILE), *([own / FILE] if own else [])):
        if os.path.lexists(file):  # one that cannot be read is an error, not a reason to look further
            return file
    return None


def load(flag: str | None, environ: Mapping[str, str], **flags: Any) -> Settings:
    """Read the settings.

    Args:
        flag: the value of `--config`.
        environ: the environment variables.
        flags: `registry`, `target` and `basis` as given on the command line; None where they are not.

    Raises:
        BadInput: the file cannot be read, or has mistakes: all of them are named.
    """
    file = find(flag, environ)
    settings = Settings()
    if file:
        text, distrust = _text(file)
        settings = parse(text, file, distrust)
    url = flags.get("registry") or environ.get("ROLLBACK_REGISTRY")
    if url:
        settings = dataclasses.replace(settings, registry=dataclasses.replace(settings.registry, url=url))
    target = flags.get("target") or environ.get("ROLLBACK_TARGET")
    if target:
        settings = dataclasses.replace(settings, target=target)
    if flags.get("basis"):
        settings = dataclasses.replace(settings, basis=flags["basis"])
    return settings


def _text(file: Path) -> tuple[str, str]:
    """What the file has, and why it is not trusted to name programs; empty if it is."""
    try:
        return files.read_owned_text(file, most=_LARGEST)
    except OSError as error:
        raise BadInput(
            f"the settings {file} cannot be read",
            why=files.why(error),
            hint="correct the file, or name another one with --config",
        ) from error


def parse(text: str, file: Path, distrust: str = "") -> Settings:
    """Read the text of a settings file.

    Args:
        text: it.
        file: its path.
        distrust: why the file is not trusted to name programs; empty if it is.

    Raises:
        BadInput: with every mistake, each with its line and key.
    """
    data, lines, mistakes = yaml_tree.read(text, file)
    reader = _SettingsReader(lines, mistakes, file.parent)
    values = reader.section(Settings, {} if data is None else data, (), leave_out={"source", "lines", "distrust"})
    settings = Settings(**values, source=file, lines=lines, distrust=distrust)
    reader.check(settings)
    if mistakes:
        raise wrong(file, mistakes)
    return settings


def wrong(file: Path | None, mistakes: Sequence[tuple[int, str]]) -> BadInput:
    """The error for a settings file: every mistake with its line."""
    return BadInput(
        f"{file or 'the environment variables'} cannot be used",
        why="\n".join(f"line {line}: {what}" if line else what for line, what in sorted(mistakes)),
        hint="correct these lines; docs/reference.md lists every key",
    )


_KINDS: Mapping[type, str] = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number of seconds",
}


class _SettingsReader:
    def __init__(self, lines: Mapping[tuple[str, ...], int], mistakes: list[tuple[int, str]], folder: Path) -> None:
        self._lines = lines
        self._mistakes = mistakes
        self._folder = folder

    def mistake(self, path: tuple[str, ...], what: str) -> None:
        self._mistakes.append((self._lines.get(path, 1), f"{'.'.join(path) or 'the file'}: {what}"))

    def section(
        self, kind: type, data: Any, path: tuple[str, ...], leave_out: frozenset[str] | set[str] = frozenset()
    ) -> dict[str, Any]:
        """The members of one section, read and checked against its dataclass."""
        if not isinstance(data, dict):
            self.mistake(path, f"expected keys and values, found {data!r:.40}")
            return {}
        hints = typing.get_type_hints(kind)
        names = [f.name for f in dataclasses.fields(kind) if f.name not in leave_out]
        values: dict[str, Any] = {}
        for key, value in data.items():
            here = (*path, str(key))
            if key not in names:
                self.mistake(here, f"there is no such key; there are {', '.join(names)}")
                continue
            found = self._value(hints[key], value, here)
            if found is not None:
                values[key] = found
        return values

    def _value(self, kind: Any, value: Any, path: tuple[str, ...]) -> Any:
        """The value of one key as its type wants it; None (and a mistake) if it cannot be had."""
        if dataclasses.is_dataclass(kind):
            return typing.cast(type, kind)(**self.section(typing.cast(type, kind), value, path))
        if kind == tuple[str, ...]:
            return self._texts(value, path) or None
        if isinstance(kind, types.UnionType):
            kind = typing.get_args(kind)[0]
        if typing.get_origin(kind) is not None:
            return self._mapping(typing.get_args(kind)[1], value, path)
        if kind is Path and isinstance(value, str) and value:
            try:
                return self._folder / files.expand_user(value)
            except BadInput as error:
                self.mistake(path, error.why)
                return None
        if isinstance(kind, type) and issubclass(kind, Enum):
            choices = [member.value for member in kind]
            if value in choices:
                return kind(value)
            self.mistake(path, f"expected one of {', '.join(choices)}, found {value!r:.40}")
            return None
        if isinstance(value, bool) and kind is not bool:
            pass  # YAML's `on` and `no` are booleans, and Python's booleans are integers
        elif kind is float:
            if isinstance(value, int | float) and abs(value) <= _LONGEST_S:  # which NaN is not, either
                return float(value)
        elif isinstance(value, kind if isinstance(kind, type) and kind is not Path else str) and value != "":
            return value
        wanted = "a path" if kind is Path else _KINDS[kind]
        self.mistake(path, f"expected {wanted}, found {value!r:.40}")
        return None

    def _mapping(self, kind: Any, value: Any, path: tuple[str, ...]) -> Any:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            self.mistake(path, f"expected keys and values, found {value!r:.40}")
            return None
        if kind == tuple[str, ...]:
            lists = {key: self._texts(member, (*path, key)) for key, member in value.items()}
            return {key: member for key, member in lists.items() if member}
        if kind is str:
            read = {key: self._value(str, member, (*path, key)) for key, member in value.items()}
            return {key: member for key, member in read.items() if member is not None}
        for key, member in value.items():
            if not isinstance(member, dict):
                self.mistake((*path, key), f"expected keys and values, found {member!r:.40}")
        return value

    def _texts(self, value: Any, path: tuple[str, ...]) -> tuple[str, ...]:
        """One text, or a list of them."""
        found = value if isinstance(value, list) else [value]
        if found and all(isinstance(one, str) and one for one in found):
            return tuple(found)
        self.mistake(path, f"expected a text or a list of texts, found {value!r:.40}")
        return ()

    def check(self, settings: Settings) -> None:
        """What types cannot say."""
        for name in settings.repos:
            if not is_repo(name):
                self.mistake(
                    ("repos",), f"{name!r:.80} is not a repository: lower case, no tag, no registry in front"
                )
        try:
            check_pattern(settings.tag_pattern)
        except BadInput as error:
            self.mistake(("tag_pattern",), error.what)
        for name, least in (
            ("timeout_s", 1.0),
            ("settle_s", 0.0),
            ("poll_s", 0.01),
            ("parallel", 1),
            ("max_age_s", 0),
            ("freeze_s", 0),
            ("deadline_s", 1.0),
        ):
            value = getattr(settings.run, name)
            if value is not None and value < least:
                self.mistake(("run", name), f"expected at least {least:g}")
        if settings.hooks.timeout_s < 1:
            self.mistake(("hooks", "timeout_s"), "expected at least 1")
        for name in ("preflight", "after"):
            if settings.distrust and getattr(settings.hooks, name):
                self.mistake(("hooks", name), f"this file may not name programs: {settings.distrust}")
        if not 1 <= settings.registry.connections <= 128:
            self.mistake(("registry", "connections"), "expected 1 to 128")
        if settings.registry.deadline_s < 1:
            self.mistake(("registry", "deadline_s"), "expected at least 1")
        try:
            history.zone(settings.timezone)
        except BadInput as error:
            self.mistake(("timezone",), error.what)
