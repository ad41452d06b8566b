"""What makes a release the same bytes each time."""

from __future__ import annotations

import importlib.util
import io
import re
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

CHECKOUT = Path(__file__).parent.parent.parent
EPOCH = 1_795_824_000  # 2026-11-28


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(CHECKOUT / "packaging"), *sys.path])
    spec = importlib.util.spec_from_file_location("release", CHECKOUT / "packaging" / "release.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def archive(names: tuple[str, ...], *, mtime: int, mode: int, owner: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as file:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode, member.uname = len(name), mtime, mode, owner
            file.addfile(member, io.BytesIO(name.encode()))
    return made.getvalue()


def test_a_source_archive_keeps_its_content_and_loses_the_traces_of_its_building(release: ModuleType) -> None:
    here = archive(("p/a.py", "p/b.py"), mtime=1_700_000_001, mode=0o600, owner="sam")
    there = archive(("p/b.py", "p/a.py"), mtime=1_800_000_002, mode=0o644, owner="kim")

    packed = release.repack(here, EPOCH)

    assert packed == release.repack(there, EPOCH)
    with tarfile.open(fileobj=io.BytesIO(packed)) as file:
        assert [(one.name, one.mode, one.mtime, one.uname) for one in file] == [
            ("p/a.py", 0o644, EPOCH, ""),
            ("p/b.py", 0o644, EPOCH, ""),
        ]
        content = file.extractfile("p/a.py")
        assert content
        assert content.read() == b"p/a.py"


def test_the_version_of_this_checkout_is_the_newest_released_one_of_the_changelog(release: ModuleType) -> None:
    dated = re.findall(
        r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", (CHECKOUT / "CHANGELOG.md").read_text(), re.MULTILINE
    )

    assert release.released(CHECKOUT) > 0
    assert f'__version__ = "{dated[0][0]}"' in (CHECKOUT / "rollback" / "__init__.py").read_text()
    assert dated == sorted(dated, key=lambda one: [int(part) for part in one[0].split(".")], reverse=True)
    assert [day for _, day in dated] == sorted((day for _, day in dated), reverse=True)


def test_a_version_without_a_date_is_not_released(release: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "rollback").mkdir()
    (tmp_path / "rollback" / "__init__.py").write_text('__version__ = "9.9.9"\n')
    (tmp_path / "CHANGELOG.md").write_text("## [Unreleased]\n\n## [9.9.8] - 2026-11-28\n")

    with pytest.raises(ValueError, match=r"no dated section for 9\.9\.9"):
        release.released(tmp_path)


def test_every_library_that_a_release_holds_has_one_version(release: ModuleType) -> None:
    project = (CHECKOUT / "pyproject.toml").read_text()
    [listed] = re.findall(r"^dependencies = \[(.*?)\]\n", project, re.MULTILINE | re.DOTALL)
    names = {re.split(r"[<>=]", name)[0].lower() for name in re.findall(r'"([^"]+)"', listed)}

    pinned = re.findall(r"^([\w-]+)==[\w.]+$", release.CONSTRAINTS.read_text(), re.MULTILINE)

    assert names <= {name.lower() for name in pinned}
    assert "setuptools" in pinned
