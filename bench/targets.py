"""The figures that twinpost is to reach, as data. They are told, never asserted: machines differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench.cases import ALONE, ARRAYS, CASES, OURS, PEERS, STREAM_RATES, TOP
from bench.results import Results
from bench.sample import Sample
from bench.spread import Spread, ratio

__all__ = ["TARGETS", "Target"]

_US_PER_MS: Final = 1000
_VALUE_BYTES: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A figure, and how far it may go.

    Attributes:
        what: the figure, in words.
        figure: tells it from results; None where they lack what it is made from.
        limit: what it is to reach.
        at_most: whether less is better.
    """

    what: str
    figure: Callable[[Results], Spread | None]
    limit: float
    at_most: bool

    def reached(self, figure: Spread) -> bool:
        """Return whether the median of `figure` is within the limit."""
        return figure.median <= self.limit if self.at_most else figure.median >= self.limit


def _over(case: str, system: str, figure: Callable[[Sample], float]) -> Callable[[Results], Spread | None]:
    """Return what tells `figure` of twinpost over that of `system` in `case`."""
    return lambda results: ratio(results.of(case, OURS), results.of(case, system), figure)


def _alone(case: str, figure: Callable[[Sample], float]) -> Callable[[Results], Spread | None]:
    """Return what tells `figure` of twinpost in `case`."""
    return lambda results: Spread.of(figure(sample) for sample in results.of(case, OURS).values() if sample.requests)


def _p50_us(sample: Sample) -> float:
    return sample.latency_us.get("p50", 0.0)


def _records_per_s(sample: Sample) -> float:
    return sample.records_per_s


def _cpu_us_per_record(sample: Sample) -> float:
    return sample.cpu_us_per_record


def _over_best_peer(results: Results) -> Spread | None:
    """Tell the records a second over the best that any peer reached in any case with values as long."""
    best = 0.0
    for case in CASES:
        if case.value_bytes == _VALUE_BYTES:
            for peer in PEERS:
                reached = Spread.of(sample.records_per_s for sample in results.of(case.name, peer).values())
                best = max(best, reached.median if reached else 0.0)
    return Spread.of(sample.records_per_s / best for sample in results.of(ARRAYS[100], OURS).values() if best)


def _over_floor_and_raw(results: Results) -> Spread | None:
    """Tell the latency of a lone request over what the floor and the bare client take for theirs, together."""
    ours, floor, raw = (results.of(ALONE, system) for system in (OURS, "floor", "raw"))
    rounds = [number for number in ours if number in floor and number in raw]
    least_us = {number: _p50_us(floor[number]) + _p50_us(raw[number]) for number in rounds}
    return Spread.of(_p50_us(ours[number]) / least_us[number] for number in rounds if least_us[number])


def _tail(sample: Sample) -> float:
    return sample.latency_us["p99"] / sample.latency_us["p50"] if _p50_us(sample) else float("inf")


TARGETS: Final = (
    Target(
        what="REST, arrays of 100: records/s over the best that a peer reaches in any way",
        figure=_over_best_peer,
        limit=6,
        at_most=False,
    ),
    Target(
        what="REST, arrays of 1000: CPU per record, µs",
        figure=_alone(ARRAYS[1000], _cpu_us_per_record),
        limit=6,
        at_most=True,
    ),
    Target(
        what="REST, arrays of 1000: CPU per record over raw's",
        figure=_over(ARRAYS[1000], "raw", _cpu_us_per_record),
        limit=3.5,
        at_most=True,
    ),
    Target(
        what="gRPC, calls of 100: records/s over raw's",
        figure=_over("grpc-unary-100", "raw", _records_per_s),
        limit=0.35,
        at_most=False,
    ),
    Target(
        what="gRPC, one stream: records/s over raw's",
        figure=_over("grpc-stream-1", "raw", _records_per_s),
        limit=0.5,
        at_most=False,
    ),
    Target(
        what="REST, one record, 64 callers: CPU per request over the floor's",
        figure=_over(TOP, "floor", lambda sample: sample.cpu_us_per_request),
        limit=1.15,
        at_most=True,
    ),
    Target(
        what="REST, one record, one caller: p50 over the floor's and raw's together",
        figure=_over_floor_and_raw,
        limit=1.15,
        at_most=True,
    ),
    Target(
        what="REST, one record, one caller: p50 over kafka-pixy's",
        figure=_over(ALONE, "kafka-pixy", _p50_us),
        limit=1,
        at_most=True,
    ),
    Target(
        what="REST, one record, at half of the top rate: p99 over p50",
        figure=_alone("rest-single-at-half", _tail),
        limit=4,
        at_most=True,
    ),
    Target(
        what="gRPC, four streams at 50 000 records/s: p99, ms",
        figure=_alone(STREAM_RATES[50_000], lambda sample: sample.latency_us.get("p99", 0.0) / _US_PER_MS),
        limit=25,
        at_most=True,
    ),
)
