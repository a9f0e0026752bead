"""Results made up for tests."""

from __future__ import annotations

from collections.abc import Sequence

from bench.machine import Machine
from bench.results import Results
from bench.sample import Sample

__all__ = ["results", "sample"]


def sample(
    case: str,
    system: str,
    *,
    number: int = 1,
    records_per_s: float = 1000,
    cpu_us_per_record: float = 10,
    p50_us: float = 2000,
    p99_us: float = 5000,
) -> Sample:
    """Return what came of a second of one record a request."""
    records = int(records_per_s)
    return Sample(
        case=case,
        system=system,
        round=number,
        requests=records,
        records=records,
        seconds=1,
        cpu_s={"server": cpu_us_per_record * records / 1e6},
        beside_cpu_s={},
        rss_bytes={"server": 10 * 1024**2},
        latency_us={"p50": p50_us, "p99": p99_us},
    )


def results(samples: Sequence[Sample], **others: object) -> Results:
    """Return the results of a run that measured `samples`."""
    machine = Machine(cpu="Some CPU @ 2 GHz", cores=2, memory_gib=8, system="Linux 6.1", python="3.11.7")
    given = {"date": "2026-11-24", "command": "make bench", "machine": machine, "samples": list(samples), **others}
    return Results(**given)  # type: ignore[arg-type] # fields by name
