"""The memory of a system at a moment."""

from __future__ import annotations

import msgspec

from bench.usage import Parts

__all__ = ["Moment", "held"]


class Moment(msgspec.Struct, frozen=True):
    """The memory of a system at a moment.

    Attributes:
        at_s: seconds since the beginning.
        rss_bytes: the resident memory of each part.
    """

    at_s: float
    rss_bytes: dict[str, int]


def held(parts: Parts) -> dict[str, int]:
    """Return the resident memory of each part, in bytes.

    Raises:
        psutil.NoSuchProcess: a process has ended.
    """
    return {part: sum(int(process.memory_info().rss) for process in processes) for part, processes in parts.items()}
