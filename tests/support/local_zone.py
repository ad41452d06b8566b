"""The local zone of this machine, changed for a while."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch


@contextmanager
def local_zone(name: str) -> Iterator[None]:
    """Be in a zone, by its name in the time zone database or as POSIX writes it (`PST8`)."""
    with patch.dict(os.environ, {"TZ": name}):
        time.tzset()
        yield
    time.tzset()
