"""Pack what pip needs of a checkout into one file, byte for byte the same as long as the checkout is.

Building in the checkout itself would leave files there, and mix them into the next build.
"""

import gzip
import io
import sys
import tarfile
from pathlib import Path

checkout, archive = Path(sys.argv[1]), Path(sys.argv[2])
if not (checkout / "pyproject.toml").is_file() or not (checkout / "rollback" / "__init__.py").is_file():
    sys.exit(f"{checkout} is no checkout of rollback: it lacks pyproject.toml or the folder rollback")
paths = [checkout / name for name in ("pyproject.toml", "README.md", "LICENSE") if (checkout / name).is_file()]
paths += [path for path in sorted(checkout.glob("rollback/**/*")) if path.is_file() and path.suffix != ".pyc"]
packed = io.BytesIO()
with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
    for path in paths:
        entry = tarfile.TarInfo(f"rollback-checkout/{path.relative_to(checkout).as_posix()}")
        entry.size = path.stat().st_size
        with path.open("rb") as file:
            tar.addfile(entry, file)
archive.write_bytes(gzip.compress(packed.getvalue(), mtime=0))
