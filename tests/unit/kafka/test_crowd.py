"""When requests are a crowd."""

from __future__ import annotations

import pytest

from twinpost_server.kafka.crowd import WINDOW_REQUESTS, Crowd

LINGER_S = 0.005


class Street:
    """A crowd, perhaps, and a clock that goes on by the same time with every request."""

    def __init__(self) -> None:
        """Nobody is there yet."""
        self.now_s = 0.0
        self.crowd = Crowd(LINGER_S, clock=lambda: self.now_s)

    def walk(self, requests: int, *, per_s: float, in_flight: int) -> list[bool]:
        """Let so many come, at that rate; return whether each was one of a crowd."""
        told = []
        for _ in range(requests):
            self.now_s += 1 / per_s
            told.append(self.crowd.joined_by_one(in_flight))
        return told


@pytest.fixture
def street() -> Street:
    """An empty one."""
    return Street()


def test_many_that_come_fast_are_a_crowd(street: Street) -> None:
    """Known once a window is over, and as long as they come."""
    told = street.walk(10 * WINDOW_REQUESTS, per_s=1500, in_flight=3)
    assert [False] * (WINDOW_REQUESTS - 1) + [True] * (9 * WINDOW_REQUESTS + 1) == told


def test_a_caller_who_waits_for_each_answer_is_none(street: Street) -> None:
    """However fast it is: there is nobody to wait for."""
    assert {False} == set(street.walk(10 * WINDOW_REQUESTS, per_s=5000, in_flight=0))


def test_slow_brokers_make_none(street: Street) -> None:
    """Many in flight, but few that come while one waits: nothing would be gathered."""
    assert {False} == set(street.walk(10 * WINDOW_REQUESTS, per_s=300, in_flight=20))


def test_a_crowd_that_slows_itself_down_is_over(street: Street) -> None:
    """A few callers who each wait for their answer, and now for each other."""
    street.walk(WINDOW_REQUESTS, per_s=1500, in_flight=3)
    assert street.crowd.is_there
    street.walk(WINDOW_REQUESTS, per_s=800, in_flight=4)
    assert not street.crowd.is_there


def test_a_crowd_is_not_judged_by_how_many_are_in_flight(street: Street) -> None:
    """They came fast: that is enough to go on."""
    street.walk(WINDOW_REQUESTS, per_s=1500, in_flight=3)
    assert {True} == set(street.walk(WINDOW_REQUESTS, per_s=1500, in_flight=0))


def test_what_does_not_linger_makes_no_crowd() -> None:
    """Where `kafka.linger_ms` is 0, nobody waits."""
    crowd = Crowd(0, clock=lambda: 0)
    assert {False} == {crowd.joined_by_one(100) for _ in range(10 * WINDOW_REQUESTS)}
