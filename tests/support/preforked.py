"""A program written in Python as a quick one: the same file, run by a fork of a process that has done its imports.

What `dcos` 0.6.1 costs is nearly all start. A contract of a hundred tests and a thousand calls goes through this; a
test beside it holds that the installed program answers the same.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

SERVER = Path(__file__).with_name("fork_server.py")
CLIENT = """#!{python} -IS
import array, json, os, signal, socket, sys

call = {{"arguments": sys.argv[1:], "environ": dict(os.environ), "folder": os.getcwd()}}
with socket.socket(socket.AF_UNIX) as server:
    server.connect({path!r})
    streams = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))
    data = json.dumps(call).encode() + b"\\n"
    server.sendall(data[server.sendmsg([data], [streams]):])
    code = int(server.recv(16) or -signal.SIGKILL)
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


@contextlib.contextmanager
def preforked(program: Path, python: str, modules: Sequence[str]) -> Iterator[str]:
    """Start the server for a program.

    Args:
        program: its file.
        python: the interpreter that runs it.
        modules: what it imports, and so what the server has imported before the first call.

    Yields:
        The path of a program to call in its place; it has the same file name.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "socket")
        client = Path(folder, program.name)
        client.write_text(CLIENT.format(python=sys.executable, path=str(path)), encoding="utf-8")
        client.chmod(0o700)
        words = [python, str(SERVER), str(path), str(program), *modules]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            try:
                assert server.stdout.readline() == b"ready\n"
                yield str(client)
            finally:
                server.stdin.close()
                server.wait(30)
