"""What version 0.1 left behind still counts. The files in tests/data/version-0.1 were written by that version.

It ran in the sandbox; in each test its addresses are replaced by those of the test's own sandbox.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from rollback.state.state_store import file_name
from rollback.system.user_folders import state_folder
from tests.faults.scenario import PLANNED, Scene, scene

LEFT = Path(__file__).parent.parent / "data" / "version-0.1"
MARATHON, REGISTRY = "http://127.0.0.1:46019", "127.0.0.1:37865"
(STATE,) = (LEFT / "state").glob("*.json")
DONE, KILLED = "20261128-101931-prod-d145", "20261128-101947-prod-c724"
BAD = "shop/billing:1.9.0-master"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path) as made:
        yield made


def text(stage: Scene, file: Path) -> str:
    """A file of version 0.1, with the addresses of this sandbox."""
    here = urlsplit(stage.sandbox.registry_url).netloc
    return file.read_text().replace(MARATHON, stage.sandbox.service_url).replace(REGISTRY, here)


def frozen(stage: Scene) -> Path:
    """The state that version 0.1 left for this sandbox."""
    path = state_folder() / f"{file_name('prod', f'marathon at {stage.sandbox.service_url}')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(stage, STATE))
    return path


def left_by(stage: Scene, run: str) -> dict[str, str]:
    """Put a record of version 0.1 into the dump folder, and the fleet to where that run left it; what was before."""
    record = text(stage, LEFT / "runs" / f"{run}.jsonl")
    (stage.folder / "runs").mkdir()
    (stage.folder / "runs" / f"{run}.jsonl").write_text(record)
    lines = [json.loads(line) for line in record.splitlines()]
    before = {line["id"]: line["image"] for line in lines if line["event"] == "captured"}
    assert before.items() <= stage.images().items()
    for images in (line["images"] for line in lines if line["event"] == "writing"):
        for app_id, image in images.items():
            definition = stage.sandbox.fleet.apps[app_id].definition
            change: dict[str, Any] = {
                name: definition[name] for name in ("container", "resourceLimits") if name in definition
            }
            change["container"] = {
                **change["container"], "docker": {**change["container"]["docker"], "image": image}
            }  # fmt: skip
            stage.sandbox.front.foreign(app_id, change)
    stage.later()
    return before


def test_the_names_of_its_state_files_are_still_known() -> None:
    assert file_name("prod", f"marathon at {MARATHON}") == STATE.stem


def test_its_freeze_counts_for_check_and_a_thaw_moves_it(stage: Scene) -> None:
    config = f"--config={stage.folder / 'rollback.yaml'}"
    file = frozen(stage)

    before = stage.command("check", "--env=prod", config)
    logged_in = stage.command("check", "--env=prod", *stage.common())
    kept = file.exists()
    thawed = stage.command("thaw", "--env=prod", *stage.common())
    after = [stage.command("check", "--env=prod", config, *image) for image in ([], [f"--image={BAD}"])]

    assert (before.code, logged_in.code, kept) == (1, 1, True)
    assert "by ann because it answers 503" in before.out
    assert (thawed.code, "it was since 2026-11-28 10:19 UTC" in thawed.out, "by ann)" in thawed.out) == (
        0,
        True,
        True,
    )
    assert ([told.code for told in after], file.exists()) == ([0, 1], False)


def test_its_freeze_under_an_address_of_which_nobody_knows_the_cluster_leaves_the_answer_open(stage: Scene) -> None:
    frozen(stage).rename(state_folder() / STATE.name)
    (state_folder() / f"prod-eu-{STATE.stem.rpartition('-')[2]}.json").write_text(STATE.read_text())

    told = stage.command("check", "--env=prod", *stage.common())
    thawed = stage.command("thaw", "--env=prod", *stage.common())
    (state_folder() / STATE.name).unlink()
    removed = stage.command("check", "--env=prod", *stage.common())

    assert (told.code, told.out) == (2, "")
    for said in (told, thawed):
        text = " ".join(said.err.split())
        assert "cannot tell: prod may be frozen" in text or said is thawed
        assert f"{STATE.name} for an address that has not been used since: frozen until 2036" in text
        assert text.count("version 0.1") == 1
    assert (thawed.code, removed.code) == (0, 0)


def test_a_run_moves_its_state_and_keeps_what_it_took_out(stage: Scene) -> None:
    file = frozen(stage)

    ran = stage.run("--no-freeze")
    told = stage.command("check", "--env=prod", f"--config={stage.folder / 'rollback.yaml'}", f"--image={BAD}")

    assert (ran.code, file.exists(), told.code) == (0, False, 1)
    assert "frozen until 2036" in told.out


@pytest.mark.parametrize("run", [DONE, KILLED])
def test_its_records_are_listed_and_undone(stage: Scene, run: str) -> None:
    before = left_by(stage, run)
    changed = {app_id for app_id, image in before.items() if stage.images()[app_id] != image}

    listed = stage.command("history", "--json")
    undone = stage.undo()

    assert [entry["run"] for entry in listed.document] == [run]
    assert (undone.code, changed) == (0, set(before)), undone.err
    assert before.items() <= stage.images().items()
    assert all(stage.healthy().values())
    assert set(before) < set(PLANNED)


def test_its_records_are_of_their_address_alone(stage: Scene) -> None:
    left_by(stage, DONE)
    config = stage.folder / "rollback.yaml"
    config.write_text(config.read_text().replace("127.0.0.1", "localhost"))
    writes = stage.writes()

    undone = stage.undo()

    assert (undone.code, stage.writes()) == (3, writes)
    assert "this run was made on another target" in undone.err


def fitted(old: Any, new: Any) -> Any:
    """A value of a file of version 0.1, with what only this sandbox can know: digests, versions, dates, addresses."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {name: fitted(value, new[name]) if name in new else value for name, value in old.items()}
    if isinstance(old, list) and isinstance(new, list):
        return [fitted(*pair) for pair in zip(old, new, strict=True)]
    return new


def written_by_0_1(stage: Scene, folder: Path) -> Path:
    """The plan of version 0.1 for the same date of this sandbox; it has no member that version did not write."""
    day = str(stage.sandbox.story.good_day)
    made = stage.command(
        "plan", f"--date={day}", "--env=prod", *stage.common(), f"--out={folder / 'new.json'}", "--timeout=8"
    )
    assert made.code == 0, made.err
    old, new = json.loads((LEFT / "plan.json").read_text()), json.loads((folder / "new.json").read_text())
    assert {"identity", "basis"} == new.keys() - old.keys()
    content = {**fitted(old, new), "warnings": []}
    del content["fingerprint"]
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    plan = folder / "plan.json"
    plan.write_text(json.dumps({**content, "fingerprint": f"sha256:{sha256(canonical.encode()).hexdigest()}"}))
    return plan


def test_its_plan_is_carried_out(stage: Scene, tmp_path: Path) -> None:
    plan = written_by_0_1(stage, tmp_path)
    (stage.folder / "rollback.json").unlink()

    told = stage.command("run", f"--plan={plan}", "--json", *stage.common())

    assert (told.code, told.document["verdict"]) == (0, "DONE"), told.err
    assert all(stage.images()[row["app"]] == row["after"] for row in told.rows.values())
    assert stage.undo().code == 0


def test_its_plan_is_refused_where_something_else_runs_by_now(stage: Scene, tmp_path: Path) -> None:
    plan = written_by_0_1(stage, tmp_path)
    stage.sandbox.front.foreign(PLANNED[0], {"env": {"HOTFIX": "yes"}})
    stage.later()

    told = stage.command("run", f"--plan={plan}", "--json", *stage.common())
    untouched = stage.command("run", f"--plan={LEFT / 'plan.json'}", "--json", *stage.common())

    assert (told.code, untouched.code, stage.writes()) == (3, 3, [])
    assert "this plan was made for another target" in untouched.err
    assert "billing" in told.err
    assert "then its configuration had the version" in told.err
