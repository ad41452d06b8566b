"""The state of every service of a run, in one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from rollback.core.plain_text import sanitize
from rollback.core.plan import Action, Plan
from rollback.core.rollout_status import RolloutState, RolloutStatus
from rollback.output.shortening import HEX_LEAST, HEX_SHOWN, brief, fit_names, fit_tags, shrink
from rollback.output.terminal import TerminalInfo
from rollback.output.text_format import duration, short

_SPARE = 4  # lines of the terminal that are left for the text around the live part
_ROOMY = 100  # columns
_STATE = 56  # columns of a state: `2 of 12 ready; 1 old draining; 10 old still there; …`
_FAILURE = 40  # columns of a failure's cause that names and tags give way for; the report has it whole
_NAME, _TAGS = 0, (1, 2)  # columns of the live part
_STYLES = {RolloutState.UP: "green", RolloutState.FAILED: "red", RolloutState.WAITING: ""}
_WORDS = {RolloutState.UP: "up", RolloutState.FAILED: "failed", RolloutState.WAITING: "under way"}


@dataclass(frozen=True)
class Line:
    """What is known of one service.

    Attributes:
        service: its name.
        old: the tag that it comes from.
        new: the tag that it goes to.
        state: None before it is written.
        detail: `1 of 2 ready`, or why it failed.
        began: when it was written, in seconds of the clock.
        ended: when it came up or failed; None while it has not.
        back: whether it is being put back.
        healthy: whether it has to be ready; False for one that was not so before, and need not be now.
    """

    service: str
    old: str
    new: str
    state: RolloutState | None = None
    detail: str = ""
    began: float = 0.0
    ended: float | None = None
    back: bool = False
    healthy: bool = True

    @property
    def word(self) -> str:
        """How it is, in a word or two."""
        if self.state is None:
            return "waits"
        if self.state is RolloutState.UP and not self.healthy:
            return "as it was before"
        if self.state is RolloutState.WAITING and not self.detail:
            return "sent"
        return _WORDS[self.state]


class RunStatus:
    """The state of every service of a plan, as lines."""

    def __init__(self, now: Callable[[], float], plan: Plan | None = None) -> None:
        self._now = now
        self._began = now()
        self._ending = f"-{plan.env.tag}" if plan else ""
        self._widest = 0  # columns of a state; they only grow, so that the columns beside it hold still
        self.lines = {
            step.app.id: Line(sanitize(step.service), sanitize(short(step.before)), sanitize(short(step.after)))
            for step in (plan.steps if plan else ())
            if step.action is Action.CHANGE and step.app
        }

    def take(self, watch: RolloutStatus) -> Line:
        """Take a look into account."""
        app = watch.change.app
        line = self.lines.get(app.id) or Line(
            sanitize(app.id), sanitize(short(app.image)), sanitize(short(watch.change.image))
        )
        back = watch.change.image == app.image
        if back and not line.back:
            line = replace(line, old=line.new, new=sanitize(short(app.image)), back=True, state=None)
        now = self._now()
        began = now if line.state is None else line.began
        ended = now if watch.state is not RolloutState.WAITING else None
        if line.state is watch.state and line.ended is not None:
            ended = line.ended
        line = replace(
            line, state=watch.state, detail=sanitize(watch.detail), began=began, ended=ended, healthy=watch.healthy
        )
        self.lines[app.id] = line
        return line

    def knows(self, watch: RolloutStatus) -> bool:
        """Whether a look adds nothing about the state of its app."""
        line = self.lines.get(watch.change.app.id)
        return line is not None and line.state is watch.state

    def elapsed(self, line: Line) -> str:
        """How long a service has been under way, or took."""
        if line.state is None:
            return ""
        seconds = (line.ended if line.ended is not None else self._now()) - line.began
        return duration(int(seconds)) if seconds >= 1 else "0 s"

    def text_of(self, watch: RolloutStatus, surface: TerminalInfo) -> str:
        """A look as one line of a log, in full."""
        line = self.take(watch)
        ended = line.state is RolloutState.FAILED or (line.state is RolloutState.UP and line.healthy)
        took = f" after {self.elapsed(line)}" if ended else ""
        detail = f": {line.detail}" if line.detail else ""
        back = "put back: " if line.back else ""
        return (
            f"{sanitize(watch.change.app.id)} {line.old} {surface.arrow} {line.new} {back}{line.word}{took}{detail}"
        )

    def summary(self) -> str:
        """One line for all of them."""
        states = [line.state for line in self.lines.values()]
        parts = [f"{states.count(RolloutState.UP)} of {len(states)} up"]
        if states.count(RolloutState.FAILED):
            parts.append(f"{states.count(RolloutState.FAILED)} failed")
        if states.count(RolloutState.WAITING):
            parts.append(f"{states.count(RolloutState.WAITING)} under way")
        return f"{', '.join(parts)}; {duration(max(self._now() - self._began, 1.0))}"

    def shown(self, most: int) -> list[Line]:
        """The services that matter most, at most so many, in the plan's order."""
        order = {RolloutState.FAILED: 0, RolloutState.WAITING: 1, None: 2, RolloutState.UP: 3}
        urgent = sorted(self.lines.values(), key=lambda line: (order[line.state], -line.began))[:most]
        chosen = {line.service for line in urgent}
        return [line for line in self.lines.values() if line.service in chosen]

    def _cells(self, line: Line, *, bare: bool) -> tuple[str, str, str, str, str]:
        """Name, old tag, new tag, state and time of a service; `bare` tags lack the ending that says nothing new."""
        ending = self._ending if bare else ""
        word = f"{line.word}, {line.detail}" if line.detail else line.word
        if line.state is RolloutState.WAITING and line.detail:
            word = line.detail
        elif line.state is RolloutState.FAILED:
            word = f"failed: {line.detail}"
        old, new = (tag.removesuffix(ending) for tag in (line.old, line.new))
        return line.service, old, new, f"back: {word}" if line.back else word, self.elapsed(line)

    def draw(self, surface: TerminalInfo) -> list[tuple[str, str]]:
        """The lines of text and their styles, for a surface that has a width and a height."""
        lines = self.shown(max(surface.height - _SPARE, 3))
        services = frozenset(line.service for line in self.lines.values())  # also those that have no line now
        width = (surface.width or 80) - 1
        for bare in (False, True):
            rows = [self._cells(line, bare=bare or width < _ROOMY) for line in lines]
            states = [min(len(row[3]), _limit(line)) for row, line in zip(rows, lines, strict=True)]
            self._widest = max([self._widest, *states])
            took = max([6, *(len(row[4]) for row in rows)])
            wanted = [max([len(brief(row[place])) for row in rows], default=1) for place in range(3)]
            wanted[_NAME] = max(map(len, services), default=1)
            room = width - len("  ") - 3 * len("  ") - self._widest - took - len(f" {surface.arrow} ")
            if sum(wanted) <= room:
                break
        # The state comes first: tags give way to it, then names, then the tags as a whole.
        order = ((_TAGS, HEX_SHOWN), ((_NAME,), 16), (_TAGS, HEX_LEAST), ((_NAME,), 10))
        name, *tags = shrink(wanted, room, order)
        names = _forms(services, name, surface.more)
        if name + sum(tags) > room or not _legible(names, surface.more):
            name, tags = min(wanted[_NAME], max(room + len(f" {surface.arrow}   "), 10)), []
            names = _forms(services, name, surface.more)
        forms = [fit_tags([cell for row in rows for cell in row[1:3]], size, surface.more) for size in tags]
        drawn = []
        for row, line in zip(rows, lines, strict=True):
            head = f"  {names[row[0]]:<{name}}  "
            if tags:
                head += f"{forms[0][row[1]]:<{tags[0]}} {surface.arrow} {forms[1][row[2]]:<{tags[1]}}  "
            space = max(width - len(head) - took - 2, 0)
            style = _STYLES[line.state] if line.state else "dim"
            drawn.append((f"{head}{surface.fit(row[3], space):<{space}}  {row[4]:>{took}}", style))
        hidden = len(self.lines) - len(lines)
        parts = f"  {self.summary()}" + (f"   ({hidden} more not shown)" if hidden else "")
        return [*drawn, (surface.fit(parts, width), "bold")]


@lru_cache(maxsize=8)
def _forms(names: frozenset[str], width: int, more: str) -> Mapping[str, str]:
    """Names cut to a width; they are drawn several times per second, and stay the same during a run."""
    return fit_names(names, width, more)


def _legible(forms: Mapping[str, str], more: str) -> bool:
    """Whether cut names still begin like themselves, and no two look alike."""
    begin = all(form == name or not form.startswith(more) for name, form in forms.items())
    return begin and len(set(forms.values())) == len(forms)


def _limit(line: Line) -> int:
    """How many columns a state is given at the cost of names and tags: a cause may go on for ever."""
    return _FAILURE if line.state is RolloutState.FAILED else _STATE
