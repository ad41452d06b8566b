"""Print what the role has to know of the host, as JSON; for any Python, so that an old one can be told of.

The arguments are the dump folder and the one that keeps the tool. Who can write there can choose what is deployed or
what is started, so that both have to be this user's own, or root's, and closed to everybody else but the group.
"""

import importlib
import json
import os
import stat
import sys


def has(name):
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def look(folder):
    """Tell whether a folder is there, and what is wrong with it."""
    try:
        found = os.stat(folder)
    except OSError:
        return False, ""
    if not stat.S_ISDIR(found.st_mode):
        return True, "is not a folder"
    if found.st_uid not in (os.getuid(), 0):
        return True, "belongs to somebody else"
    if found.st_mode & stat.S_IWOTH:
        return True, "is one that everybody can write to"
    return True, ""


dump_there, dump_wrong = look(os.path.expanduser(sys.argv[1]))
_, cache_wrong = look(os.path.expanduser(sys.argv[2]))
print(
    json.dumps(
        {
            "version": list(sys.version_info[:3]),
            "python": sys.executable,
            "venv": has("venv") and has("ensurepip"),
            "home": os.path.expanduser("~"),
            "dump_there": dump_there,
            "dump_wrong": dump_wrong,
            "cache_wrong": cache_wrong,
        }
    )
)
