"""Become the tool: its words and its standard input come, as JSON in base64, on this one's standard input.

Results of an earlier step go away first, so that nobody takes them for this one's.

The words do not come as arguments because Ansible's `command` replaces a dollar sign and a name in arguments by what
the environment holds: a reason with the password's name in it would put the password into the record. This text is
such an argument itself, so that it must not have that sign.
"""

import base64
import json
import os
import sys

given = json.loads(base64.b64decode(sys.stdin.read()))
for path in given["remove"]:
    if os.path.exists(path):
        os.remove(path)
reader, writer = os.pipe()
os.write(writer, given["stdin"].encode())  # a line or two: it fits into the pipe
os.close(writer)
os.dup2(reader, 0)
os.close(reader)
os.execv(given["argv"][0], given["argv"])  # noqa: S606 - no shell is what is wanted
