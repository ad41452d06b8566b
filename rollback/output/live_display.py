"""The live part of a terminal during a run: the board's lines, rewritten while things happen."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from rollback.output.status_lines import RunStatus
from rollback.output.terminal import TerminalInfo


class Screen:
    """Shows a board on a terminal until it is stopped; then nothing of it remains, since the report follows."""

    def __init__(self, board: RunStatus, stream: TextIO) -> None:
        self._board = board
        self._stream = stream
        self._console = Console(file=stream, highlight=False, markup=False, soft_wrap=True)
        self._live = Live(
            console=self._console,
            get_renderable=self._render,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def say(self, text: str) -> None:
        """A line above the live part."""
        self._console.print(Text(text))

    def refresh(self) -> None:
        """Show what is new at once."""
        self._live.refresh()

    def stop(self) -> None:
        """Take it away."""
        self._live.stop()

    def _render(self) -> Group:
        surface = TerminalInfo.of(self._stream)
        return Group(
            *(
                Text(text, style=style if surface.colour else "", no_wrap=True, overflow="crop")
                for text, style in self._board.draw(surface)
            )
        )
