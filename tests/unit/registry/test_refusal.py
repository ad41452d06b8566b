"""Why a server refuses, found in whatever it answers."""

from __future__ import annotations

import pytest

from rollback.registry.refusal import refusal_reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"errors":[{"code":"DENIED","message":"access forbidden"}]}', "DENIED: access forbidden"),
        (b'{"errors":[{"code":"A","message":"b"},{"code":"C"},{"message":"d"},{"code":"E"}]}', "A: b; C; d"),
        (b'{"errors":[{"code":1,"message":null},"x"]}', '{"errors":[{"code":1,"message":null},"x"]}'),
        (b'{"details":"incorrect username or password"}', "incorrect username or password"),
        (b'{"error":"invalid_grant","error_description":"it has expired"}', "it has expired"),
        (b'{"error":"invalid_grant"}', "invalid_grant"),
        (b'{"message":"a\\nline"}', "a line"),
        (b"<html><title>Sign in</title></html>", "(a web page: Sign in)"),
        (b" <p>", "(a web page)"),
        (b"first\nsecond", "first"),
        (b"\xff\x1b[31m", "\N{REPLACEMENT CHARACTER} [31m"),
        (b"", ""),
        (b"x" * 200, "x" * 160),
        (b"[" * 100_000, "[" * 160),
    ],
)
def test_the_reason_is_found(body: bytes, reason: str) -> None:
    assert refusal_reason(body) == reason
