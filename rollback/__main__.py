"""`python -m rollback`, and `python rollback/` from anywhere."""

import sys
from pathlib import Path

if not __package__:  # the folder itself was started: its siblings are found from the folder above
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from rollback.cli import entry

entry()
