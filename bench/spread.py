"""A figure of several rounds: its median, and how far the rounds lie apart."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bench.sample import Sample

__all__ = ["Spread", "ratio"]


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, the least and the greatest of them."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """Return the spread of `values`, or None where there are none."""
        found = sorted(values)
        return cls(statistics.median(found), found[0], found[-1]) if found else None


def ratio(above: Mapping[int, Sample], below: Mapping[int, Sample], figure: Callable[[Sample], float]) -> Spread | None:
    """Return the spread of `figure` of one system over that of another, each taken within one round.

    Only rounds count in which both have good answers and the figure below is not 0; None where there are none.
    """
    return Spread.of(
        figure(above[number]) / figure(below[number])
        for number in above
        if number in below and above[number].requests and below[number].requests and figure(below[number])
    )
