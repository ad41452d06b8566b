"""Build a release: the source archive, the wheel, `rollback.pyz`, and SHA256SUMS with their checksums.

    python packaging/release.py [--output dist]

The same checkout makes the same bytes wherever and whenever it is built: files have fixed permissions and the date
that the changelog gives the version, and `release-constraints.txt` names the versions of everything that takes part.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import build_pyz

CHECKOUT = build_pyz.CHECKOUT
CONSTRAINTS = Path(__file__).resolve().parent / "release-constraints.txt"
SUMS = "SHA256SUMS"


def build(output: Path) -> list[Path]:
    """Build everything.

    Args:
        output: the folder for it; older releases in it are replaced.

    Returns:
        The files, SHA256SUMS last.

    Raises:
        ValueError: the changelog has no date for the version.
        subprocess.CalledProcessError: a build failed; it has said why.
    """
    epoch = released(CHECKOUT)
    os.umask(0o022)  # the permissions of what a build generates are in the archives
    output.mkdir(parents=True, exist_ok=True)
    for pattern in ("fleet_rollback-*.tar.gz", "fleet_rollback-*.whl"):
        for old in output.glob(pattern):
            old.unlink()
    # Build backends date what they write by SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/).
    # pip below `build` reads the constraints for its isolated environment from these two, old and new.
    environ = {
        **os.environ,
        "SOURCE_DATE_EPOCH": str(epoch),
        "PIP_CONSTRAINT": str(CONSTRAINTS),
        "PIP_BUILD_CONSTRAINT": str(CONSTRAINTS),
    }
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "source"), Path(folder, "made")
        build_pyz.copy_checkout(source)
        _normalize(source, epoch)
        words = [sys.executable, "-m", "build", "--sdist", "--wheel", "--outdir", str(made), str(source)]
        subprocess.run(words, check=True, env=environ, stdout=subprocess.DEVNULL)  # noqa: S603
        [archive], [wheel] = made.glob("*.tar.gz"), made.glob("*.whl")
        (output / archive.name).write_bytes(repack(archive.read_bytes(), epoch))
        (output / wheel.name).write_bytes(wheel.read_bytes())
    pyz = output / "rollback.pyz"
    build_pyz.build(pyz, ["--constraint", str(CONSTRAINTS)], output / wheel.name)
    files = [output / archive.name, output / wheel.name, pyz]
    sums = output / SUMS
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    sums.write_text("".join(lines), encoding="ascii")
    return [*files, sums]


def released(checkout: Path) -> int:
    """The day on which the checkout's version is released, in seconds since 1970.

    Raises:
        ValueError: the changelog does not have it.
    """
    module = (checkout / "rollback" / "__init__.py").read_text(encoding="utf-8")
    changelog = (checkout / "CHANGELOG.md").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "(.+)"$', module, re.MULTILINE)
    found = version and re.search(rf"^## \[{re.escape(version[1])}\] - (\d{{4}}-\d\d-\d\d)$", changelog, re.MULTILINE)
    if not version or not found:
        raise ValueError(f"CHANGELOG.md has no dated section for {version[1] if version else 'the version'}")
    return int(datetime.fromisoformat(found[1]).replace(tzinfo=timezone.utc).timestamp())


def repack(archive: bytes, epoch: int) -> bytes:
    """A source archive without the traces of its building: times, owners, the order of a folder's files.

    Args:
        archive: a tar file, compressed with gzip.
        epoch: the time of every file, in seconds since 1970.
    """
    plain = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as old,
        tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda one: one.name):
            entry = tarfile.TarInfo(member.name)
            entry.type, entry.size, entry.mtime = member.type, member.size, epoch
            entry.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            new.addfile(entry, old.extractfile(member) if member.isfile() else None)
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=epoch) as file:
        file.write(plain.getvalue())
    return packed.getvalue()


def _normalize(folder: Path, epoch: int) -> None:
    """Fixed permissions and times: they depend on the umask, and on when the checkout was made."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (epoch, epoch))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=CHECKOUT / "dist")
    given = parser.parse_args()
    try:
        files = build(given.output)
    except (ValueError, subprocess.CalledProcessError) as error:
        sys.exit(f"release: {error}")
    sys.stdout.write("".join(f"{file}  {file.stat().st_size / 1e3:,.0f} kB\n" for file in files))


if __name__ == "__main__":
    main()
