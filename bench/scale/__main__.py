"""The program of growth: `python -m bench.scale`, which `make bench-scale` runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import click

from bench.go_program import CACHE
from bench.machine import this_machine
from bench.report import Report
from bench.result_file import DIRECTORY, today
from bench.scale.connections import more_connections
from bench.scale.topics import more_topics
from bench.scale.users import more_users
from bench.scale.workers import more_workers
from bench.scale_results import Point, ScaleResults
from bench.stage import Stage, command

_SERIES: Final[Mapping[str, Callable[[Stage], Iterator[Point]]]] = MappingProxyType(
    {
        "workers": more_workers,
        "users": more_users,
        "connections": more_connections,
        "topics": more_topics,
    }
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", multiple=True, type=click.Choice(list(_SERIES)), help="These alone; may be given again.")
def main(only: tuple[str, ...]) -> None:
    """Measure what more workers, users, idle connections and topics cost."""
    report = Report()
    results = ScaleResults(date=today(), command=command(), machine=this_machine(), series={})
    with Stage.open() as stage:
        for name in only or _SERIES:
            points = results.series[name] = []
            for point in _SERIES[name](stage):
                points.append(point)
                report.point(name, point)
            report.series(results, name)
    report.kept(results.write(CACHE if only else DIRECTORY))


if __name__ == "__main__":
    main()
