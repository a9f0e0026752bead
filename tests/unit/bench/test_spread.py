"""Medians and ratios of several rounds."""

from __future__ import annotations

from bench.spread import Spread, ratio
from tests.unit.bench.made import sample


def test_spread_is_the_median_with_the_extremes() -> None:
    """Of an even number of values the median is the mean of the middle two."""
    assert Spread(2.0, 1.0, 9.0) == Spread.of([9.0, 1.0, 2.0])
    assert Spread(2.5, 1.0, 9.0) == Spread.of([9.0, 1.0, 2.0, 3.0])


def test_nothing_has_no_spread() -> None:
    """Where nothing was measured there is no figure, rather than a zero."""
    assert Spread.of([]) is None


def test_ratio_is_taken_within_each_round() -> None:
    """A machine that is slow in one round is so for both: 2 in every round, though the sums would say otherwise."""
    ours = {number: sample("case", "twinpost", number=number, records_per_s=2 * number * 100) for number in (1, 2, 3)}
    theirs = {number: sample("case", "raw", number=number, records_per_s=number * 100) for number in (1, 2, 3)}
    assert Spread(2.0, 2.0, 2.0) == ratio(ours, theirs, lambda s: s.records_per_s)


def test_rounds_that_one_of_both_lacks_do_not_count() -> None:
    """Neither a round that was not measured nor one without a good answer is part of a ratio."""
    ours = {1: sample("case", "twinpost", records_per_s=300), 2: sample("case", "twinpost", records_per_s=0)}
    theirs = {1: sample("case", "raw", records_per_s=100), 2: sample("case", "raw"), 3: sample("case", "raw")}
    assert Spread(3.0, 3.0, 3.0) == ratio(ours, theirs, lambda s: s.records_per_s)
    assert ratio({}, theirs, lambda s: s.records_per_s) is None
