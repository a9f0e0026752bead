"""When to try again."""

from __future__ import annotations

import pytest

from twinpost.client.errors import Delivered, RecordError
from twinpost.client.retry import RetryPolicy, Tries

POLICY = RetryPolicy(delay_s_min=0.1, delay_s_max=1.0)


@pytest.mark.parametrize(("failures", "delay_s"), [(1, 0.1), (2, 0.2), (4, 0.8), (5, 1.0), (6, 1.0), (10_000, 1.0)])
def test_delay_doubles_up_to_its_cap(failures: int, delay_s: float) -> None:
    """Without jitter; a long outage overflows nothing."""
    assert pytest.approx(delay_s) == POLICY.delay_s(failures, None, lambda: 1.0)


def test_jitter_takes_up_to_half() -> None:
    """So that those who failed together do not come back together."""
    assert pytest.approx(0.5) == POLICY.delay_s(9, None, lambda: 0.0)


@pytest.mark.parametrize(("asked_s", "delay_s"), [(0.01, 0.1), (0.5, 0.5), (30.0, 30.0)])
def test_what_the_gateway_asks_for_is_the_least(asked_s: float, delay_s: float) -> None:
    """Also beyond the cap."""
    assert pytest.approx(delay_s) == POLICY.delay_s(1, asked_s, lambda: 1.0)


@pytest.mark.parametrize(("least", "most"), [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0)])
def test_bounds_out_of_order_are_refused(least: float, most: float) -> None:
    """Where they are given, not where they would hurt."""
    with pytest.raises(ValueError, match="delay_s_min must be above 0 and at most delay_s_max"):
        RetryPolicy(delay_s_min=least, delay_s_max=most)


def error(*, retriable: bool = True, delivered: Delivered = Delivered.NO) -> RecordError:
    """Return an error of these kinds."""
    return RecordError("OVERLOADED", "full", retriable=retriable, delivered=delivered)


class TestTries:
    """The tries of one call."""

    def test_delays_grow_until_the_deadline(self) -> None:
        """A try that could only just begin before it is none: its record would be in doubt."""
        tries = Tries(POLICY, 1.0, lambda: 1.0)
        assert [0.1, 0.2, 0.4] == [tries.next_after_s(error(), 0.35) for _ in range(3)]
        assert tries.next_after_s(error(), 0.35) is None

    @pytest.mark.parametrize(
        "final", [error(retriable=False), error(delivered=Delivered.UNKNOWN)], ids=["for good", "unknown"]
    )
    def test_what_would_not_help_or_might_double_is_final(self, final: RecordError) -> None:
        """Only what is certainly not stored is sent again."""
        assert Tries(POLICY, 100.0, lambda: 1.0).next_after_s(final, 0.0) is None

    def test_without_a_policy_there_is_one_try(self) -> None:
        """For callers who decide themselves."""
        assert Tries(None, 100.0, lambda: 1.0).next_after_s(error(), 0.0) is None
