"""Build dist/rollback.pyz: the program and all it depends on in one file that any Python from 3.10 on runs.

It is for the night when no index answers: copy it to a host and start it. Everything in it is Python. Two of the
dependencies come with compiled parts that fit one version of Python only; both do without them, so they are left
out. The same inputs make the same bytes.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
_SOURCES = ("pyproject.toml", "README.md", "LICENSE")
_COMPILED = (".so", ".pyd", ".dylib")
_FIRST = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip file knows
_SHEBANG = b"#!/usr/bin/env python3\n"


def build(output: Path, pip_arguments: list[str], wheel: Path | None = None) -> None:
    """Build the file.

    Args:
        output: where to; its folder is made.
        pip_arguments: what pip is given besides, such as `--no-index --find-links=…`.
        wheel: the program; without one it is built from the checkout.

    Raises:
        subprocess.CalledProcessError: pip failed; it has said why.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, content = Path(folder, "source"), Path(folder, "content")
        if wheel is None:
            copy_checkout(source)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        subprocess.run([*pip, "--target", str(content), *pip_arguments, str(wheel or source)], check=True)  # noqa: S603
        _strip(content)
        (content / "__main__.py").write_text("from rollback.cli import entry\n\nentry()\n", encoding="utf-8")
        output.parent.mkdir(parents=True, exist_ok=True)
        # Aside and then renamed: a reader finds the old file or the new one, whole.
        made = output.with_suffix(f".{os.getpid()}.new")
        made.write_bytes(_SHEBANG + _zipped(content))
        made.chmod(0o755)
        made.replace(output)


def copy_checkout(folder: Path) -> None:
    """Copy what a build needs: building in the checkout would leave files there and mix them into the next build."""
    folder.mkdir()
    for name in _SOURCES:
        if (CHECKOUT / name).is_file():
            shutil.copy(CHECKOUT / name, folder)
    shutil.copytree(CHECKOUT / "rollback", folder / "rollback", ignore=shutil.ignore_patterns("__pycache__"))


def _strip(content: Path) -> None:
    """Remove what fits one machine only."""
    shutil.rmtree(content / "bin", ignore_errors=True)
    for path in sorted(content.rglob("*"), reverse=True):
        # RECORD and direct_url.json name folders of this machine.
        if path.suffix in _COMPILED or path.name in {"direct_url.json", "RECORD"}:
            path.unlink()
        elif path.name == "__pycache__":
            shutil.rmtree(path)


def _zipped(content: Path) -> bytes:
    """The folder as a zip file, without what zipapp leaves in it: the zone, the umask and the file system's order."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(content.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(content).as_posix(), _FIRST)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o100644 << 16
                file.writestr(entry, path.read_bytes())
    return made.getvalue()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=CHECKOUT / "dist" / "rollback.pyz")
    parser.add_argument("pip", nargs="*", metavar="PIP-ARGUMENT", help="what pip is given besides, after --")
    given = parser.parse_args()
    try:
        build(given.output, given.pip)
    except subprocess.CalledProcessError as error:
        sys.exit(f"build_pyz: pip ended with {error.returncode}")
    sys.stdout.write(f"{given.output}  {given.output.stat().st_size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()
