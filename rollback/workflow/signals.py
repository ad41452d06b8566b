"""The wish to stop: a signal, or a lock that somebody else has claimed."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rollback.execution.outcome import INTERRUPTED
from rollback.execution.policy import Clock
from rollback.state.journal import Journal
from rollback.state.lock import Lock
from rollback.system.bounded_call import Result, bounded

log = logging.getLogger(__name__)


_NAP_S = 0.05  # seconds after which a sleeper looks whether it should stop
# Whoever stops a build signals each of its processes, and some of these hand the signal on to their children: what
# arrives within so many seconds is one wish.
_ONE_WISH_S = 0.5
_GRACE_S = 0.7  # seconds that a request under way still has after a signal, so that its answer can be recorded
_LOST_S = 10.0  # seconds for asking whether a lock is still ours
_OVER = b"\nrollback: the run is over and its report follows; again to end at once\n"
_LEFT = (
    b"\nrollback: ended at once; what was sent goes on at the target"
    b"\n  next: rollback history, then rollback undo to put it back\n"
)


class _Clock:
    """The system's clock, and a wish to stop that wakes sleepers.

    The wish is a plain flag: a signal's handler runs between any two steps of the main thread, so that setting a
    `threading.Event` on which that thread is about to wait blocks for ever.
    """

    def __init__(self, locks: Sequence[Lock]) -> None:
        self.requested = False
        self.requested_at = 0.0
        self._locks = locks

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        end = self.now() + seconds
        while not self.requested and (rest := end - self.now()) > 0:
            time.sleep(min(rest, _NAP_S))

    def call(self, function: Callable[[], Result], within_s: float) -> Result:
        return bounded(function, within_s=within_s, stopping=lambda: self.requested, grace_s=_GRACE_S)

    def _lost(self) -> bool:
        """Whether a lock was claimed by somebody else; nobody knows if the target does not say so soon."""
        try:
            return self.call(lambda: any(lock.lost() for lock in self._locks), _LOST_S)
        except TimeoutError:
            return False

    def stopping(self) -> bool:
        if not self.requested and self._locks and self._lost():
            log.warning("somebody else has claimed the lock: this run writes nothing more")
            self.requested = True
        return self.requested


@contextmanager
def raising() -> Iterator[None]:
    """While the block runs, a signal interrupts it, whatever handles signals otherwise.

    Raises:
        KeyboardInterrupt: there was one.
    """

    def on_signal(number: int, frame: object) -> None:  # noqa: ARG001
        raise KeyboardInterrupt

    before = {number: signal.signal(number, on_signal) for number in _wanted()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stoppable(locks: Sequence[Lock], wrote: Sequence[Journal] = ()) -> Iterator[Clock]:
    """While the block runs, the first signal requests a stop, and one that comes later ends the program at once.

    Args:
        locks: those that are held; one that is lost requests a stop, too.
        wrote: the journal, once there is one. If something was written, signals are handled so until the program
            ends: its report is still to come, and no other handler could report the state of the fleet.
    """
    clock = _Clock(locks)
    over = False

    def has_written() -> bool:
        return any(journal.began_writing for journal in wrote)

    def on_signal(number: int, frame: object) -> None:  # noqa: ARG001
        now = clock.now()
        if clock.requested:
            if now - clock.requested_at >= _ONE_WISH_S:
                with contextlib.suppress(OSError):
                    os.write(2, _LEFT if has_written() else b"\nrollback: ended; nothing was changed\n")
                os._exit(INTERRUPTED)
            return
        clock.requested, clock.requested_at = True, now
        with contextlib.suppress(OSError):  # past sys.stderr, which may be in the middle of a line of its own
            os.write(2, _OVER if over else b"\nrollback: stopping: no new write is started; again to end at once\n")

    before = {number: signal.signal(number, on_signal) for number in _wanted()}
    try:
        yield clock
    finally:
        over = True
        if not has_written():
            for number, handler in before.items():
                signal.signal(number, handler)


def _wanted() -> list[signal.Signals]:
    """The signals that request a stop; nohup means to go on without a terminal."""
    wanted = [signal.SIGINT, signal.SIGTERM]
    return wanted if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [*wanted, signal.SIGHUP]
