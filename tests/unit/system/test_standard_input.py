"""Standard input: looked at without being consumed, and read a line at a time."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollback.system import standard_input


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        with contextlib.suppress(OSError):  # a test may have closed it
            os.close(end)


@pytest.mark.parametrize("text", [b"n\n", b"y\n", b"n", b"No\r\n", b"y\nn\n", b"n\n" * 3000])
def test_a_pipe_is_looked_at_and_keeps_everything(pipe: tuple[int, int], text: bytes) -> None:
    reading, writing = pipe
    os.write(writing, text)

    lines = standard_input.waiting_lines(reading)

    assert standard_input.answer(lines) is (text[:1] == b"y")
    assert os.read(reading, len(text)) == text


def test_a_silent_pipe_is_no_answer_and_is_not_waited_for(pipe: tuple[int, int]) -> None:
    assert standard_input.waiting_lines(pipe[0]) == []


def test_a_closed_pipe_is_no_answer(pipe: tuple[int, int]) -> None:
    os.close(pipe[1])

    assert standard_input.waiting_lines(pipe[0]) == []


def test_a_file_is_looked_at_from_where_it_was_read_to(tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_bytes(b"secret\nn\n")
    handle = os.open(path, os.O_RDONLY)
    try:
        assert standard_input.read_line(handle) == "secret"
        assert standard_input.answer(standard_input.waiting_lines(handle)) is False
        assert os.read(handle, 10) == b"n\n"
    finally:
        os.close(handle)


def test_a_socket_is_looked_at_and_keeps_everything() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"no\n")

        assert standard_input.answer(standard_input.waiting_lines(ours.fileno())) is False
        assert ours.recv(10) == b"no\n"


def test_a_device_is_no_answer() -> None:
    handle = os.open(os.devnull, os.O_RDONLY)
    try:
        assert standard_input.waiting_lines(handle) == []
    finally:
        os.close(handle)


def test_what_is_not_open_is_no_answer() -> None:
    assert standard_input.waiting_lines(987) == []
    assert standard_input.read_line(987) == ""


@pytest.mark.parametrize("lines", [[], ["n", "rm -rf x"], ["echo done"], [""], ["nein"], ["billing"]])
def test_anything_else_is_not_an_answer(lines: list[str]) -> None:
    assert standard_input.answer(lines) is None


def test_reading_a_line_leaves_the_next_one_to_whoever_reads_after_us() -> None:
    code = "from rollback.system.standard_input import read_line; print(read_line())"

    said = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -c "{code}"; cat'],
        input="first\nsecond\nthird\n",
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout == "first\nsecond\nthird\n"
