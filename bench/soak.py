"""A long run under mixed load, to see whether memory grows: `python -m bench.soak`, which `make bench-soak` runs."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import click

from bench.case import Case, Protocol, Rate
from bench.go_program import CACHE
from bench.load_program import Load, Outcome, Timing
from bench.machine import this_machine
from bench.moment import Moment, held
from bench.report import Report
from bench.result_file import DIRECTORY, today
from bench.sample import Sample
from bench.soak_results import SoakResults
from bench.stage import Stage, command
from bench.systems.system import System
from bench.usage import Usage

__all__ = ["MIX"]

_MINUTES: Final = 20.0
_WARM_UP_S: Final = 2.0
_LOOK_AGAIN_S: Final = 5.0

MIX: Final = (
    Case(
        name="rest-single",
        systems=("twinpost",),
        protocol=Protocol.REST,
        connections=32,
        rate=Rate(requests_per_s=150),
    ),
    Case(
        name="rest-array",
        systems=("twinpost",),
        protocol=Protocol.REST,
        records=100,
        connections=8,
        rate=Rate(requests_per_s=50),
    ),
    Case(
        name="grpc-unary",
        systems=("twinpost",),
        protocol=Protocol.GRPC_UNARY,
        records=10,
        connections=16,
        rate=Rate(requests_per_s=100),
    ),
    Case(
        name="grpc-stream",
        systems=("twinpost",),
        protocol=Protocol.GRPC_STREAM,
        records=100,
        connections=4,
        rate=Rate(requests_per_s=100),
    ),
)
"""What is sent, all at once: about half of what two cores can do."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--minutes", type=click.FloatRange(min=0.2), default=_MINUTES, show_default=True)
def main(minutes: float) -> None:
    """Load twinpost from all sides for a long time, and tell how its memory goes."""
    report = Report()
    timing = Timing(warm_up_s=_WARM_UP_S, measure_s=minutes * 60)
    with Stage.open() as stage:
        system = stage.catalog.start("twinpost")
        try:
            curve, samples = _soaked(system, timing, report)
        finally:
            system.close()
    results = SoakResults(
        date=today(), command=command(), machine=this_machine(), minutes=minutes, curve=curve, samples=samples
    )
    report.soak(results)
    report.kept(results.write(DIRECTORY if minutes >= _MINUTES else CACHE))


def _soaked(system: System, timing: Timing, report: Report) -> tuple[list[Moment], list[Sample]]:
    parts = system.parts
    assert parts is not None
    curve: list[Moment] = []
    with ThreadPoolExecutor(len(MIX)) as threads:
        loads = [system.load(case, timing, rate_per_s=case.rate.requests_per_s if case.rate else None) for case in MIX]
        begin = time.monotonic()
        running: list[Future[tuple[Outcome, Usage]]] = [threads.submit(Load.run, load, parts, {}) for load in loads]
        while not all(future.done() for future in running):
            curve.append(Moment(round(time.monotonic() - begin, 1), held(parts)))
            report.moment(curve[-1])
            time.sleep(_LOOK_AGAIN_S)
    return curve, [Sample.of(case, "twinpost", 1, *future.result()) for case, future in zip(MIX, running, strict=True)]


if __name__ == "__main__":
    main()
