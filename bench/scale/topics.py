"""More topics that are written to."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Final

import msgspec

from bench.case import Case, Protocol
from bench.load_program import LoadFailed
from bench.requests import value
from bench.scale.gateway import TIMING, measured, memory_mib
from bench.scale_results import Point
from bench.stage import Stage
from tests.gateway.rest import RestClient
from tests.gateway.users import MYUSER

__all__ = ["more_topics"]

_COUNTS: Final = (1, 100, 1_000, 10_000)
_OK: Final = 200
_SPREAD: Final = Case(name="spread", systems=("twinpost",), protocol=Protocol.REST, records=100, connections=8)


def more_topics(stage: Stage) -> Iterator[Point]:
    """Yield what a gateway takes whose records go to more and more topics, in arrays of 100."""
    names = [f"spread-{number}" for number in range(_COUNTS[-1])]
    created = 0
    for count in _COUNTS:
        stage.cluster.create_topics(names[created:count])
        created = count
        bodies = _bodies(names[:count])
        with stage.gateway() as gateway:
            client = RestClient(gateway.port, MYUSER)
            start = time.perf_counter()
            for body in bodies:
                response = client.send("POST", "/produce", body=body)
                if response.status != _OK:
                    raise LoadFailed(response.body.decode())
            first_s = time.perf_counter() - start
            order = gateway.order(_SPREAD, TIMING, rate_per_s=None)
            load = stage.generator.load(msgspec.structs.replace(order, target="/produce", bodies=bodies))
            outcome, usage = measured(gateway, load)
            figures = {
                "first round s": round(first_s, 2),
                **memory_mib(gateway),
                "records/s": round(outcome.records / outcome.seconds),
                "CPU µs/record": round(sum(usage.cpu_s.values()) * 1e6 / outcome.records, 1),
                "p50 ms": outcome.latency_us["p50"] / 1000,
                "p99 ms": outcome.latency_us["p99"] / 1000,
            }
            yield Point(count, figures)


def _bodies(names: list[str]) -> tuple[bytes, ...]:
    """Return arrays of 100 messages that name every topic in turn."""
    text = value(_SPREAD.value_bytes)
    turns = cycle(names)
    arrays = max(1, len(names) // _SPREAD.records)
    return tuple(
        json.dumps([{"topic": name, "value": text} for name in islice(turns, _SPREAD.records)]).encode()
        for _ in range(arrays)
    )
