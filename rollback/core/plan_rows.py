"""What the rows of a plan are called, and which of them the names in `--only` and `--skip` are about. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rollback.core.matching import Found, service_of
from rollback.errors import BadInput


def row_names(found: Iterable[Found]) -> dict[tuple[str, str], str]:
    """By repository and app id, what each row of a plan is called; no two are called alike.

    A repository's only app is called like its service, several by the last segments of their ids.
    """
    names: dict[tuple[str, str], str] = {}
    for one in found:
        for app in one.apps:
            last = app.id.rpartition("/")[2] if len(one.apps) > 1 else service_of(one.repo)
            names[one.repo, app.id] = last or app.id
    times = Counter(names.values())
    return {key: name if times[name] == 1 else key[1] for key, name in names.items()}


def select(
    names: frozenset[str], found: Sequence[Found], rows: Mapping[tuple[str, str], str], option: str
) -> frozenset[tuple[str, str]]:
    """Which apps of which repositories a list of names is about.

    A name is, in this order: a whole app id, a whole repository, a row's name, a service with all its apps.

    Args:
        names: the names.
        found: the apps of every repository.
        rows: what each row is called.
        option: name of the option that had them, for errors: only, skip.

    Returns:
        Pairs of a repository and an app id; the id is empty for a repository without apps.

    Raises:
        BadInput: a name is none of them, or that of two repositories.
    """
    pairs: set[tuple[str, str]] = set()
    for name in sorted(names):
        by_id = [(one.repo, app.id) for one in found for app in one.apps if app.id == name]
        by_row = [key for key, row in rows.items() if row == name]
        whole = [one for one in found if one.repo == name]
        services = [one for one in found if service_of(one.repo) == name]
        if by_id:
            pairs.update(by_id)
        elif whole:
            pairs.update(_all_of(whole))
        elif by_row and not (len(services) > 1):
            pairs.update(by_row)
        elif len(services) == 1:
            pairs.update(_all_of(services))
        elif services:
            raise BadInput(
                f"--{option}: {name!r:.60} is the last part of {len(services)} repositories",
                why=", ".join(one.repo for one in services),
                hint=f"name the whole repository: --{option}={services[0].repo}",
            )
        else:
            known = sorted({*rows.values(), *(service_of(one.repo) for one in found)})
            raise BadInput(
                f"there is no service {name!r:.60} in this history",
                why=f"it has {', '.join(known)}",
                hint=f"correct --{option}",
            )
    return frozenset(pairs)


def _all_of(found: Iterable[Found]) -> Iterable[tuple[str, str]]:
    for one in found:
        yield one.repo, ""
        yield from ((one.repo, app.id) for app in one.apps)
