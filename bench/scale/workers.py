"""More workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bench.scale.gateway import at_rest, lone_requests, memory_mib
from bench.scale_results import Point
from bench.stage import Stage

__all__ = ["more_workers"]

_COUNTS: Final = (1, 2, 4, 8)


def more_workers(stage: Stage) -> Iterator[Point]:
    """Yield what gateways of more and more workers take."""
    for count in _COUNTS:
        with stage.gateway(workers=count) as gateway:
            lone = lone_requests(gateway)
            figures = {"start s": round(gateway.start_s, 2), **memory_mib(gateway), **at_rest(gateway), **lone}
            yield Point(count, figures)
