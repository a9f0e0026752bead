"""A gateway whose growth is measured."""

from __future__ import annotations

import time
from typing import Final

from bench.case import Case, Protocol
from bench.load_program import Load, LoadFailed, Outcome, Timing
from bench.moment import held
from bench.systems.twinpost import Twinpost
from bench.usage import Usage

__all__ = ["TIMING", "at_rest", "lone_requests", "measured", "memory_mib"]

TIMING: Final = Timing(warm_up_s=1.0, measure_s=4.0)
_REST_S: Final = 3.0
_LONE: Final = Case(name="lone", systems=("twinpost",), protocol=Protocol.REST)
_MIB: Final = 1024**2


def memory_mib(gateway: Twinpost) -> dict[str, float]:
    """Return the memory of the workers and of Envoy as it is now."""
    sizes = held(gateway.parts)
    return {f"{part} MiB": round(sizes[part] / _MIB, 1) for part in ("workers", "envoy")}


def at_rest(gateway: Twinpost) -> dict[str, float]:
    """Return the share of one core that the gateway takes while nobody calls."""
    usage = Usage(gateway.parts, {})
    usage.begin()
    start = time.monotonic()
    time.sleep(_REST_S)
    usage.end()
    return {"CPU at rest %": round(sum(usage.cpu_s.values()) * 100 / (time.monotonic() - start), 1)}


def lone_requests(gateway: Twinpost) -> dict[str, float]:
    """Return the latency of one caller who sends one record after the other."""
    outcome, _ = measured(gateway, gateway.load(_LONE, TIMING, rate_per_s=None))
    return {name: outcome.latency_us[name.removesuffix(" ms")] / 1000 for name in ("p50 ms", "p99 ms")}


def measured(gateway: Twinpost, load: Load) -> tuple[Outcome, Usage]:
    """Run `load` and return what came of it.

    Raises:
        LoadFailed: an answer was not good, or the load could not be put on.
    """
    outcome, usage = load.run(gateway.parts, {})
    if outcome.errors:
        raise LoadFailed(outcome.error)
    return outcome, usage
