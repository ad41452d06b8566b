"""The commands that users are shown, complete for the place where they type them. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

_TO_FILL_IN = re.compile(r"--[a-z]+=<[a-z]+>")  # for the reader, who replaces it; quotes would only be in the way


@dataclass(frozen=True)
class CommandLines:
    """Writes the commands that work on the same files and the same target as the present one; never with a secret.

    Attributes:
        dump: folder of rollback.json and of the records, as it was given.
        config: the settings file; empty for the one that is found by itself.
        target: name of the target; empty for that of the settings.
        registry: address of the registry; empty for that of the settings.
        owners: owners that are accepted although they put their own image back; empty for those of the settings.
        user: login name, if it was an option; the password is then read from standard input.
        undo_template: the way to undo where something else starts this program, such as Ansible; `{run}` in it is
            the id of the run. Empty for the undo command.
    """

    dump: str = "."
    config: str = ""
    target: str = ""
    registry: str = ""
    owners: str = ""
    user: str = ""
    undo_template: str = ""

    def undo(self, run: str, dump: str = "") -> str:
        """What undoes a run.

        Args:
            run: its id.
            dump: folder of its record; empty for the present one.
        """
        if self.undo_template:
            return self.undo_template.replace("{run}", run)
        return self._line("undo", [f"--run={run}"], dump=dump or self.dump, owners=True)

    def run(self, date: str, env: str) -> str:
        """What goes back to a date."""
        return self._line("run", [f"--date={date}", f"--env={env}", *self._registry], dump=self.dump, owners=True)

    def run_plan(self, file: str) -> str:
        """What carries out a plan that was written to a file."""
        return self._line("run", [f"--plan={file}", *self._registry], dump=self.dump, owners=True)

    def check(self, env: str) -> str:
        """What says whether an environment may be deployed to."""
        return self._line("check", [f"--env={env}"])

    def thaw(self, env: str) -> str:
        """What lifts the freeze of an environment."""
        return self._line("thaw", [f"--env={env}"])

    def get(self, repos: str, env: str) -> str:
        """What makes a history; without repositories for those of the settings."""
        words = [f"--repo={repos}"] if repos else []
        return self._line("get", [*words, f"--env={env}", *self._registry], dump=self.dump)

    def doctor(self) -> str:
        """What looks at settings, registry and target."""
        return self._line("doctor", self._registry, dump=self.dump)

    def history(self, run: str) -> str:
        """What shows the record of a run."""
        return _typed("history", [f"--run={run}", *_dump(self.dump)])

    @property
    def _registry(self) -> list[str]:
        return [f"--registry={self.registry}"] if self.registry else []

    def _line(self, command: str, words: Iterable[str], *, dump: str = "", owners: bool = False) -> str:
        """A command that uses the target."""
        more = [*words, *_dump(dump)]
        more += [f"--config={self.config}"] if self.config else []
        more += [f"--target={self.target}"] if self.target else []
        more += [f"--accept-owner={self.owners}"] if self.owners and owners else []
        more += [f"--user={self.user}", "--pwd=-"] if self.user else []
        return _typed(command, more)


def _dump(folder: str) -> list[str]:
    return [f"--dump={folder}"] if folder not in {"", "."} else []


def _typed(command: str, words: Iterable[str]) -> str:
    quoted = (word if _TO_FILL_IN.fullmatch(word) else shlex.quote(word) for word in words)
    return " ".join(("rollback", command, *quoted))
