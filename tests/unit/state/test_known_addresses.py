"""To which cluster an address has led."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback.errors import Failed
from rollback.state.known_addresses import Cluster, KnownAddresses

LOCALHOST, NUMBER = "marathon at http://localhost:8080", "marathon at http://127.0.0.1:8080"


def test_every_address_of_a_cluster_leads_to_it(tmp_path: Path) -> None:
    known = KnownAddresses(tmp_path)
    known.note([LOCALHOST], "marathon a")
    known.note([NUMBER], "marathon a")
    known.note(["marathon at http://other"], "marathon b")

    assert known.find([NUMBER], NUMBER) == Cluster("marathon a", (NUMBER, LOCALHOST))
    assert known.cluster("marathon a", "dcos").addresses == ("dcos", NUMBER, LOCALHOST)


def test_an_address_that_was_never_used_leads_nowhere(tmp_path: Path) -> None:
    assert KnownAddresses(tmp_path).find([LOCALHOST], LOCALHOST) is None
    assert KnownAddresses(tmp_path).find([], "dcos") is None


def test_an_address_that_leads_elsewhere_by_now_is_noted_again(tmp_path: Path) -> None:
    known = KnownAddresses(tmp_path)
    known.note([LOCALHOST], "marathon a")

    known.note([LOCALHOST], "marathon b")

    assert known.find([LOCALHOST], LOCALHOST) == Cluster("marathon b", (LOCALHOST,))


def test_addresses_of_two_clusters_decide_nothing(tmp_path: Path) -> None:
    known = KnownAddresses(tmp_path)
    known.note([LOCALHOST], "marathon a")
    known.note([NUMBER], "marathon b")

    assert known.find([LOCALHOST, NUMBER], NUMBER) is None


@pytest.mark.parametrize(
    "text", ["torn", "[]", "{}", '{"address": "x", "identity": 1}', '{"address": "x", "identity": "y"}']
)
def test_a_note_that_cannot_be_read_is_an_error_and_not_an_unknown_address(tmp_path: Path, text: str) -> None:
    known = KnownAddresses(tmp_path)
    known.note([LOCALHOST], "marathon a")
    (file,) = (tmp_path / "addresses").iterdir()
    file.write_text(text)

    with pytest.raises(Failed, match="cannot be read"):
        known.find([NUMBER], NUMBER)


def test_a_folder_that_cannot_be_written_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    (tmp_path / "addresses").write_text("in the way")

    with pytest.raises(Failed) as caught:
        KnownAddresses(tmp_path).note([LOCALHOST], "marathon a")

    assert "XDG_STATE_HOME" in caught.value.hint
