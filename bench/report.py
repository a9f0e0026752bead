"""What a person reads in the terminal: samples as they come, then tables."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Final

from rich import box, table
from rich.console import Console

from bench.moment import Moment
from bench.results import Results
from bench.sample import Sample
from bench.scale_results import Point, ScaleResults
from bench.soak_results import SoakResults
from bench.table import Table, case_table, series_table, soak_tables, starts_table, targets_table

__all__ = ["Report"]

_COLUMNS: Final = 150
_MIB: Final = 1024**2
_US_PER_MS: Final = 1000
_QUIET_SHARE: Final = 0.02
"""What the rest of the machine may take before figures are called rough."""


class Report:
    """Prints to standard output."""

    def __init__(self) -> None:
        """Print to standard output."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            # Half an hour is long: whoever writes the output into a file shall see it grow.
            sys.stdout.reconfigure(line_buffering=True)
        self._console = Console(width=None if sys.stdout.isatty() else _COLUMNS)

    def sample(self, sample: Sample) -> None:
        """Print one sample in a line; errors so that nobody overlooks them."""
        latency = sample.latency_us
        self._line(
            f"{sample.case:<24} {sample.system:<12} round {sample.round}: {sample.records_per_s:>9,.0f} records/s  "
            f"{sample.cpu_us_per_record:>7.1f} µs CPU/record  "
            f"p50 {_ms(latency.get('p50'))}  p99 {_ms(latency.get('p99'))}"
        )
        self._warn(sample)

    def _warn(self, sample: Sample) -> None:
        if sample.unsent:
            self._line(f"  {sample.system} could not keep up: {sample.unsent} requests were never sent", "yellow")
        if sample.errors:
            self._line(
                f"  {sample.errors} ERRORS in {sample.case} on {sample.system}: {sample.error.strip()}", "bold red"
            )

    def matrix(self, results: Results) -> None:
        """Print every case and every target, then what there is to be warned of."""
        for case in dict.fromkeys(sample.case for sample in results.samples):
            self._table(case_table(results, case))
        if results.starts:
            self._table(starts_table(results))
        self._table(targets_table(results))
        self._line(f"Measured on {results.machine}")
        if results.others_share is not None and results.others_share > _QUIET_SHARE:
            self._line(
                f"Something else took {results.others_share:.0%} of the machine: these figures are rough.", "yellow"
            )
        for system, why in results.unavailable.items():
            self._line(f"NOT MEASURED: {system}: {why}", "bold red")
        errors = sum(1 for sample in results.samples if sample.errors)
        if errors:
            self._line(
                f"{errors} of {len(results.samples)} samples have ERRORS: their figures mean nothing.", "bold red"
            )

    def moment(self, moment: Moment) -> None:
        """Print the memory at a moment."""
        told = ", ".join(f"{part} {bytes_ / _MIB:.1f}" for part, bytes_ in moment.rss_bytes.items())
        self._line(f"{moment.at_s:>7.0f} s  MiB: {told}")

    def soak(self, results: SoakResults) -> None:
        """Print what a long run came to."""
        for content in soak_tables(results):
            self._table(content)
        for sample in results.samples:
            self._warn(sample)

    def point(self, name: str, point: Point) -> None:
        """Print one point of growth."""
        told = ", ".join(f"{figure} {number:,.15g}" for figure, number in point.figures.items())
        self._line(f"{point.at:>7,} {name}: {told}")

    def series(self, results: ScaleResults, name: str) -> None:
        """Print one series of growth."""
        self._table(series_table(results, name))

    def kept(self, path: Path) -> None:
        """Print where the results are."""
        self._line(f"everything that was measured: {path}")

    def _table(self, content: Table) -> None:
        shown = table.Table(title=content.title, title_justify="left", box=box.SIMPLE_HEAD)
        for column in content.header:
            shown.add_column(column, justify="right" if content.is_figure(column) else "left")
        for row in content.rows:
            shown.add_row(*row)
        self._console.print(shown)

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def _ms(us: float | None) -> str:
    return f"{'-':>7} ms" if us is None else f"{us / _US_PER_MS:>7.2f} ms"
