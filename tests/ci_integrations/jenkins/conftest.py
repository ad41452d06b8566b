"""The Jenkinsfile on the engine that Jenkins runs it on, with a workspace that is laid out as a checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.ci_integrations.conftest import ANSIBLE, CHECKOUT
from tests.ci_integrations.scenario import PASSWORD, Scene

HARNESS = Path(__file__).parent / "harness"
Answer = Mapping[str, Any]


def choose(date: str, who: str = "alice") -> Answer:
    return {"does": "proceed", "who": who, "values": {"date": date}}


def type_in(text: str, who: str = "bob") -> Answer:
    return {"does": "proceed", "who": who, "values": {"typed": text}}


ABORT, TIMEOUT, STOP = {"does": "abort"}, {"does": "timeout"}, {"does": "stop"}
ENDINGS = [pytest.param(ABORT, id="abort"), pytest.param(TIMEOUT, id="timeout"), pytest.param(STOP, id="stop")]
# For a Java that runs for a minute: what it would gain by compiling more, it does not live to see.
SHORT_LIVED = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@dataclass(frozen=True)
class Build:
    """What came of one build.

    Attributes:
        result: SUCCESS, FAILURE or ABORTED.
        console: all that was printed, nothing masked.
        steps: each step's name and arguments, in their order.
        questions: message, choices, submitter and timeout in seconds of each input.
        order: locks, agents and stages as they were reached.
        archived: paths of the archived files.
        description: what the list of builds shows.
        problem: what would not work in Jenkins, or a gap of the harness; None if there was nothing.
        restored: how often the program was serialized, and ran on as the copy that was restored.
        restarted: how often that was into classes that were compiled again, as after a restart of Jenkins.
    """

    result: str
    console: str
    steps: Sequence[Mapping[str, str]]
    questions: Sequence[Mapping[str, Any]]
    order: Sequence[str]
    archived: Sequence[str]
    description: str | None
    problem: str | None
    unanswered: int = field(repr=False)
    restored: int
    restarted: int

    def called(self, name: str) -> list[str]:
        """The arguments of every call of one step."""
        return [step["args"] for step in self.steps if step["name"] == name]

    @property
    def stages(self) -> list[str]:
        """The stages that were taken, without the one around them."""
        return [entry.removeprefix("stage ") for entry in self.order if entry.startswith("stage ")][1:]


class Jenkins:
    """One process of Groovy with groovy-cps, which runs pipelines again and again."""

    def __init__(self, groovy: str, java: str) -> None:
        self._process = subprocess.Popen(
            [groovy, str(HARNESS / "main.groovy")],
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("JAVA")},
                "CLASSPATH": str(HARNESS),
                "JAVA_HOME": str(Path(java).resolve().parent.parent),
                "JAVA_OPTS": f"-Dfile.encoding=UTF-8 {SHORT_LIVED}",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def run(self, scenario: Mapping[str, Any]) -> Build:
        """Run one build."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(scenario).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the harness has ended"
        return Build(**json.loads(line))

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


class Button:
    """Presses the button of one scene.

    Attributes:
        root: where the agent has its workspaces.
        jenkinsfile: what is built.
        credentials: what Jenkins keeps, by id.
    """

    def __init__(self, jenkins: Jenkins, scene: Scene, root: Path, programs: Path) -> None:
        self._jenkins = jenkins
        self.root = root
        self._programs = programs
        self.jenkinsfile = CHECKOUT / "Jenkinsfile"
        login = {"username": scene.sandbox.user, "password": PASSWORD}
        self.credentials: dict[str, Mapping[str, str]] = {
            **{f"rollback-{name}": login for name in ("dev", "stage", "prod")},
            "rollback-slack": {"secret": scene.slack.url},
        }

    def edit(self, **fields: str) -> None:
        """Give fields of the Jenkinsfile other values, as a team does that sets up the job."""
        text = self.jenkinsfile.read_text()
        for name, value in fields.items():
            text, count = re.subn(
                rf"^(@Field final String {name} = )'.*?'", rf"\g<1>'{value}'", text, flags=re.MULTILINE
            )
            assert count == 1, name
        self.jenkinsfile = self.root / "Jenkinsfile"
        self.jenkinsfile.write_text(text)

    def workspace(self, env: str = "prod") -> Path:
        """The workspace of an environment, with its checkout."""
        folder = self.root / "rollback" / env
        if not folder.exists():
            shutil.copytree(ANSIBLE, folder / "ansible", symlinks=True)
            shutil.copytree(self.root / "group_vars", folder / "ansible" / "group_vars", dirs_exist_ok=True)
        return folder

    def press(self, *answers: Answer, env: str = "prod", **params: str) -> Build:
        """Build with these parameters, giving these answers to its questions."""
        self.workspace(env)
        given = {"ENVIRONMENT": env, "ROLLBACK_REASON": "prices are wrong", **params}
        build = self._jenkins.run(
            {
                "jenkinsfile": str(self.jenkinsfile),
                "root": str(self.root),
                "params": given,
                "answers": list(answers),
                "environ": {
                    "PATH": f"{self._programs}{os.pathsep}{os.environ['PATH']}",
                    "HOME": os.environ["HOME"],
                    "LANG": "C.UTF-8",
                },
                "credentials": self.credentials,
            }
        )
        assert build.problem is None, build.problem
        return build


@pytest.fixture(scope="session")
def jenkins(part: Callable[[str], str]) -> Iterator[Jenkins]:
    running = Jenkins(part("groovy-cps"), part("java"))
    yield running
    running.close()


def _with(program: str, tmp_path: Path) -> Path:
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "ansible-playbook").symlink_to(program)
    return folder


@pytest.fixture
def button(
    jenkins: Jenkins, scene: Scene, pyz: Path, cache: Path, part: Callable[[str], str], tmp_path: Path
) -> Button:
    """The button, with the real ansible-playbook behind it."""
    settings = {
        "rollback_package": str(pyz),
        "rollback_cache": str(cache),
        "rollback_config": str(scene.settings),
    }
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "global.yml").write_text(json.dumps(settings))
    return Button(jenkins, scene, tmp_path, _with(part("ansible-playbook-newest"), tmp_path))


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    """A folder whose files a stand-in of ansible-playbook puts into the dump folder, by the step's name."""
    folder = tmp_path / "stub"
    for step in ("get", "plan", "run", "undo", "thaw"):
        (folder / step).mkdir(parents=True)
    offered = {"2026-11-9x": [], "2026-11-18": [{"1.7.1-master": "shop/billing"}], "2026-11-20": []}
    offered["2026-11-20"] = [{"1.8.0-master": "shop/billing"}, {"5.3.0-master": "shop/web"}]
    (folder / "get" / "rollback.json").write_text(json.dumps({"all": ["shop/billing"], "rollbacks": offered}))
    (folder / "plan" / "plan.txt").write_text("1 to change\n")
    (folder / "undo" / "plan.txt").write_text("1 to change\n")
    (folder / "run" / "report.txt").write_text("DONE after 3 s: 1 changed and up\n")
    return folder


@pytest.fixture
def quick(jenkins: Jenkins, scene: Scene, stub: Path, tmp_path: Path) -> Button:
    """The button with a stand-in behind it, for what the pipeline alone decides."""
    program = tmp_path / "stand-in"
    program.write_text(
        f"#!{sys.executable}\nimport json, os, shutil, sys\n"
        f"stub = {str(stub)!r}\n"
        "step = sys.argv[sys.argv.index('-t') + 1]\n"
        "dump = next(word.partition('=')[2] for word in sys.argv if word.startswith('dump_path='))\n"
        "with open(stub + '/calls', 'a') as calls:\n"
        "    calls.write(json.dumps({'argv': sys.argv[1:], 'env': dict(os.environ)}) + '\\n')\n"
        "shutil.copytree(f'{stub}/{step}', dump, dirs_exist_ok=True)\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "group_vars").mkdir()
    return Button(jenkins, scene, tmp_path, _with(str(program), tmp_path))
