"""How long systems take from their start until they are ready."""

from __future__ import annotations

from typing import Final

from bench.systems.catalog import Catalog
from bench.systems.system import Unavailable

__all__ = ["STARTED", "starts"]

STARTED: Final = ("twinpost", "twinpost-4", "kafka-pixy", "bento")
_TIMES: Final = 5


def starts(catalog: Catalog, names: tuple[str, ...], unavailable: dict[str, str]) -> dict[str, list[float]]:
    """Start each system of `names` five times and return how long each took, in seconds, by name.

    What cannot be had goes into `unavailable`, with the reason.
    """
    taken_s: dict[str, list[float]] = {}
    for name in names:
        try:
            for _ in range(_TIMES):
                system = catalog.start(name)
                system.close()
                taken_s.setdefault(name, []).append(round(system.start_s, 3))
        except Unavailable as error:
            unavailable[name] = str(error)
    return taken_s
