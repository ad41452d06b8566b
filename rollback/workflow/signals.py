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
# What is put in order after a signal (state, lock, a message) has so many seconds after it in all, and no more than
# the second if something has already not answered in its grace.
_IN_ORDER_S, _SECOND_S, _LEAST_S = 5.0, 0.95, 0.05
LONGEST_S = 600.0  # for what has limits of its own, and is only waited for until somebody wants to stop
_LOST_S = 10.0  # seconds for asking whether a lock is still ours
_STOPPING = "stopping: no new write is started; again to end at once"
_OVER = "the run is over and its report follows; again to end at once"


class _Clock:
    """The system's clock, and a wish to stop that wakes sleepers.

    The wish is a plain flag: a signal's handler runs between any two steps of the main thread, so that setting a
    `threading.Event` on which that thread is about to wait blocks for ever.

    Attributes:
        requested: whether it should stop.
        signalled_at: when the first signal came, in seconds of this clock; None if there was none.
    """

    def __init__(self, locks: Sequence[Lock]) -> None:
        self.requested = False
        self.signalled_at: float | None = None
        self._gave_up = False
        self._locks = locks

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        end = self.now() + seconds
        while not self.requested and (rest := end - self.now()) > 0:
            time.sleep(min(rest, _NAP_S))

    def call(self, function: Callable[[], Result], within_s: float) -> Result:
        grace_s, at = _GRACE_S, self.signalled_at
        if at is not None:
            grace_s = max(at + (_SECOND_S if self._gave_up else _IN_ORDER_S) - self.now(), _LEAST_S)
        try:
            return bounded(
                function, within_s=within_s, stopping=lambda: self.signalled_at is not None, grace_s=grace_s
            )
        except TimeoutError:
            self._gave_up = self._gave_up or self.signalled_at is not None
            raise

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
def stoppable(
    locks: Sequence[Lock], journals: Sequence[Journal] = (), history: str = "", undo: str = ""
) -> Iterator[Clock]:
    """While the block runs, the first signal requests a stop, and one that comes later ends the program at once.

    Args:
        locks: those that are held; one that is lost requests a stop, too.
        journals: the journal, once there is one. If something was written, signals are handled so until the program
            ends: its report is still to come, and no other handler could report the state of the fleet.
        history: the command that shows the run.
        undo: the command that undoes it.
    """
    clock = _Clock(locks)
    over = False

    def has_written() -> bool:
        return any(journal.began_writing for journal in journals)

    def last_words() -> list[str]:
        left = [lock.left for lock in locks if lock.left]
        if over:
            return [f"ended before its report was printed\n  next: {history}", *left]
        if has_written():
            return [f"ended at once; what was sent goes on at the target\n  next: {history}, then {undo}", *left]
        if journals:
            left.append(f"if `rollback check` names this run: {undo}")
        return ["ended; nothing was changed", *left]

    def on_signal(number: int, frame: object) -> None:  # noqa: ARG001
        now = clock.now()
        if clock.signalled_at is not None:
            if now - clock.signalled_at >= _ONE_WISH_S:
                _say(*last_words())
                os._exit(INTERRUPTED)
            return
        clock.signalled_at, clock.requested = now, True
        _say(_OVER if over else _STOPPING)

    before = {number: signal.signal(number, on_signal) for number in _wanted()}
    try:
        yield clock
    finally:
        over = True
        if not has_written():
            for number, handler in before.items():
                signal.signal(number, handler)


def until_stopped(clock: Clock, function: Callable[[], Result]) -> Result:
    """Do something before the first write that a signal ends.

    Raises:
        KeyboardInterrupt: there was one.
    """
    if clock.stopping():
        raise KeyboardInterrupt
    try:
        return clock.call(function, LONGEST_S)
    except TimeoutError:
        raise KeyboardInterrupt from None


def unless_stopped(clock: Clock, function: Callable[[], Result], otherwise: str) -> Result | None:
    """Do something that a signal ends, and that changes no outcome.

    Args:
        clock: hears signals.
        function: what is done.
        otherwise: what a warning says if it was not done; then the result is None.
    """
    try:
        return clock.call(function, LONGEST_S)
    except TimeoutError:
        log.warning("interrupted: %s", otherwise)
        return None


def _say(*lines: str) -> None:
    """Write to standard error past `sys.stderr`, which may be in the middle of a line of its own."""
    with contextlib.suppress(OSError):
        os.write(2, "".join(f"\nrollback: {line}" for line in lines).encode() + b"\n")


def _wanted() -> list[signal.Signals]:
    """The signals that request a stop; nohup means to go on without a terminal."""
    wanted = [signal.SIGINT, signal.SIGTERM]
    return wanted if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [*wanted, signal.SIGHUP]
