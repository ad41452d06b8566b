"""Start the tool on the host, or report what it has said since; the request arrives in the variable `request`.

The tool runs in the background and writes to files, so that its lines can be shown while it works. It stays in the
process group that it was started in: what stops ansible-playbook, Ctrl-C above all, reaches it as it would in the
foreground. Its password arrives on standard input and touches neither a command line nor a file.
"""

import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

DAY_S = 86400.0
LIMIT = 4_000_000  # bytes of output that are read


def locked(folder):
    """Whether the process that watches the tool still lives: it holds the lock as long as it does."""
    try:
        with (folder / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def sweep(cache):
    """Remove what steps left behind that were killed long ago."""
    for folder in cache.glob("step-*"):
        if time.time() - folder.stat().st_mtime > DAY_S and not locked(folder):
            shutil.rmtree(folder, ignore_errors=True)


def write(path, text, mode=0o600):
    """Write a file as a whole."""
    descriptor, fresh = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.chmod(fresh, mode)
    os.replace(fresh, path)


def copy_for_others(source, shared):
    """Copy rollback.json to the folder that others can write to, for jobs that read it there; we never do.

    Returns:
        Why it was not copied; empty if it was.
    """
    folder = os.stat(shared)
    if folder.st_uid != os.getuid() and not folder.st_mode & stat.S_ISVTX:
        return "others may rename files in " + str(shared)
    name = shared / source.name
    try:
        descriptor, fresh = tempfile.mkstemp(prefix=".rollback-", dir=shared)
    except OSError as error:
        return str(error)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(source.read_bytes())
            os.fchmod(descriptor, 0o644)
        try:
            os.link(fresh, name)  # fails if the name is there, whatever it is
        except FileExistsError:
            there = os.lstat(name)
            if not stat.S_ISREG(there.st_mode) or there.st_uid != os.getuid():
                return f"{name} is not this user's own file"
            os.replace(fresh, name)
    except OSError as error:
        return str(error)
    finally:
        if os.path.lexists(fresh):
            os.remove(fresh)
    return ""


def supervise(folder, request):
    """Run the tool to its end, keep its result, and write its exit code last."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # those are for the tool, which puts things right before it ends
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        try:
            code = subprocess.run(
                request["argv"],
                input=request["stdin"].encode(),
                stdout=out,
                stderr=err,
                cwd=request["dump"],
                env={**os.environ, **request["environ"]},
                check=False,
            ).returncode
        except OSError as error:
            err.write(f"rollback: the tool cannot be started: {error}\n".encode())
            code = 127
    said = (folder / "stdout").read_text(errors="replace")
    ended = {"rc": code, "not_copied": ""}
    dump = Path(request["dump"])
    if said and request["result"]:
        write(dump / request["result"], said)
    if code == 0 and request["copy"]:
        ended["not_copied"] = copy_for_others(dump / request["copy"], Path(request["shared"]))
    write(folder / "ended", json.dumps(ended))


def start(request):
    cache = Path(request["cache"])
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    sweep(cache)
    for path in request["remove"]:  # results of an earlier step, so that nobody takes them for this one's
        if os.path.exists(path):
            os.remove(path)
    folder = Path(tempfile.mkdtemp(prefix="step-", dir=cache))
    lock = (folder / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    if os.fork() == 0:
        try:
            nothing = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(nothing, number)
            supervise(folder, request)
        finally:
            os._exit(0)
    lock.close()  # from here on only the child holds it
    follow({"step": str(folder), "offset": 0, "wait_s": request["wait_s"]})


def read(path, offset):
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(LIMIT)
    except FileNotFoundError:
        return b""


def follow(request):
    """Wait until the tool says something or ends, for `wait_s` at most, and print what is new."""
    folder = Path(request["step"])
    end = time.monotonic() + request["wait_s"]
    while True:
        over = (folder / "ended").exists() or not locked(folder)
        new = read(folder / "stderr", request["offset"])
        if over or b"\n" in new or time.monotonic() > end:
            break
        time.sleep(0.1)
    if not over:
        new = new[: new.rfind(b"\n") + 1]
    answer = {
        "step": str(folder),
        "stderr": new.decode(errors="replace"),
        "offset": request["offset"] + len(new),
        "over": over,
    }
    if over:
        answer["stdout"] = read(folder / "stdout", 0).decode(errors="replace")
        ended = folder / "ended"
        answer.update(json.loads(ended.read_text()) if ended.exists() else {"rc": None, "not_copied": ""})
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(answer))


{"start": start, "follow": follow}[request["do"]](request)  # noqa: F821 - the caller has defined it
