"""Values of options, checked: lists, names, numbers, and secrets from wherever they may come."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path

from rollback.core.image import Basis
from rollback.core.image_reference import Reference, is_repo, is_tag
from rollback.core.plan import OnFailure
from rollback.errors import BadInput
from rollback.secret import Secret
from rollback.system import files, standard_input
from rollback.system.network import http_url


def secret(
    *,
    what: str,
    flag: str | None,
    file: str | Path | None,
    variable: str,
    environ: Mapping[str, str],
    fallback: Path | None = None,
    stdin: Callable[[], str] = standard_input.read_line,
) -> Secret:
    """Find a secret: flag (`-` reads a line of standard input), file flag, environment variable, settings' file.

    Args:
        what: what it is, for errors, e.g. `the password`.
        flag: the value given on the command line.
        file: the file named on the command line.
        variable: name of the environment variable.
        environ: the environment variables.
        fallback: the file named in the settings.
        stdin: reads one line.

    Raises:
        BadInput: a file cannot be read, standard input has nothing, or a value holds control characters.
    """
    if flag == "-":
        line = stdin().rstrip("\r\n")
        if not line:
            raise BadInput(f"{what} was to come from standard input, and nothing came", hint="pipe it in, one line")
        return Secret(line)
    if flag:
        if _has_controls(flag):
            raise BadInput(f"{what} holds control characters", why="it has to be one line of text")
        return Secret(flag)
    if not file and environ.get(variable):
        return Secret(from_variable(variable, environ))
    source = file or fallback
    if not source:
        return Secret()
    try:
        text = files.read_text(Path(source), most=files.SMALL).strip()
    except OSError as error:
        raise BadInput(
            f"{what} cannot be read from {source}",
            why=files.why(error),
            hint="name a regular file, or pipe the secret in: --pwd=- and --slack=- read a line of standard input",
        ) from None
    if _has_controls(text):
        raise BadInput(
            f"{what} cannot be read from {source}", why="it has to be one line of text", hint="correct the file"
        )
    if not text:
        raise BadInput(
            f"{what} cannot be read from {source}", why="it is empty", hint="put the secret into its first line"
        )
    return Secret(text)


def from_variable(name: str, environ: Mapping[str, str]) -> str:
    """The value of an environment variable, without the newline at its end that files and here-documents leave there.

    Raises:
        BadInput: it holds other control characters, which no login and no header can carry. The value is not shown.
    """
    text = environ.get(name, "").removesuffix("\n").removesuffix("\r")
    if _has_controls(text):
        raise BadInput(
            f"{name} holds control characters",
            why="it has to be one line of text",
            hint=f"set {name} again, to one line",
        )
    return text


def _has_controls(text: str) -> bool:
    return any(unicodedata.category(letter) == "Cc" for letter in text)


def repos(text: str) -> tuple[str, ...]:
    """Read a comma-separated list of repositories; blanks around them are dropped, doubles named once.

    Raises:
        BadInput: it is empty, has an empty place, or names what is not a repository.
    """
    names = [name.strip() for name in text.split(",")]
    if not any(names):
        raise BadInput("--repo names no repository", hint="write --repo=shop/billing,shop/cart")
    for name in names:
        if not is_repo(name):
            raise BadInput(
                f"--repo: {name!r:.80} is not a repository",
                why="a repository is lower case, with no tag and no registry in front",
                hint="write --repo=shop/billing,shop/cart",
            )
    return tuple(dict.fromkeys(names))


def address(text: str) -> str:
    """Read the address of a server, which may leave out https://.

    Raises:
        BadInput: it is none.
    """
    url = text if "://" in text else f"https://{text}"
    try:
        http_url(url)
    except ValueError as error:
        raise BadInput(
            "this is no address of a server", why=str(error), hint="write https://registry.example.com"
        ) from error
    return url


def pairs(text: str | None, flag: str) -> dict[str, str]:
    """Read keys and values, `key=value,key=value`; none if nothing was given.

    Raises:
        BadInput: one has no equals sign.
    """
    found = {}
    for pair in filter(None, (text or "").split(",")):
        key, equals, value = pair.partition("=")
        if not (key and equals and value):
            raise BadInput(f"{flag}: {pair!r:.80} is no key and value", hint=f"write {flag}=key=value,key=value")
        found[key.strip()] = value.strip()
    return found


def environment_name(text: str) -> str:
    """Check the name of an environment.

    Raises:
        BadInput: it is empty or has characters that no tag can have.
    """
    if not is_tag(text):
        raise BadInput(
            f"--env: {text!r:.60} is not the name of an environment", hint="write --env=prod, or the name in the tags"
        )
    return text


def image(text: str | None) -> str:
    """Check an image reference that names one image; empty if nothing was given.

    Raises:
        BadInput: it is no reference, or has neither a tag nor a digest, so that nobody knows which image is meant.
    """
    if not text:
        return ""
    hint = "write --image=registry.example.com/shop/billing:1.8.0-master"
    try:
        found = Reference.parse(text)
    except BadInput as error:
        raise BadInput(f"--image: {error.what}", why=error.why, hint=hint) from error
    if not (found.tag or found.digest):
        raise BadInput(f"--image: {text!r:.200} has neither a tag nor a digest", why="it names no image", hint=hint)
    return text


def new_file(text: str, flag: str) -> Path:
    """Read the path of a file that will be written.

    Raises:
        BadInput: it is a folder.
    """
    path = files.expand_user(text)
    if path.is_dir():
        raise BadInput(f"{flag}: {path} is a folder", hint=f"name a file: {flag}={path / 'file'}")
    return path


def names(text: str | None) -> frozenset[str]:
    """Read a comma-separated list of services, as `--only` and `--skip` take it; may be empty."""
    return frozenset(name.strip() for name in (text or "").split(",") if name.strip())


def duration(text: str, flag: str) -> float:
    """Read a duration such as `90s`, `30m`, `4h` or `2d`; seconds.

    Raises:
        BadInput: not one, or longer than a year.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text, re.ASCII)
    seconds = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2]] if found else -1
    if not 0 <= seconds <= 366 * 86_400:
        raise BadInput(f"{flag}: {text!r:.40} is not a duration", hint="write 90s, 30m, 4h or 2d")
    return seconds


def on_failure(text: str | None) -> OnFailure | None:
    """Read what happens when an app does not come up; None if nothing was given.

    Raises:
        BadInput: there is no such value.
    """
    if not text:
        return None
    try:
        return OnFailure(text)
    except ValueError:
        raise BadInput(
            f"--on-failure: {text!r:.40} is not one",
            hint=f"use one of: {', '.join(choice.value for choice in OnFailure)}",
        ) from None


def basis(text: str | None) -> Basis | None:
    """Read what dates rest on; None if nothing was given.

    Raises:
        BadInput: there is no such basis.
    """
    if not text:
        return None
    try:
        return Basis(text)
    except ValueError:
        raise BadInput(
            f"--basis: {text!r:.40} is not a basis",
            hint=f"use one of: {', '.join(choice.value for choice in Basis)}",
        ) from None


def timeout_s(text: str | None) -> float | None:
    """Read how many seconds an app may take to come up; None if nothing was given.

    Raises:
        BadInput: not a number of seconds from 1 to 86400.
    """
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 1 <= seconds <= 86_400:
        raise BadInput(
            f"--timeout: {text!r:.40} is not a number of seconds from 1 to 86400", hint="write --timeout=600"
        )
    return seconds


def folder(text: str | None) -> Path:
    """Read a folder's path; the current folder if nothing was given."""
    return files.expand_user(text or ".")


def folder_of_records(text: str | None) -> Path:
    """Read the path of a folder whose runs are listed or undone; one that is not there has not "no runs yet".

    Raises:
        BadInput: there is no such folder.
    """
    found = folder(text)
    if not found.is_dir():
        why = "it is not a folder" if os.path.lexists(found) else "there is no such folder"
        raise BadInput(
            f"the folder {found} has no runs", why=why, hint="name the folder of rollback.json with --dump"
        )
    return found


def count(text: str, flag: str, most: int = 10_000) -> int:
    """Read a count from 1 to `most`.

    Raises:
        BadInput: not one.
    """
    if text.isascii() and text.isdigit() and 1 <= int(text) <= most:
        return int(text)
    raise BadInput(f"{flag}: {text!r:.40} is not a count from 1 to {most}", hint=f"write {flag}=10")
