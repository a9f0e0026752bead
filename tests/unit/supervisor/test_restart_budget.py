"""How soon, and how often, a failing process is started again."""

from __future__ import annotations

from twinpost_server.supervisor.restart_budget import (
    DELAY_FIRST_S,
    DELAY_MAX_S,
    HEALTHY_PERIOD_S,
    Exhausted,
    RestartBudget,
)


class Clock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        """Start at zero."""
        self.now_s = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now_s


def test_first_restart_is_immediate() -> None:
    """One failure costs no wait: service has to be back at once."""
    budget = RestartBudget(limit=5, window_s=60, clock=Clock())
    assert 0.0 == budget.failed(worked_s=0)


def test_wait_doubles_with_every_failure_in_a_row() -> None:
    """The second restart waits a little, each further one twice as long."""
    budget = RestartBudget(limit=100, window_s=60, clock=Clock())
    delays = [budget.failed(worked_s=0) for _ in range(5)]
    assert [0.0, DELAY_FIRST_S, DELAY_FIRST_S * 2, DELAY_FIRST_S * 4, DELAY_FIRST_S * 8] == delays


def test_wait_is_bounded_however_often_it_fails() -> None:
    """Thousands of failures neither wait for ever nor overflow."""
    clock = Clock()
    budget = RestartBudget(limit=5000, window_s=1, clock=clock)
    delays = []
    for _ in range(4000):
        delays.append(budget.failed(worked_s=0))
        clock.now_s += 1
    assert DELAY_MAX_S == delays[-1]


def test_wait_starts_over_after_a_healthy_period() -> None:
    """A process that worked for a while is not punished for failures of long ago."""
    budget = RestartBudget(limit=100, window_s=60, clock=Clock())
    for _ in range(5):
        budget.failed(worked_s=0)
    assert 0.0 == budget.failed(worked_s=HEALTHY_PERIOD_S)
    assert DELAY_FIRST_S == budget.failed(worked_s=0)


def test_limit_within_the_window_gives_up() -> None:
    """The fifth failure within the window is the last, whatever happened between them."""
    clock = Clock()
    budget = RestartBudget(limit=5, window_s=60, clock=clock)
    for _ in range(4):
        assert 0.0 == budget.failed(worked_s=HEALTHY_PERIOD_S)
        clock.now_s += 15
    assert Exhausted(5, 60) == budget.failed(worked_s=HEALTHY_PERIOD_S)


def test_failures_outside_the_window_are_forgotten() -> None:
    """A failure now and then never adds up."""
    clock = Clock()
    budget = RestartBudget(limit=5, window_s=60, clock=clock)
    delays = []
    for _ in range(50):
        delays.append(budget.failed(worked_s=15))
        clock.now_s += 15.1
    assert [0.0] * 50 == delays


def test_process_that_never_works_is_given_up_however_slowly_it_fails() -> None:
    """Starts that run into their deadline lie too far apart to meet in the window; that is no reason to go on."""
    clock = Clock()
    budget = RestartBudget(limit=5, window_s=60, clock=clock)
    for _ in range(4):
        assert not isinstance(budget.failed(worked_s=0), Exhausted)
        clock.now_s += 30
    assert Exhausted(5, None) == budget.failed(worked_s=0)


def test_work_in_between_forgives_starts_that_failed() -> None:
    """Only failures in a row say that the process cannot work."""
    clock = Clock()
    budget = RestartBudget(limit=3, window_s=60, clock=clock)
    for worked_s in (0, 0, 1) * 5:
        assert not isinstance(budget.failed(worked_s=worked_s), Exhausted)
        clock.now_s += 31


def test_limit_of_one_never_restarts() -> None:
    """The strictest setting gives up at the first failure."""
    assert Exhausted(1, 60) == RestartBudget(limit=1, window_s=60, clock=Clock()).failed(worked_s=1000)
