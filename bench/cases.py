"""The matrix: every case that a run measures, as data.

Not the full product of loads, sizes, rates and systems, which would take a day, but a case for each thing that there is
to see. The systems of a case are measured one after the other in every round, so that what is compared lies seconds
apart.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bench.case import Case, Protocol, Rate

__all__ = ["ALONE", "ARRAYS", "CASES", "OURS", "PEERS", "RATES", "SMOKE", "STREAM_RATES", "TOP", "chosen"]

KIB: Final = 1024

_REST, _UNARY, _STREAM = Protocol.REST, Protocol.GRPC_UNARY, Protocol.GRPC_STREAM

OURS: Final = "twinpost"
PEERS: Final = ("kafka-pixy", "bento")
ALONE: Final = "rest-single-1"
TOP: Final = "rest-single-64"
"""Its answers a second are what rates are parts of."""

_SINGLE: Final = (OURS, "floor", *PEERS)
_ARRAY: Final = (OURS, "floor", "raw", "bento")
_GRPC: Final = (OURS, "floor", "raw")
_WORKERS: Final = (OURS, "twinpost-2", "twinpost-4")

ARRAYS: Final = {1: TOP, 10: "rest-array-10", 100: "rest-array-100", 1000: "rest-array-1000"}
"""The cases of REST that differ in the number of records a request, by that number."""

RATES: Final = {rate: f"rest-single-at-{rate}" for rate in (250, 500, 1000, 2000)}
"""The cases of REST, one record a request, at a steady rate, by requests a second."""

STREAM_RATES: Final = {rate: f"grpc-stream-4-at-{rate}" for rate in (10_000, 50_000, 100_000)}
"""The cases of streams at a steady rate, by records a second."""

CASES: Final = (
    # One record a request over REST, from callers that wait for their answers.
    Case(name=ALONE, systems=(OURS, "floor", "raw", *PEERS), protocol=_REST),
    Case(name="rest-single-16", systems=_SINGLE, protocol=_REST, connections=16),
    Case(name=TOP, systems=_SINGLE, protocol=_REST, connections=64),
    Case(name="rest-single-256", systems=_SINGLE, protocol=_REST, connections=256),
    # The same at steady rates, whatever the answers take.
    *(
        Case(name=name, systems=_SINGLE, protocol=_REST, connections=64, rate=Rate(requests_per_s=rate))
        for rate, name in RATES.items()
    ),
    Case(
        name="rest-single-at-half",
        systems=(OURS,),
        protocol=_REST,
        connections=64,
        rate=Rate(of_top=0.5, of_case=TOP),
    ),
    # Larger values over REST.
    Case(name="rest-single-64-1KiB", systems=(OURS, *PEERS), protocol=_REST, connections=64, value_bytes=KIB),
    Case(name="rest-single-16-100KiB", systems=_SINGLE, protocol=_REST, connections=16, value_bytes=100 * KIB),
    # Arrays over REST. kafka-pixy takes none.
    Case(name=ARRAYS[10], systems=(OURS, "floor", "bento"), protocol=_REST, records=10, connections=8),
    Case(name=ARRAYS[100], systems=_ARRAY, protocol=_REST, records=100, connections=8),
    Case(name=ARRAYS[1000], systems=_ARRAY, protocol=_REST, records=1000, connections=8),
    Case(
        name="rest-array-100-1KiB",
        systems=(OURS, "raw", "bento"),
        protocol=_REST,
        records=100,
        connections=8,
        value_bytes=KIB,
    ),
    # gRPC. Bento has none, and kafka-pixy takes one record a call.
    Case(name="grpc-unary-1", systems=(OURS, "floor", "kafka-pixy"), protocol=_UNARY, connections=64),
    Case(
        name="grpc-unary-1-100KiB",
        systems=(OURS, "floor", "kafka-pixy"),
        protocol=_UNARY,
        connections=16,
        value_bytes=100 * KIB,
    ),
    Case(name="grpc-unary-100", systems=_GRPC, protocol=_UNARY, records=100, connections=8),
    Case(name="grpc-stream-1", systems=_GRPC, protocol=_STREAM, records=100),
    Case(name="grpc-stream-4", systems=_GRPC, protocol=_STREAM, records=100, connections=4),
    Case(name="grpc-stream-1-1KiB", systems=(OURS, "raw"), protocol=_STREAM, records=100, value_bytes=KIB),
    *(
        Case(
            name=name,
            systems=(OURS,),
            protocol=_STREAM,
            records=100,
            connections=4,
            rate=Rate(requests_per_s=rate / 100),
        )
        for rate, name in STREAM_RATES.items()
    ),
    # More workers.
    Case(name="workers-rest-single", systems=_WORKERS, protocol=_REST, connections=64),
    Case(name="workers-rest-array", systems=_WORKERS, protocol=_REST, records=100, connections=8),
    Case(name="workers-grpc-stream", systems=_WORKERS, protocol=_STREAM, records=100, connections=4),
)

SMOKE: Final = (
    f"={ALONE}",
    f"={TOP}",
    "rest-single-at-half",
    "=rest-array-100",
    "rest-array-1000",
    "grpc-unary-100",
    "=grpc-stream-1",
    "grpc-stream-4-at-50000",
)
"""What the short run measures: what the targets are about."""


def chosen(only: tuple[str, ...], systems: tuple[str, ...]) -> tuple[Case, ...]:
    """Return the cases that `only` names, each with the systems among `systems`; empty means all.

    `only` has beginnings of names, or whole names after a `=`. A case that a chosen one takes its rate from comes
    along.
    """
    wanted = {case.name for case in CASES if not only or any(_is_named(case, name) for name in only)}
    wanted |= {case.rate.of_case for case in CASES if case.name in wanted and case.rate}
    kept = []
    for case in CASES:
        here = tuple(name for name in case.systems if not systems or name in systems)
        if case.name in wanted and here:
            kept.append(replace(case, systems=here))
    return tuple(kept)


def _is_named(case: Case, name: str) -> bool:
    return case.name == name[1:] if name.startswith("=") else case.name.startswith(name)
