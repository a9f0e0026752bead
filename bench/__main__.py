"""The matrix: `python -m bench`, which `make bench` runs."""

from __future__ import annotations

import sys
from typing import Final

import click

from bench.cases import SMOKE, chosen
from bench.go_program import CACHE
from bench.load_program import Timing
from bench.machine import this_machine
from bench.report import Report
from bench.result_file import DIRECTORY, today
from bench.results import Results
from bench.run import Run
from bench.stage import Stage, command
from bench.starts import STARTED, starts

_ROUNDS: Final = 5
_FULL: Final = Timing(warm_up_s=0.7, measure_s=2.5)
_SMOKE_ROUNDS: Final = 2
_SMOKE: Final = Timing(warm_up_s=0.4, measure_s=0.9)


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
    documents are made from. The exit status is 1 where an answer was not good.
    """
    report = Report()
    whole = not (only or systems or rounds or measure_s or smoke)
    timing = _SMOKE if smoke else _FULL
    timing = Timing(warm_up_s=timing.warm_up_s, measure_s=measure_s or timing.measure_s)
    cases = chosen(only or (SMOKE if smoke else ()), systems)
    if not cases:
        msg = "no case has such a name with such a system: see bench/cases.py"
        raise click.UsageError(msg)
    results = Results(date=today(), command=command(), machine=this_machine())
    with Stage.open() as stage:
        if whole:
            results.starts = starts(stage.catalog, STARTED, results.unavailable)
        run = Run(stage.catalog, stage.cluster, results, timing, rounds=rounds or (_SMOKE_ROUNDS if smoke else _ROUNDS))
        run.measure(cases, report.sample)
    report.matrix(results)
    report.kept(results.write(DIRECTORY if whole else CACHE))
    if any(sample.errors for sample in results.samples):
        sys.exit(1)


if __name__ == "__main__":
    main()
