"""The results of a long run under mixed load."""

from __future__ import annotations

import statistics
from typing import ClassVar, Final

from bench.moment import Moment
from bench.result_file import ResultFile
from bench.sample import Sample

__all__ = ["SoakResults", "slope_mib_per_hour"]

_MIB: Final = 1024**2
_S_PER_HOUR: Final = 3600


class SoakResults(ResultFile, kw_only=True):
    """What a long run came to.

    Attributes:
        minutes: how long it lasted.
        curve: the memory, from the first request on.
        samples: what each part of the mix came to; the processor time in each is that of all of them.
    """

    PREFIX: ClassVar[str] = "soak-"

    minutes: float
    curve: list[Moment]
    samples: list[Sample]


def slope_mib_per_hour(curve: list[Moment], part: str) -> float:
    """Return how fast the memory of `part` grew over the last three quarters of `curve`, in MiB an hour.

    The first quarter is left out: caches fill, and allocators find their size.
    """
    settled = curve[len(curve) // 4 :]
    hours = [moment.at_s / _S_PER_HOUR for moment in settled]
    sizes_mib = [moment.rss_bytes[part] / _MIB for moment in settled]
    return statistics.linear_regression(hours, sizes_mib).slope
