"""How long a fault is borne with."""

from __future__ import annotations

import threading

import pytest

from rollback.registry.retry import Budget, Retrier, RetriesExhausted, Stopped, retry_after
from rollback.registry.transport import ConnectionLost, RegistryResponse

HOST = "registry.example.com"


class World:
    """A clock that moves when somebody sleeps, and a server with a list of answers."""

    def __init__(self, *said: int | ConnectionLost, **headers: str) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.said = list(said)
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.asked: list[float] = []

    def send(self) -> RegistryResponse:
        self.asked.append(self.now)
        said = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if isinstance(said, ConnectionLost):
            raise said
        return RegistryResponse(said, self.headers if said != 200 else {})

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def patience(self, budget: Budget | None = None) -> Retrier:
        return Retrier(budget or Budget(), threading.Event(), clock=lambda: self.now, sleep=self.sleep)


def ask(world: World, budget: Budget | None = None) -> RegistryResponse:
    return world.patience(budget).send(HOST, world.send, lambda: None)


def test_pauses_double_and_vary_by_a_quarter() -> None:
    world = World(500, 502, 503, ConnectionLost("reset"), 200)

    assert ask(world).status == 200

    for pause, middle in zip(world.slept, (0.5, 1.0, 2.0, 4.0), strict=True):
        assert 0.75 * middle <= pause <= 1.25 * middle


@pytest.mark.parametrize("status", [200, 304, 400, 401, 403, 404, 405, 501])
def test_what_asking_again_would_not_change_is_asked_once(status: int) -> None:
    world = World(status)

    assert ask(world).status == status
    assert len(world.asked) == 1


def test_five_tries_are_stated_as_the_reason() -> None:
    world = World(503)

    with pytest.raises(
        RetriesExhausted,
        match=r"registry\.example\.com answered 503 Service Unavailable; given up after 5 tries in \d+ s",
    ):
        ask(world)

    assert len(world.asked) == 5


def test_a_named_time_is_kept_to() -> None:
    world = World(429, 200, Retry_After="17")

    ask(world)

    assert world.slept == [17.0]


def test_being_told_to_slow_down_counts_by_time_and_not_by_tries() -> None:
    world = World(*[429] * 9, 200, Retry_After="10")

    assert ask(world, Budget(tries=3, wait_s=90)).status == 200


def test_a_named_time_beyond_the_budget_fails_at_once() -> None:
    world = World(429, Retry_After="121")

    with pytest.raises(RetriesExhausted, match="wants us to wait 121 s; given up after 1 try in 0 s"):
        ask(world)

    assert world.slept == []


def test_a_fault_that_lasts_is_not_asked_again_and_keeps_its_hint() -> None:
    world = World(ConnectionLost("TLS failed", lasting=True, hint="name its authority"))

    with pytest.raises(RetriesExhausted, match=r"^TLS failed$") as caught:
        ask(world)

    assert caught.value.hint == "name its authority"
    assert len(world.asked) == 1


def test_all_questions_to_a_host_wait_and_others_do_not() -> None:
    world = World(429, 200, Retry_After="9")
    patience = world.patience()
    seen: dict[str, float] = {}

    def first() -> RegistryResponse:
        answer = world.send()
        if answer.status == 429:
            other = World(200)
            patience.send("elsewhere.example.com", other.send, lambda: None)
            seen["elsewhere"] = world.now
        return answer

    patience.send(HOST, first, lambda: None)
    patience.send(HOST, world.send, lambda: None)

    assert seen["elsewhere"] == 0.0
    assert world.asked == [0.0, 9.0, 9.0]


def test_work_that_is_called_off_waits_no_longer() -> None:
    stop = threading.Event()
    world = World(503)

    def sleep(_seconds: float) -> None:
        stop.set()

    with pytest.raises(Stopped):
        Retrier(Budget(), stop, clock=lambda: 0.0, sleep=sleep).send(HOST, world.send, lambda: None)

    assert len(world.asked) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 40.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 40, 999_999_999.0),
    ],
)
def test_retry_after_is_read_in_each_of_its_forms(text: str, seconds: float | None) -> None:
    assert retry_after(text, now=60.0) == seconds
