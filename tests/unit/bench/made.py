"""Results made up for tests."""

from __future__ import annotations

from collections.abc import Sequence

from bench.machine import Machine
from bench.moment import Moment
from bench.results import Results
from bench.sample import Sample
from bench.scale_results import Point, ScaleResults
from bench.soak_results import SoakResults

__all__ = ["results", "sample", "scale_results", "soak_results"]

MIB = 1024**2
_RUN = {
    "date": "2026-11-24",
    "command": "make bench",
    "machine": Machine(cpu="Some CPU @ 2 GHz", cores=2, memory_gib=8, system="Linux 6.1", python="3.11.7"),
}


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
        rss_bytes={"server": 10 * MIB},
        latency_us={"p50": p50_us, "p99": p99_us},
    )


def results(samples: Sequence[Sample], **others: object) -> Results:
    """Return the results of a run that measured `samples`."""
    return Results(**{**_RUN, "samples": list(samples), **others})  # type: ignore[arg-type] # fields by name


def soak_results() -> SoakResults:
    """Return the results of a run of seven minutes whose memory jumps in the first, then grows by 1 MiB a minute."""
    sizes_mib = (10, 50, 51, 52, 53, 54, 55, 56)
    curve = [Moment(at_s=60.0 * minute, rss_bytes={"workers": size * MIB}) for minute, size in enumerate(sizes_mib)]
    samples = [sample("rest-single", "twinpost")]
    return SoakResults(**_RUN, minutes=7, curve=curve, samples=samples)  # type: ignore[arg-type] # fields by name


def scale_results() -> ScaleResults:
    """Return the results of a series: 2 MiB for a thousand users."""
    points = [Point(1, {"workers MiB": 10.046875, "p50 ms": 2.0}), Point(1001, {"workers MiB": 12, "p50 ms": 2.5})]
    return ScaleResults(**_RUN, series={"users": points})  # type: ignore[arg-type] # fields by name
