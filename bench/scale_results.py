"""The results of growth: what more of something costs."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from bench.result_file import ResultFile

__all__ = ["Point", "ScaleResults"]


class Point(msgspec.Struct, frozen=True):
    """What was measured with so many of something.

    Attributes:
        at: how many.
        figures: by their names, which end in the unit; the same ones at every point of a series.
    """

    at: int
    figures: dict[str, float]


class ScaleResults(ResultFile, kw_only=True):
    """What more of something costs.

    Attributes:
        series: the points for each thing that there was more and more of.
    """

    PREFIX: ClassVar[str] = "scale-"

    series: dict[str, list[Point]]
