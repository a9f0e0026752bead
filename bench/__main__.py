"""The command line of the benchmark: `python -m bench`, which `make bench` runs."""

from __future__ import annotations

import io
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from bench.cases import SMOKE, chosen
from bench.cluster import Cluster
from bench.go_program import CACHE, GoMissing
from bench.load_generator import LoadGenerator
from bench.load_program import Timing
from bench.machine import this_machine
from bench.report import Report
from bench.results import DIRECTORY, Results, today
from bench.run import Run
from bench.starts import STARTED, starts
from bench.systems.catalog import Catalog

_COLUMNS: Final = 150
_ROUNDS: Final = 5
_FULL: Final = Timing(warm_up_s=0.7, measure_s=2.5)
_SMOKE: Final = Timing(warm_up_s=0.5, measure_s=1.0)
_SMOKE_ROUNDS: Final = 2


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--only", multiple=True, metavar="NAME", help="Cases whose names begin with NAME; =NAME is the whole of it."
)
@click.option("--system", "systems", multiple=True, metavar="NAME", help="This system only.")
@click.option("--rounds", type=click.IntRange(min=1), help=f"Rounds of each case.  [default: {_ROUNDS}]")
@click.option("--measure-s", type=click.FloatRange(min=0.1), help=f"Seconds of each.  [default: {_FULL.measure_s}]")
@click.option("--smoke", is_flag=True, help="What the targets need, short: two minutes instead of half an hour.")
def main(
    only: tuple[str, ...], systems: tuple[str, ...], rounds: int | None, measure_s: float | None, *, smoke: bool
) -> None:
    """Measure twinpost side by side with what it is measured against, and tell the ratios.

    --only and --system may be given again. What is not the whole is kept aside, and never among the results that the
    documents are made from.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Half an hour is long: whoever writes the output into a file shall see it grow.
        sys.stdout.reconfigure(line_buffering=True)
    console = Console(width=None if sys.stdout.isatty() else _COLUMNS)
    report = Report(console)
    try:
        generator = LoadGenerator()
    except GoMissing as error:
        raise click.ClickException(str(error)) from None
    whole = not (only or systems or rounds or measure_s or smoke)
    timing = _SMOKE if smoke else _FULL
    timing = Timing(warm_up_s=timing.warm_up_s, measure_s=measure_s or timing.measure_s)
    rounds = rounds or (_SMOKE_ROUNDS if smoke else _ROUNDS)
    cases = chosen(only or (SMOKE if smoke else ()), systems)
    results = Results(date=today(), command=_command(), machine=this_machine())
    with tempfile.TemporaryDirectory(prefix="twinpost-bench-") as scratch, Cluster.running(Path(scratch)) as cluster:
        catalog = Catalog(
            generator, Path(scratch), bootstrap_servers=cluster.bootstrap_servers, topic=cluster.topic.name
        )
        if whole:
            results.starts = starts(catalog, STARTED, results.unavailable)
        Run(catalog, cluster, results, timing, rounds=rounds).measure(cases, report.sample)
    report.summary(results)
    console.print(f"every sample: {results.write(DIRECTORY if whole else CACHE)}", soft_wrap=True)


def _command() -> str:
    """Return what was typed: `make` says so, and hands its own arguments on."""
    return os.environ.get("BENCH_COMMAND") or shlex.join(["python", "-m", "bench", *sys.argv[1:]])


if __name__ == "__main__":
    main()
