"""The command line of the benchmark: `python -m bench`, which `make bench` runs."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from bench.cases import chosen
from bench.cluster import cluster
from bench.go_program import GoMissing, built
from bench.load_generator import LoadGenerator, Timing
from bench.machine import this_machine
from bench.report import Report
from bench.results import DIRECTORY, Results, today
from bench.run import Run
from bench.systems.floor import Floor
from bench.systems.raw import Raw
from bench.systems.system import System
from bench.systems.twinpost import Twinpost

_HERE = Path(__file__).parent
_TOPIC = "bench"
_COLUMNS = 140


@click.command()
@click.option("--only", multiple=True, help="Cases whose names hold this; may be given again.")
@click.option("--system", "systems", multiple=True, help="These systems only; may be given again.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--warm-up-s", default=1.0, show_default=True)
@click.option("--measure-s", default=3.0, show_default=True)
def main(only: tuple[str, ...], systems: tuple[str, ...], rounds: int, warm_up_s: float, measure_s: float) -> None:
    """Measure twinpost side by side with what it is measured against."""
    console = Console(width=_COLUMNS)
    report = Report(console)
    try:
        load = LoadGenerator(built(_HERE / "load", ".", "load"))
    except GoMissing as error:
        raise click.ClickException(str(error)) from None
    results = Results(date=today(), command=shlex.join(["bench", *sys.argv[1:]]), machine=this_machine())
    timing = Timing(warm_up_s=warm_up_s, measure_s=measure_s)
    with tempfile.TemporaryDirectory(prefix="twinpost-bench-") as scratch:
        directory = Path(scratch)
        kafka = cluster(directory)
        try:
            kafka.create_topic(_TOPIC, partitions=4)

            def fresh(name: str) -> Path:
                return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=directory))

            servers = kafka.bootstrap_servers
            factories: dict[str, Callable[[], System]] = {
                "twinpost": lambda: Twinpost(load, fresh("twinpost"), bootstrap_servers=servers, topic=_TOPIC),
                "floor": lambda: Floor(load, fresh("floor"), topic=_TOPIC),
                "raw": lambda: Raw(bootstrap_servers=servers, topic=_TOPIC),
            }
            Run(factories, results, timing, rounds=rounds).measure(chosen(only, systems), report.sample)
        finally:
            kafka.close()
    report.summary(results)
    console.print(f"every sample: {results.write(DIRECTORY)}")


if __name__ == "__main__":
    main()
