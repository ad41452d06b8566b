"""The ways of dating all images of an environment that are measured against each other.

Run as a program, `python -m benchmarks.contenders NAME URL CONNECTIONS REPO…`, it is one of them and prints what
it found as JSON, so that each is measured as a process of its own, interpreter start included.
"""

from __future__ import annotations

import http.client
import json
import queue
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

ENVIRONMENT = "-master"


def ours(url: str, connections: int, repos: list[str], cache: str = "", immutable: bool = False) -> dict[str, object]:
    """The registry client of rollback."""
    from rollback.registry.client import RegistryOptions, connect

    folder = Path(cache) if cache else None
    registry = connect(RegistryOptions(url, connections=connections, cache=folder, immutable_tags=immutable))
    survey = registry.survey(repos, lambda tag: tag.endswith(ENVIRONMENT))
    registry.close()
    counts = registry.counts
    return {"images": len(survey.images), "requests": counts.requests, "connections": counts.connections}


def articles(url: str, _connections: int, repos: list[str]) -> dict[str, object]:
    """The loop of the how-to articles: requests.get one by one, dates out of converted schema 1 manifests."""
    import requests

    found = asked = 0
    for repo in repos:
        asked += 1
        for tag in requests.get(f"{url}/v2/{repo}/tags/list", timeout=30).json()["tags"]:
            if tag.endswith(ENVIRONMENT):
                asked += 1
                manifest = requests.get(f"{url}/v2/{repo}/manifests/{tag}", timeout=30).json()
                max(json.loads(step["v1Compatibility"])["created"] for step in manifest["history"])
                found += 1
    return {"images": found, "requests": asked, "connections": asked}


def floor(url: str, connections: int, paths: list[str]) -> dict[str, object]:
    """The same requests by bare http.client, a connection per thread, nothing read out of the answers."""
    place = urlsplit(url)
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for path in paths:
        waiting.put(path)

    def hand() -> None:
        line = http.client.HTTPConnection(place.hostname or "", place.port)
        while True:
            try:
                path = waiting.get_nowait()
            except queue.Empty:
                line.close()
                return
            line.request("GET", path, headers={"Accept": ACCEPT})
            line.getresponse().read()

    threads = [threading.Thread(target=hand) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"images": 0, "requests": len(paths), "connections": connections}


def session(url: str, connections: int, paths: list[str]) -> dict[str, object]:
    """The same requests over one requests.Session, nothing read out of the answers."""
    import requests
    from requests.adapters import HTTPAdapter

    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for path in paths:
        waiting.put(path)
    opened = requests.Session()
    opened.trust_env = False
    opened.mount("http://", HTTPAdapter(pool_maxsize=connections))

    def hand() -> None:
        while True:
            try:
                path = waiting.get_nowait()
            except queue.Empty:
                return
            opened.get(url + path, headers={"Accept": ACCEPT}, timeout=30).raise_for_status()

    threads = [threading.Thread(target=hand) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"images": 0, "requests": len(paths), "connections": connections}


ACCEPT = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)

# Lists and inspections eight at a time, as an engineer would write it in a shell.
SKOPEO = r"""
printf '%s\n' "$@" | xargs -P 8 -I R sh -c \
  'skopeo list-tags --tls-verify=false docker://$HOST/R | sed -n "s|.*\"\(.*-master\)\".*|R:\1|p"' |
xargs -P 8 -I I sh -c 'skopeo inspect --config --tls-verify=false docker://$HOST/I | grep -o "\"created\":[^,]*" |
  head -n 1' | wc -l
"""

WRK = """
local paths = {}
for line in io.lines(os.getenv("PATHS")) do paths[#paths + 1] = line end
local at = 0
wrk.headers["Accept"] = "%s"
request = function()
  at = at %% #paths + 1
  return wrk.format("GET", paths[at])
end
"""


if __name__ == "__main__":
    name, url, width, *rest = sys.argv[1:]
    if name == "ours":
        cache, immutable, *rest = rest
        said = ours(url, int(width), rest, cache, immutable == "immutable")
    elif name == "articles":
        said = articles(url, int(width), rest)
    elif name == "session":
        said = session(url, int(width), Path(rest[0]).read_text().split())
    else:
        said = floor(url, int(width), Path(rest[0]).read_text().split())
    print(json.dumps(said))
