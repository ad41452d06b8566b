"""Runs a program written in Python many times and starts it once: each call is a fork with the imports behind it.

Usage: PYTHON fork_server.py SOCKET PROGRAM MODULE…

It is started by the program's own Python, loads the modules, says `ready` and then, for each connection, forks a
process that takes over the caller's streams, arguments, environment and folder and runs the program's file as Python
would. It ends when its standard input does. `preforked.py` starts it, and holds the client.
"""

from __future__ import annotations

import array
import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

LONGEST = 1 << 20  # bytes of a call: its arguments and its environment


def main(path: str, program: str, *modules: str) -> None:
    """Answer calls until standard input ends."""
    sys.path[0] = str(Path(program).parent)
    for module in modules:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever waits for a call is gone by then
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                return
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                os._exit(serve(connection, program))
            connection.close()


def serve(connection: socket.socket, program: str) -> int:
    """Run one call to its end, or end it where the caller is gone; the caller learns what it ended with."""
    call, streams = receive(connection)
    ended, alive = os.pipe()  # its other end is open as long as the child lives
    child = os.fork()
    if child == 0:
        connection.close()
        os.close(ended)
        os.setpgid(0, 0)
        os._exit(run(call, streams, program))
    for mine in (alive, *streams):
        os.close(mine)
    ready, _, _ = select.select([ended, connection.fileno()], [], [])
    if ended not in ready:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    return 0


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Read a call, a line of JSON, and the three streams that come with its first byte."""
    room = socket.CMSG_LEN(3 * array.array("i").itemsize)
    data, ancillary, _, _ = connection.recvmsg(LONGEST, room)
    while not data.endswith(b"\n"):
        data += connection.recv(LONGEST)
    streams = array.array("i")
    for _, _, content in ancillary:
        streams.frombytes(content)
    return json.loads(data), list(streams)


def run(call: dict[str, Any], streams: list[int], program: str) -> int:
    """Become the program."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in enumerate("rww"))
    os.environ.clear()
    os.environ.update(call["environ"])
    os.chdir(call["folder"])
    sys.argv = [program, *call["arguments"]]
    code: object = 0
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001 - it ends the program, as Python ends it
        traceback.print_exc()
        code = 1
    if code is not None and not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
        code = 1
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    return (code or 0) & 0xFF


if __name__ == "__main__":
    main(*sys.argv[1:])
