"""Tables of figures, for terminals and documents alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from bench.cases import OURS
from bench.results import Results
from bench.sample import Sample
from bench.scale_results import ScaleResults
from bench.soak_results import SoakResults, slope_mib_per_hour
from bench.spread import Spread, ratio
from bench.targets import TARGETS

__all__ = ["Table", "case_table", "series_table", "soak_tables", "starts_table", "targets_table"]

_US_PER_MS: Final = 1000
_MIB: Final = 1024**2
_KIB_PER_MIB: Final = 1024
_NONE: Final = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of texts.

    Attributes:
        title: what it is about.
        header: the columns' names; the first column has words, all others have figures unless `words` names them.
        rows: the lines.
        words: further columns that have words.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[str] = frozenset()

    def is_figure(self, column: str) -> bool:
        """Return whether `column` has figures."""
        return column != self.header[0] and column not in self.words


def case_table(results: Results, case: str) -> Table:
    """Return what the systems did in `case`: medians, and twinpost's ratios to each of the others, round by round."""
    header = (
        "System",
        "records/s",
        "CPU µs/record",
        "of it Envoy",
        "p50 ms",
        "p99 ms",
        "RSS MiB",
        f"{OURS} ÷ it: records/s",
        "CPU",
        "p50",
    )
    ours = results.of(case, OURS)
    rows = []
    for system in dict.fromkeys(sample.system for sample in results.samples if sample.case == case):
        samples = results.of(case, system)
        good = [sample for sample in samples.values() if sample.requests]
        # A system that is load as well, or has no Envoy, has no such figure.
        timed = [sample for sample in good if sample.latency_us]
        proxied = [sample for sample in good if "envoy" in sample.cpu_s]
        ratios = [_NONE] * 3
        if system != OURS:
            ratios = [
                _spread(ratio(ours, samples, lambda sample: sample.records_per_s)),
                _spread(ratio(ours, samples, lambda sample: sample.cpu_us_per_record)),
                _spread(ratio(ours, samples, lambda sample: sample.latency_us.get("p50", 0.0))),
            ]
        rows.append(
            (
                system,
                _median(good, lambda sample: sample.records_per_s, ",.0f"),
                _median(good, lambda sample: sample.cpu_us_per_record, ".1f"),
                _median(proxied, lambda sample: sample.cpu_s["envoy"] * 1e6 / sample.records, ".1f"),
                _median(timed, lambda sample: sample.latency_us["p50"] / _US_PER_MS, ".2f"),
                _median(timed, lambda sample: sample.latency_us["p99"] / _US_PER_MS, ".2f"),
                _median(good, lambda sample: sum(sample.rss_bytes.values()) / _MIB, ".0f"),
                *ratios,
            )
        )
    return Table(title=case, header=header, rows=tuple(rows))


def targets_table(results: Results) -> Table:
    """Return each target with the figure that `results` have for it."""
    rows = []
    for target in TARGETS:
        figure = target.figure(results)
        verdict = "not measured" if figure is None else "yes" if target.reached(figure) else "no"
        rows.append((target.what, f"{'≤' if target.at_most else '≥'} {target.limit:g}", _spread(figure), verdict))
    header = ("Figure", "Target", "Measured", "Reached")
    return Table(title="targets", header=header, rows=tuple(rows), words=frozenset({"Reached"}))


def starts_table(results: Results) -> Table:
    """Return how long systems took until they were ready."""
    rows = tuple(
        (system, f"{statistics.median(taken_s):.2f}", f"{min(taken_s):.2f}", f"{max(taken_s):.2f}")
        for system, taken_s in results.starts.items()
    )
    return Table(title="start until ready", header=("System", "median s", "least s", "most s"), rows=rows)


def soak_tables(results: SoakResults) -> tuple[Table, Table]:
    """Return how the memory of each part went over a long run, and what was sent meanwhile."""
    settled_at = len(results.curve) // 4
    memory = tuple(
        (
            part,
            *(f"{results.curve[place].rss_bytes[part] / _MIB:.1f}" for place in (0, settled_at, -1)),
            f"{slope_mib_per_hour(results.curve, part):+.2f}",
        )
        for part in results.curve[0].rss_bytes
    )
    sent = tuple(
        (
            sample.case,
            f"{sample.requests_per_s:,.0f}",
            f"{sample.records_per_s:,.0f}",
            f"{sample.latency_us['p50'] / _US_PER_MS:.2f}",
            f"{sample.latency_us['p99'] / _US_PER_MS:.2f}",
            f"{sample.errors}",
        )
        for sample in results.samples
    )
    header = ("Part", "MiB at first", "after a quarter", "at last", "MiB/hour from then on")
    return (
        Table(title=f"memory over {results.minutes:g} minutes", header=header, rows=memory),
        Table(
            title="what was sent", header=("Load", "requests/s", "records/s", "p50 ms", "p99 ms", "errors"), rows=sent
        ),
    )


def series_table(results: ScaleResults, name: str) -> Table:
    """Return the series `name`, and in the last line what each further one takes of memory."""
    points = results.series[name]
    first, last = points[0], points[-1]
    rows = [(f"{point.at:,}", *(f"{figure:,.15g}" for figure in point.figures.values())) for point in points]
    each = (
        f"{(last.figures[figure] - first.figures[figure]) * _KIB_PER_MIB / (last.at - first.at):,.1f} KiB"
        if figure.endswith(" MiB")
        else ""
        for figure in first.figures
    )
    header = (name.capitalize(), *first.figures)
    return Table(title=f"more {name}", header=header, rows=(*rows, ("each further", *each)))


def _median(samples: Iterable[Sample], figure: Callable[[Sample], float], form: str) -> str:
    spread = Spread.of(map(figure, samples))
    return _NONE if spread is None else format(spread.median, form)


def _spread(spread: Spread | None) -> str:
    return _NONE if spread is None else f"{spread.median:.2f} ({spread.least:.2f} to {spread.greatest:.2f})"
