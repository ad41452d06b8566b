"""Pack what pip needs of a checkout into one file, byte for byte the same as long as the checkout is.

Building in the checkout itself would leave files there, and mix them into the next build.
"""

import gzip
import io
import sys
import tarfile
from pathlib import Path


def files(checkout):
    """The files that pip needs.

    Raises:
        ValueError: the folder is not a checkout.
    """
    if not (checkout / "pyproject.toml").is_file() or not (checkout / "rollback" / "__init__.py").is_file():
        raise ValueError(f"{checkout} is not a checkout of rollback: it lacks pyproject.toml or the folder rollback")
    named = [checkout / name for name in ("pyproject.toml", "README.md", "LICENSE")]
    return [
        path for path in [*named, *sorted(checkout.glob("rollback/**/*"))] if path.is_file() and path.suffix != ".pyc"
    ]


def pack(checkout, archive):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in files(checkout):
            entry = tarfile.TarInfo(f"rollback-checkout/{path.relative_to(checkout).as_posix()}")
            entry.size = path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(entry, file)
    archive.write_bytes(gzip.compress(packed.getvalue(), mtime=0))


if __name__ == "__main__":
    try:
        pack(Path(sys.argv[1]), Path(sys.argv[2]))
    except ValueError as error:
        sys.exit(str(error))
