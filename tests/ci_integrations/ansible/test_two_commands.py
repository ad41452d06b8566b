"""The two commands that people know, letter for letter, and the line that undoes them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome
from tests.ci_integrations.ansible.test_stopped import until
from tests.ci_integrations.conftest import ANSIBLE, Playbook, surroundings
from tests.ci_integrations.scenario import BROKEN, GOOD, REPOS, Scene, playing

PASSWORD = "plain-4711"


@pytest.mark.parametrize("version", ["oldest", "newest"])
def test_as_they_stand_they_roll_back_and_the_line_they_print_undoes_it(
    part: Callable[[str], str], pyz: Path, cache: Path, tmp_path: Path, version: str
) -> None:
    programs, tmp = tmp_path / "programs", tmp_path / "tmp"
    programs.mkdir()
    (programs / "ansible-playbook").symlink_to(part(f"ansible-playbook-{version}"))
    tmp.mkdir()
    tmp.chmod(0o1777)
    folder = tmp_path / "ansible"
    shutil.copytree(ANSIBLE, folder, symlinks=True)
    environ = surroundings()
    environ["PATH"] = f"{programs}:{environ['PATH']}"

    with playing(tmp_path, PASSWORD) as scene:
        (folder / "group_vars/global.yml").write_text(
            json.dumps(
                {
                    "rollback_config": str(scene.settings),
                    "rollback_package": str(pyz),
                    "rollback_cache": str(cache),
                }
            )
        )
        got = _bash(
            f'ansible-playbook rollback_service.yaml --tags get -e "repo={REPOS} env=prod dump_path={tmp}"',
            environ,
            folder,
        )
        ran = _bash(
            f'ansible-playbook rollback_service.yaml --tags run -e "date={scene.good_day} env=prod '
            f'slack={scene.slack.url} dcos_user={scene.sandbox.user} dcos_password={PASSWORD} dump_path={tmp}"',
            environ,
            folder,
        )
        there = scene.running()
        (undo,) = re.findall(r"^Undo: (.*)$", ran, re.MULTILINE)
        undone = _bash(undo, environ, tmp_path, typed=f"{PASSWORD}\n")

        assert f"{scene.good_day}  shop/billing:1.8.0-master" in got
        assert there == GOOD
        assert scene.running() == BROKEN
    assert stat.S_IMODE((tmp / "rollback.json").stat().st_mode) == 0o644
    assert " && ansible-playbook rollback_service.yaml --tags undo -e env=prod" in undo
    assert PASSWORD not in got + ran + undone
    assert [text.split(":")[0] for text in scene.slack.texts] == ["Started", "DONE"]


def _bash(line: str, environ: dict[str, str], folder: Path, typed: str = "") -> str:
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environ,
        input=typed.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=180,
        check=False,
    )
    said = done.stdout.decode()
    assert done.returncode == 0, said
    return said


def test_its_lines_appear_while_it_works_and_ctrl_c_reaches_it(
    playbook: Playbook, scene: Scene, history: Path
) -> None:
    scene.sandbox.behaviors.attach(
        "shop/cart:2.10.0-master", ContainerBehavior(ContainerOutcome.UNHEALTHY, start_s=300)
    )
    started = subprocess.Popen(
        [
            *(playbook.program, "rollback_service.yaml", "--tags", "run"),
            *("-e", f"env=prod date={scene.good_day} dump_path={scene.dump} rollback_config={scene.settings}"),
            *("-e", f"rollback_package={playbook.package} rollback_cache={playbook.cache}"),
        ],
        cwd=ANSIBLE,
        env={**surroundings(), **scene.secrets()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that its process group is one, as in a terminal
    )
    with started:
        assert started.stdout
        for line in started.stdout:
            if "/ds/prod/shop/cart" in line and "sent" in line:
                break
        working = started.poll() is None
        os.killpg(started.pid, signal.SIGINT)
        started.stdout.read()
    (record,) = scene.dump.glob("runs/*.jsonl")
    until(lambda: '"ended"' in record.read_text())

    assert working
    assert json.loads(record.read_text().splitlines()[-1])["verdict"] in ("RESTORED", "PARTLY", "FAILED")


def test_a_second_step_runs_two_programs_on_the_host_and_installs_nothing(
    playbook: Playbook, scene: Scene, history: Path, part: Callable[[str], str]
) -> None:
    """One prepares, one starts the tool; and another interpreter than in the first step makes no difference."""
    other = "newest" if "oldest" in playbook.program else "oldest"
    python = Path(part(f"ansible-playbook-{other}")).parent.parent / f"ansible-{other}" / "bin" / "python"
    first = playbook("--tags", "install")
    second = playbook("--tags", "plan", "-vvv", date=scene.good_day, rollback_python=str(python))

    assert first.code == 0, first.said
    assert second.code == 0, second.said
    assert len(re.findall(r"^<.*> EXEC ", second.said, re.MULTILINE)) <= 6
    assert "TASK [rollback : Make a fresh folder in it]" not in second.said


@pytest.mark.parametrize("name", ["password", "dcos_password", "rollback_password"])
def test_a_password_that_is_a_number_is_refused(newest: Playbook, scene: Scene, history: Path, name: str) -> None:
    played = newest("--tags", "plan", "-e", json.dumps({name: 83}), date=scene.good_day)

    assert played.code != 0
    assert f"{name} was read as something else than text" in played.said
    assert "put it into quotes" in played.said


def test_the_short_names_of_the_login_do(newest: Playbook, scene: Scene, history: Path) -> None:
    """They go before the environment, so that a wrong one shows."""
    played = newest("--tags", "plan", date=scene.good_day, user="nobody", password="wrong")

    assert played.code != 0
    assert "nobody" in played.said or "login" in played.said
