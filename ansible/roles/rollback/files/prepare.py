"""Look at the host, prepare its folders, and print what the role has to know of it, as JSON.

The request arrives as JSON in the variable `request`. Runs on any Python, so that an old one can be reported.
Whoever can write to the dump folder or to the folder with the tool can choose what is deployed, so that both have to
belong to this user or to root and to be closed to everybody but their group.
"""

import getpass
import importlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile


class Refusal(Exception):
    """Why this cannot go on, in one sentence with the next step."""


def has(name):
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def fault(found):
    """What is wrong with a folder, as the end of a sentence; empty if nothing is."""
    if found.st_uid not in (os.getuid(), 0):
        return "belongs to somebody else"
    if found.st_mode & stat.S_IWOTH:
        return "can be written to by everybody"
    return ""


def user():
    try:
        name = getpass.getuser()
    except (ImportError, KeyError, OSError):  # a user without an entry in the system's list
        name = ""
    return name if name and "/" not in name else str(os.getuid())


def private_folder(parent, env):
    """Make or find our own folder in one that others can write to, and make sure that it is ours.

    The name is always the same, so that later steps find it; nobody else's folder of that name is ever used.
    """
    path = os.path.join(parent, "rollback-" + user() + "-" + env)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise Refusal(
            path + " cannot be created: " + str(error.strerror) + ". Name another folder with dump_path, or omit it"
        ) from error
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise Refusal(
            path + " is not this user's own folder: whoever made it could choose what is deployed. Have it removed, "
            "or name another folder with dump_path"
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Refusal(
            path + " can be written to by others, who could have chosen what is deployed. Look at what is in it, "
            "then remove it"
        )
    if found.st_mode & 0o077:
        os.chmod(path, 0o700)
    return path


def dump_folder(path, env):
    """The folder to use for what was given: itself, or our private one in it."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        try:
            os.makedirs(path, 0o700)
        except OSError as error:
            raise Refusal(
                "rollback_dump (short: dump_path) is "
                + path
                + ", which cannot be created: "
                + str(error.strerror)
                + ". Name another folder"
            ) from error
        found = os.stat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise Refusal("rollback_dump (short: dump_path) is " + path + ", which is not a folder. Name a folder")
    return private_folder(path, env) if fault(found) else path


def check_cache(path):
    if not os.path.exists(path):
        return
    found = os.stat(path)
    wrong = fault(found) if stat.S_ISDIR(found.st_mode) else "is not a folder"
    if wrong:
        raise Refusal(
            "rollback_cache is " + path + ", which " + wrong + ": whoever can write there could choose what is "
            "started. Name another folder"
        )


def write(path, text):
    """Write a file of ours as a whole, unless it says that already."""
    try:
        with open(path) as file:
            if file.read() == text:
                return
    except FileNotFoundError:
        pass
    descriptor, fresh = tempfile.mkstemp(dir=os.path.dirname(path))
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.replace(fresh, path)


def works(tool):
    """Whether the installed tool is complete and its interpreter still starts."""
    if not os.path.exists(os.path.join(tool, "installed")):
        return False
    python = os.path.join(tool, "env", "bin", "python")
    if not os.path.lexists(python):
        return True  # a single file
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('rollback') is None)"
    try:
        return subprocess.call([python, "-c", look], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def remove(tool):
    """Remove a tool that does not start, out of its place at once: another step may put a new one there meanwhile."""
    if os.path.isdir(tool):
        aside = tempfile.mkdtemp(prefix="new-", dir=os.path.dirname(tool))
        os.rename(tool, os.path.join(aside, "tool"))
        shutil.rmtree(aside, ignore_errors=True)


def prepare(request):
    cache = os.path.expanduser(request["cache"])
    answer = {
        "version": list(sys.version_info[:3]),
        "python": sys.executable,
        "venv": has("venv") and has("ensurepip"),
        "cache": cache,
    }
    if sys.version_info < (3, 10):  # noqa: UP036 - the host's Python, not the one that the tool is written for
        return answer
    given = os.path.expanduser(request["dump"])
    try:
        check_cache(cache)
        answer["dump"] = dump_folder(given, request["env"]) if request["needs_dump"] else given
    except Refusal as refusal:
        answer["refusal"] = str(refusal)
        return answer
    answer["shared"] = given if answer["dump"] != given else ""
    if request["settings"] and request["needs_dump"]:
        text = "# Written by the role rollback from rollback_settings.\n" + request["settings"]
        write(os.path.join(answer["dump"], "settings.yaml"), text)
    tool = os.path.join(cache, request["tool"])
    answer["installed"] = works(tool)
    if not answer["installed"]:
        remove(tool)
    return answer


print(json.dumps(prepare(request)))  # noqa: F821 - the caller has defined it
