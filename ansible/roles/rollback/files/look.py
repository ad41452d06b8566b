"""Print what the role has to know of the host, as JSON; for any Python, so that an old one can be told of."""

import importlib
import json
import os
import sys


def has(name):
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


print(
    json.dumps(
        {
            "version": list(sys.version_info[:3]),
            "python": sys.executable,
            "venv": has("venv") and has("ensurepip"),
            "home": os.path.expanduser("~"),
            "user": os.getuid(),
        }
    )
)
