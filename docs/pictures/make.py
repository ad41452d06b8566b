"""Makes the pictures of the documents again: the page in a real Chromium, and the terminal session of `make demo`.

    python docs/pictures/make.py

Needs Chromium on PATH. The fleet is the sandbox's, so the pictures show what a reader of the tutorial sees.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT))

from rollback.sandbox.launcher import serving  # noqa: E402  (the checkout has to be on the path first)
from tests.support.chromium import Browser  # noqa: E402

REPOS = "shop/billing,shop/cart,shop/catalog,shop/web"


def rollback(folder: Path, *words: str) -> None:
    """Call the program of this checkout."""
    program = [sys.executable, str(ROOT / "rollback"), *words]
    subprocess.run(program, cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603


def pages(folder: Path) -> None:
    """The timeline after a rollback, in light and in dark, with the good day chosen."""
    program = shutil.which("chromium") or sys.exit("chromium is not on PATH; `.ci/parts-browser` installs it")
    with serving(speed=8) as sandbox:
        sandbox.write_settings(folder / "rollback.yaml")
        day = sandbox.story.good_day
        rollback(folder, "get", f"--repo={REPOS}", "--env=prod")
        rollback(folder, "run", f"--date={day}", "--env=prod", "--by=sam", "--reason=checkout is down")
        rollback(folder, "get", f"--repo={REPOS}", "--env=prod", "--html=timeline.html")
    with Browser(program, folder / "chromium", 1300, 780) as browser:
        for scheme, name in (("light", "timeline.png"), ("dark", "timeline-dark.png")):
            browser.media(scheme=scheme)
            browser.open(f"{(folder / 'timeline.html').as_uri()}#{day}")
            browser.settle()
            browser.picture(HERE / name)


def session(folder: Path) -> None:
    """What `make demo` prints, without the parts that differ each time for no reader's benefit."""
    done = subprocess.run(  # noqa: S603
        ["sh", str(ROOT / "demo" / "demo.sh")],  # noqa: S607
        env={**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "LC_ALL": "C.UTF-8"},
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:5000", done.stdout)
    (HERE.parent / "demo.txt").write_text(text.lstrip(), encoding="utf-8")


def main() -> None:
    """Make them all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bin").mkdir()
        program = folder / "bin" / "rollback"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT / "rollback"}" "$@"\n')
        program.chmod(0o755)
        pages(folder)
        session(folder)


if __name__ == "__main__":
    main()
