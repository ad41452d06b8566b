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
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit

ENVIRONMENT = "-master"


def ours(url: str, connections: int, repos: list[str], cache: str = "", immutable: bool = False) -> dict[str, object]:
    """The registry client of rollback."""
    from rollback.core.creation_time import date_images
    from rollback.core.environment_tags import EnvironmentTags
    from rollback.registry.client import RegistryOptions, connect

    tags = EnvironmentTags(ENVIRONMENT.removeprefix("-"))
    folder = Path(cache) if cache else None
    registry = connect(RegistryOptions(url, connections=connections, cache=folder, immutable_tags=immutable))
    survey = registry.survey(repos, tags.fits)
    registry.close()
    images, _undated = date_images(survey.resolved, tags, datetime.now(timezone.utc))
    counts = registry.counts
    return {"images": len(images), "requests": counts.requests, "connections": counts.connections}


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
    lines = threading.local()

    def fetch(path: str) -> None:
        if not hasattr(lines, "open"):
            lines.open = http.client.HTTPConnection(place.hostname or "", place.port)
        lines.open.request("GET", path, headers={"Accept": ACCEPT})
        lines.open.getresponse().read()

    _in_threads(connections, paths, fetch)
    return {"images": 0, "requests": len(paths), "connections": connections}


def engine(url: str, connections: int, paths: list[str]) -> dict[str, object]:
    """The same requests over one bare urllib3 pool, nothing read out of the answers."""
    import urllib3

    pool = urllib3.connection_from_url(url, maxsize=connections, block=True, retries=False)
    headers = {"Accept": ACCEPT}
    _in_threads(connections, paths, lambda path: pool.request("GET", path, headers=headers))
    return {"images": 0, "requests": len(paths), "connections": connections}


def transport(url: str, connections: int, paths: list[str]) -> dict[str, object]:
    """The same requests over the lowest layer of rollback alone; the rest of its registry client is only imported."""
    from rollback.registry.client import RegistryOptions  # noqa: F401
    from rollback.registry.request_counts import RequestCounter
    from rollback.registry.transport import Pool

    counter = RequestCounter()
    pool = Pool(counter, connections=connections)
    headers = {"Accept": ACCEPT}
    _in_threads(connections, paths, lambda path: pool.send("GET", url + path, headers, limit=8 << 20))
    return {"images": 0, "requests": len(paths), "connections": counter.take().connections}


def imports(_url: str, _connections: int, _repos: list[str]) -> dict[str, object]:
    """What a survey costs before its first request: the interpreter and the modules."""
    import rollback.registry.client  # noqa: F401

    return {"images": 0, "requests": 0, "connections": 0}


def nothing(_url: str, _connections: int, _repos: list[str]) -> dict[str, object]:
    """What every contender in Python costs before its first request."""
    return {"images": 0, "requests": 0, "connections": 0}


def session(url: str, connections: int, paths: list[str]) -> dict[str, object]:
    """The same requests over one requests.Session, nothing read out of the answers."""
    import requests
    from requests.adapters import HTTPAdapter

    opened = requests.Session()
    opened.trust_env = False
    opened.mount("http://", HTTPAdapter(pool_maxsize=connections))
    headers = {"Accept": ACCEPT}
    _in_threads(
        connections, paths, lambda path: opened.get(url + path, headers=headers, timeout=30).raise_for_status()
    )
    return {"images": 0, "requests": len(paths), "connections": connections}


def _in_threads(count: int, paths: list[str], fetch: Callable[[str], object]) -> None:
    """Fetch all paths, so many at a time."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for path in paths:
        waiting.put(path)

    def work() -> None:
        while True:
            try:
                path = waiting.get_nowait()
            except queue.Empty:
                return
            fetch(path)

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


ACCEPT = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)

# Lists and inspections eight at a time, as an engineer would write it in a shell. Arguments: repositories.
_LOOP = r"""
printf '%s\n' "$@" | xargs -P 8 -I R sh -c 'LIST' |
xargs -P 8 -I I sh -c 'INSPECT | grep -o "\"created\":[^,]*" | head -n 1' | wc -l
"""
_WANTED = f'sed -n "s|^{{}}\\(.*{ENVIRONMENT}\\){{}}$|R:\\1|p"'
SHELL_LOOPS = {
    "skopeo": _LOOP.replace(
        "LIST",
        "skopeo list-tags --tls-verify=false docker://$HOST/R | " + _WANTED.format('[^\\"]*\\"', '\\".*'),
    ).replace("INSPECT", "skopeo inspect --config --tls-verify=false docker://$HOST/I"),
    "crane": _LOOP.replace("LIST", "crane ls --insecure $HOST/R | " + _WANTED.format("", "")).replace(
        "INSPECT", "crane config --insecure $HOST/I"
    ),
    "regctl": _LOOP.replace(
        "LIST", "regctl tag ls --host reg=$HOST,tls=disabled $HOST/R | " + _WANTED.format("", "")
    ).replace("INSPECT", "regctl image inspect --host reg=$HOST,tls=disabled $HOST/I --format raw-body"),
}

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
    elif name in ("articles", "imports", "nothing"):
        said = {"articles": articles, "imports": imports, "nothing": nothing}[name](url, int(width), rest)
    else:
        way = {"floor": floor, "session": session, "engine": engine, "transport": transport}[name]
        said = way(url, int(width), Path(rest[0]).read_text().split())
    print(json.dumps(said))
