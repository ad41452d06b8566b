"""The README's two commands, pasted, against a real docker-registry and through the real `dcos`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from rollback.sandbox.launcher import serving
from rollback.sandbox.scenario import fortnight
from tests.ci_integrations.conftest import ANSIBLE, surroundings
from tests.ci_integrations.scenario import GOOD, PASSWORD, SPEED, Scene, Slack
from tests.integration.test_sandbox_images import put_all
from tests.support import registry


def test_pasted_they_roll_back_what_dcos_runs(
    part: Callable[[str], str], forked_dcos: str, pyz: Path, tmp_path: Path
) -> None:
    (commands,) = re.findall(r"```sh\n(.*?)```", (ANSIBLE / "README.md").read_text(), re.DOTALL)
    story = fortnight()
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "ansible-playbook").symlink_to(part("ansible-playbook-oldest"))
    (programs / "dcos").symlink_to(forked_dcos)
    environ = surroundings()
    environ |= {"PATH": f"{programs}:{environ['PATH']}", "DCOS_DIR": str(tmp_path / "dot-dcos")}
    with (
        registry.serve(part("docker-registry"), tmp_path) as url,
        serving(story, speed=SPEED, password=PASSWORD) as sandbox,
    ):
        for name, repo in story.images().repos.items():
            put_all(url, name, repo)
        _run(
            ["dcos", "cluster", "setup", sandbox.dcos_url, f"--username={sandbox.user}", "--password-env=P"],
            environ | {"P": PASSWORD},
        )
        shutil.copytree(ANSIBLE, tmp_path / "ansible", symlinks=True)
        (tmp_path / "ansible/group_vars/global.yml").write_text(
            json.dumps(
                {"rollback_settings": {"registry": {"url": url}, "target": "dcos"}, "rollback_package": str(pyz)}
            )
        )
        pasted = commands.replace("2026-11-20", story.good_day)

        said = _run(["bash", "-e", "-c", pasted], environ, folder=tmp_path, typed=f"{PASSWORD}\n")

        scene = Scene(sandbox, Slack(), tmp_path, tmp_path)
        assert scene.running() == GOOD
        assert "DONE after " in said
        assert PASSWORD not in said
        assert Path(environ["HOME"], ".local/share/rollback/prod/rollback.json").exists()


def _run(words: list[str], environ: dict[str, str], folder: Path | None = None, typed: str = "") -> str:
    done = subprocess.run(
        words,
        cwd=folder,
        env=environ,
        input=typed.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    said = done.stdout.decode()
    assert done.returncode == 0, said
    return said
