"""Standard streams that the caller has closed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPORT = """
import os, sys
from rollback.system import standard_streams
standard_streams.open_closed()
handle = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
print("out")
print("err", file=sys.stderr)
sys.stdout.flush()
os.write(2, b"by its number")
os.write(handle, b"a line of a record")
"""


@pytest.mark.parametrize("closed", ["", "<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_no_file_gets_the_number_of_a_closed_stream(tmp_path: Path, closed: str) -> None:
    path = tmp_path / "record"

    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" "$2" {closed}', sys.executable, REPORT, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert path.read_text() == "a line of a record"
    assert done.stdout == ("" if ">&-" in closed.replace("2>&-", "") else "out\n")
    assert done.stderr == ("" if "2>&-" in closed else "err\nby its number")


def test_what_is_discarded_goes_nowhere() -> None:
    code = "import sys; from rollback.system import standard_streams as s; s.discard(1); print('gone')"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout == ""
