"""The matrix: every case that a run measures, as data.

Not the full product of loads, systems, sizes and rates, which would take a day, but what shows each effect once. The
systems of a case are measured one after the other in every round, so that what is compared lies seconds apart.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bench.case import Case, Protocol, Rate

__all__ = ["CASES", "chosen"]

KIB: Final = 1024

_REST, _UNARY, _STREAM = Protocol.REST, Protocol.GRPC_UNARY, Protocol.GRPC_STREAM

# One record of REST from 64 callers, whose answers a second are what rates are parts of.
_TOP: Final = "rest-single-64"

CASES: Final = (
    # One record a request over REST, by callers.
    Case(name="rest-single-1", systems=("twinpost", "floor", "raw"), protocol=_REST),
    Case(name=_TOP, systems=("twinpost", "floor"), protocol=_REST, connections=64),
    # Arrays over REST.
    Case(name="rest-array-100", systems=("twinpost", "floor", "raw"), protocol=_REST, records=100, connections=8),
    Case(name="rest-array-1000", systems=("twinpost", "floor", "raw"), protocol=_REST, records=1000, connections=8),
    # gRPC.
    Case(name="grpc-unary-1", systems=("twinpost", "floor"), protocol=_UNARY, connections=64),
    Case(name="grpc-unary-100", systems=("twinpost", "floor", "raw"), protocol=_UNARY, records=100, connections=8),
    Case(name="grpc-stream-1", systems=("twinpost", "floor", "raw"), protocol=_STREAM, records=100, connections=1),
    Case(name="grpc-stream-4", systems=("twinpost", "floor", "raw"), protocol=_STREAM, records=100, connections=4),
    # Latency at a steady rate, whatever the answers take.
    Case(
        name="rest-single-half-top",
        systems=("twinpost", "floor"),
        protocol=_REST,
        connections=64,
        rate=Rate(of_top=0.5, of_case=_TOP),
    ),
    Case(
        name="grpc-stream-4-at-50000",
        systems=("twinpost",),
        protocol=_STREAM,
        records=100,
        connections=4,
        rate=Rate(requests_per_s=500),
    ),
)


def chosen(only: tuple[str, ...], systems: tuple[str, ...]) -> tuple[Case, ...]:
    """Return the cases whose names hold one of `only`, each with the systems among `systems`; empty means all.

    A case that a chosen one takes its rate from comes along.
    """
    wanted = {case.name for case in CASES if not only or any(part in case.name for part in only)}
    wanted |= {case.rate.of_case for case in CASES if case.name in wanted and case.rate}
    kept = []
    for case in CASES:
        here = tuple(name for name in case.systems if not systems or name in systems)
        if case.name in wanted and here:
            kept.append(replace(case, systems=here))
    return tuple(kept)
