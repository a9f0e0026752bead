"""The targets' figures, from results whose figures are known."""

from __future__ import annotations

import pytest

from bench.results import Results
from bench.spread import Spread
from bench.targets import TARGETS, Target
from tests.unit.bench.made import results, sample


def figure(beginning: str, made: Results) -> Spread | None:
    """Return the figure of the one target whose words begin so."""
    [target] = [target for target in TARGETS if target.what.startswith(beginning)]
    return target.figure(made)


def test_best_peer_is_the_best_of_all_peers_in_all_cases_of_small_values() -> None:
    """Arrays of 100 against whatever a peer does best; larger values are another matter."""
    made = results(
        [
            sample("rest-array-100", "twinpost", records_per_s=6000),
            sample("rest-array-100", "bento", records_per_s=1000),
            sample("rest-single-256", "kafka-pixy", records_per_s=2000),
            sample("rest-array-100-1KiB", "bento", records_per_s=9000),
        ]
    )
    assert Spread(3.0, 3.0, 3.0) == figure("REST, arrays of 100:", made)


def test_lone_request_is_measured_against_floor_and_client_together() -> None:
    """2 ms against 1 ms and 0.6 ms."""
    made = results(
        [
            sample("rest-single-1", "twinpost", p50_us=2000),
            sample("rest-single-1", "floor", p50_us=1000),
            sample("rest-single-1", "raw", p50_us=600),
        ]
    )
    assert Spread(1.25, 1.25, 1.25) == figure("REST, one record, one caller: p50 over the floor's", made)


def test_tail_is_the_99th_percentile_over_the_median() -> None:
    """8 ms over 2 ms."""
    made = results([sample("rest-single-at-half", "twinpost", p50_us=2000, p99_us=8000)])
    assert Spread(4.0, 4.0, 4.0) == figure("REST, one record, at half", made)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.what)
def test_nothing_measured_is_no_figure(target: Target) -> None:
    """A target without its samples is 'not measured', neither reached nor missed."""
    assert target.figure(results([])) is None


@pytest.mark.parametrize(("at_most", "median", "reached"), [(True, 4, True), (True, 4.1, False), (False, 3.9, False)])
def test_limit_itself_is_within(*, at_most: bool, median: float, reached: bool) -> None:
    """At most 4 includes 4, at least 4 excludes 3.9."""
    target = Target(what="", figure=lambda _results: None, limit=4, at_most=at_most)
    assert reached == target.reached(Spread(median, 0, 9))
