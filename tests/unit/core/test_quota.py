"""Quotas: what passes, what waits, and for how long."""

from __future__ import annotations

import pytest

from twinpost_server.core.errors import Reason, RequestFailed
from twinpost_server.core.quota import Quota, QuotaMeter


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        """Start at zero."""
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands at zero."""
    return Clock()


def refused_for_s(meter: QuotaMeter, records: int, size_bytes: int) -> float | None:
    """Return after how many seconds a refused request may come again, or `None` where it passes."""
    try:
        meter.take(records, size_bytes)
    except RequestFailed as refused:
        return refused.failure.retry_delay_s
    return None


@pytest.mark.parametrize("quota", [Quota(records_per_s=10), Quota(bytes_per_s=10)])
def test_second_worth_passes_at_once_and_what_is_over_waits(quota: Quota, clock: Clock) -> None:
    """The balance may go below zero once, and must be back at zero for the next request."""
    meter = QuotaMeter(quota, clock)
    assert [None, None, 0.5] == [refused_for_s(meter, size, size) for size in (10, 5, 1)]
    clock.now = 0.4
    assert 0.1 == pytest.approx(refused_for_s(meter, 1, 1))
    clock.now = 0.5
    assert None is refused_for_s(meter, 1, 1)


def test_request_of_more_than_a_second_worth_passes_and_is_paid_back(clock: Clock) -> None:
    """Else it could never pass at all."""
    meter = QuotaMeter(Quota(records_per_s=10), clock)
    assert None is refused_for_s(meter, 100, 0)
    assert 9.0 == refused_for_s(meter, 1, 0)
    clock.now = 9.0
    assert None is refused_for_s(meter, 1, 0)


def test_refusal_says_why(clock: Clock) -> None:
    """The reason is its own, since waiting helps here and nothing else does."""
    meter = QuotaMeter(Quota(records_per_s=1), clock)
    meter.take(3, 0)
    with pytest.raises(
        RequestFailed, match=r"over its quota of 1 records a second: send again after 2\.0 s"
    ) as refusal:
        meter.take(1, 0)
    assert Reason.QUOTA_EXCEEDED is refusal.value.failure.reason


def test_refused_request_costs_nothing(clock: Clock) -> None:
    """A caller who repeats too early does not wait any longer for it."""
    meter = QuotaMeter(Quota(records_per_s=10), clock)
    meter.take(20, 0)
    assert [1.0, 1.0, 1.0] == [refused_for_s(meter, 5, 0) for _ in range(3)]


def test_refusals_for_one_rate_leave_the_other_its_time(clock: Clock) -> None:
    """Both balances come back at once, and the delay is that of the later one."""
    meter = QuotaMeter(Quota(records_per_s=10, bytes_per_s=10), clock)
    meter.take(20, 30)
    delays_s = []
    for tenth in range(1, 20):
        clock.now = tenth / 10
        delays_s.append(refused_for_s(meter, 1, 1))
    assert [2.0 - tenth / 10 for tenth in range(1, 20)] == pytest.approx(delays_s)
    clock.now = 2.0
    assert None is refused_for_s(meter, 1, 1)


def test_rest_saves_up_no_more_than_a_second(clock: Clock) -> None:
    """An hour of silence buys no hour of load."""
    meter = QuotaMeter(Quota(records_per_s=10), clock)
    clock.now = 3600.0
    meter.take(11, 0)
    assert 0.1 == pytest.approx(refused_for_s(meter, 1, 0))


def test_long_run_rate_is_the_quota(clock: Clock) -> None:
    """Whoever sends as soon as it may gets the rate, and the second's worth it began with."""
    meter = QuotaMeter(Quota(records_per_s=100), clock)
    passed = 0
    while clock.now < 60:
        delay_s = refused_for_s(meter, 7, 0)
        if delay_s is None:
            passed += 7
        else:
            clock.now += delay_s
    assert 60 * 100 + 100 == pytest.approx(passed, abs=14)


def test_unbounded_quota_refuses_nothing(clock: Clock) -> None:
    """No rate is no bound, and tells so."""
    meter = QuotaMeter(Quota(), clock)
    assert [None] * 3 == [refused_for_s(meter, 10**9, 10**12) for _ in range(3)]
    assert (False, True, True) == (bool(Quota()), bool(Quota(records_per_s=1)), bool(Quota(bytes_per_s=1)))


def test_workers_share_a_quota_evenly() -> None:
    """Together they let through what the user was given."""
    quota = Quota(records_per_s=100, bytes_per_s=1000)
    assert Quota(records_per_s=25, bytes_per_s=250) == quota.shared_by(4)
    assert Quota() == Quota().shared_by(4)
