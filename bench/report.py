"""What a person reads in the terminal: samples as they come, then ratios."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench.results import Results
from bench.sample import Sample
from bench.spread import Spread, ratio
from bench.targets import TARGETS
from bench.usage import OTHERS

__all__ = ["Report"]

_US_PER_MS = 1000
_QUIET_SHARE = 0.02
"""What the rest of the machine may take before figures are called rough."""


class Report:
    """Prints to `console`."""

    def __init__(self, console: Console) -> None:
        """Print to `console`."""
        self._console = console

    def sample(self, sample: Sample) -> None:
        """Print one sample in a line; errors so that nobody overlooks them."""
        latency = sample.latency_us
        told = (
            f"{sample.case:<24} {sample.system:<12} round {sample.round}: {sample.records_per_s:>9,.0f} records/s  "
            f"{sample.cpu_us_per_record:>7.1f} µs CPU/record  "
            f"p50 {_ms(latency.get('p50'))}  p99 {_ms(latency.get('p99'))}"
        )
        self._console.print(told, highlight=False, soft_wrap=True)
        if sample.unsent:
            self._console.print(
                f"  {sample.system} could not keep up: {sample.unsent} requests were never sent", style="yellow"
            )
        if sample.errors:
            self._console.print(
                f"  {sample.errors} ERRORS in {sample.case} on {sample.system}: {sample.error}",
                style="bold red",
                highlight=False,
                markup=False,
            )

    def summary(self, results: Results) -> None:
        """Print every case as a table, twinpost's ratios to each other system in the last columns."""
        for name in dict.fromkeys(sample.case for sample in results.samples):
            self._console.print(self._case(results, name))
        for system, taken_s in results.starts.items():
            self._console.print(f"{system}: ready after {statistics.median(taken_s):.2f} s (median of {len(taken_s)})")
        for system, why in results.unavailable.items():
            self._console.print(f"NOT MEASURED: {system}: {why}", style="bold red", highlight=False, markup=False)
        self._console.print(self._targets(results))
        others = Spread.of(_others_share(sample, results.machine.cores) for sample in results.samples)
        if others is not None and others.median > _QUIET_SHARE:
            self._console.print(
                f"Something else took {others.median:.0%} of this machine: figures are rough, ratios a little less so.",
                style="yellow",
            )
        errors = [sample for sample in results.samples if sample.errors]
        if errors:
            self._console.print(
                f"{len(errors)} of {len(results.samples)} samples have errors: their figures mean nothing",
                style="bold red",
            )

    def _targets(self, results: Results) -> Table:
        table = Table(title="targets", title_justify="left", box=SIMPLE_HEAD)
        for column in ("figure", "target", "reached", ""):
            table.add_column(column, justify="right" if column in {"target", "reached"} else "left")
        for target in TARGETS:
            figure = target.figure(results)
            verdict = "not measured" if figure is None else "yes" if target.reached(figure) else "NO"
            limit = f"{'≤' if target.at_most else '≥'} {target.limit:g}"
            table.add_row(target.what, limit, _spread(figure), verdict, style="yellow" if verdict == "NO" else "")
        return table

    def _case(self, results: Results, case: str) -> Table:
        table = Table(title=case, title_justify="left", box=SIMPLE_HEAD)
        for column in ("system", "records/s", "µs CPU/record", "Envoy's µs", "p50 ms", "p99 ms", "RSS MiB"):
            table.add_column(column, justify="left" if column == "system" else "right")
        for column in ("records/s ratio", "CPU ratio", "p50 ratio"):
            table.add_column(column, justify="right", no_wrap=True)
        ours = results.of(case, "twinpost")
        for system in dict.fromkeys(sample.system for sample in results.samples if sample.case == case):
            samples = results.of(case, system)
            good = [sample for sample in samples.values() if sample.records]
            ratios = [""] * 3
            if system != "twinpost":
                ratios = [
                    _spread(ratio(ours, samples, lambda sample: sample.records_per_s)),
                    _spread(ratio(ours, samples, lambda sample: sample.cpu_us_per_record)),
                    _spread(ratio(ours, samples, lambda sample: sample.latency_us.get("p50", 0))),
                ]
            table.add_row(
                system,
                _median(good, lambda sample: sample.records_per_s, ",.0f"),
                _median(good, lambda sample: sample.cpu_us_per_record, ".1f"),
                _median(good, lambda sample: sample.cpu_s.get("envoy", 0) * 1e6 / sample.records, ".1f"),
                _median(good, lambda sample: sample.latency_us.get("p50", 0) / _US_PER_MS, ".2f"),
                _median(good, lambda sample: sample.latency_us.get("p99", 0) / _US_PER_MS, ".2f"),
                _median(good, lambda sample: sum(sample.rss_bytes.values()) / 1024**2, ".0f"),
                *ratios,
            )
        return table


def _others_share(sample: Sample, cores: int) -> float:
    return sample.beside_cpu_s.get(OTHERS, 0.0) / (sample.seconds * cores)


def _median(samples: Iterable[Sample], figure: Callable[[Sample], float], form: str) -> str:
    spread = Spread.of(map(figure, samples))
    return "-" if spread is None else format(spread.median, form)


def _spread(spread: Spread | None) -> str:
    return "-" if spread is None else f"{spread.median:.2f} [{spread.least:.2f}, {spread.greatest:.2f}]"


def _ms(us: float | None) -> str:
    return "    - ms" if us is None else f"{us / _US_PER_MS:>7.2f} ms"
