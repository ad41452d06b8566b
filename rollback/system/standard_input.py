"""Standard input: one line read without a buffer, and a look at what is waiting there that consumes nothing.

A password line is read byte by byte, so that whatever follows it stays for whoever reads next.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import stat
import struct
import termios

_MOST_LINE = 65_536  # bytes of one line
_MOST_PEEK = 4096  # bytes that are looked at
_SPLICE_F_NONBLOCK = 2  # linux/splice.h
_SHORT = range(2, 6)  # bytes of one word with its newline, `n` to `yes` with a carriage return


def read_line(descriptor: int = 0) -> str:
    """Read one line, and not a byte of the next; without its end. Empty if there is nothing, or nothing is open."""
    line = bytearray()
    while len(line) < _MOST_LINE:
        try:
            byte = os.read(descriptor, 1)
        except OSError:
            break
        if not byte or byte == b"\n":
            break
        line += byte
    return line.decode("utf-8", "replace").rstrip("\r")


def waiting_lines(descriptor: int = 0) -> list[str]:
    """The lines that wait on standard input now; none if nothing waits or it cannot be looked at. Consumes nothing.

    Looks once, without waiting: a pipe by tee(2), a socket by MSG_PEEK, a file at its present position. Where the
    system has no tee, a pipe is read if it holds exactly a word and nothing else can follow from it.
    """
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(mode):
            data = _peek_pipe(descriptor)
        elif stat.S_ISSOCK(mode):
            with socket.socket(fileno=os.dup(descriptor)) as peer:
                data = peer.recv(_MOST_PEEK, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        elif stat.S_ISREG(mode):
            data = os.pread(descriptor, _MOST_PEEK, os.lseek(descriptor, 0, os.SEEK_CUR))
        else:
            return []
    except OSError:
        return []
    lines = data.decode("utf-8", "replace").split("\n")
    if len(data) == _MOST_PEEK:
        lines.pop()  # may be cut
    return lines[:-1] if lines and not lines[-1] else lines


def answer(lines: list[str]) -> bool | None:
    """Whether lines are an answer to a question: yes or no if all of them are such words, else None."""
    words = [line.strip().lower() for line in lines]
    if not words or not all(word in {"y", "yes", "n", "no"} for word in words):
        return None
    return words[0] in {"y", "yes"}


def _peek_pipe(descriptor: int) -> bytes:
    (number,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4))
    if not number:
        return b""
    try:
        tee = ctypes.CDLL(None, use_errno=True).tee
    except (AttributeError, OSError):
        return os.read(descriptor, number) if number in _SHORT else b""
    reading, writing = os.pipe()
    try:
        copied = tee(descriptor, writing, ctypes.c_size_t(min(number, _MOST_PEEK)), _SPLICE_F_NONBLOCK)
        if copied < 0 and ctypes.get_errno() not in {0, errno.EAGAIN}:
            raise OSError(ctypes.get_errno(), "tee failed")
        return os.read(reading, copied) if copied > 0 else b""
    finally:
        os.close(reading)
        os.close(writing)
