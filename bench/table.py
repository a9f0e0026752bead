"""Tables of figures, for terminals and documents alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from bench.cases import OURS
from bench.results import Results
from bench.sample import Sample
from bench.spread import Spread, ratio
from bench.targets import TARGETS

__all__ = ["Table", "case_table", "starts_table", "targets_table"]

_US_PER_MS: Final = 1000
_MIB: Final = 1024**2
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


def _median(samples: Iterable[Sample], figure: Callable[[Sample], float], form: str) -> str:
    spread = Spread.of(map(figure, samples))
    return _NONE if spread is None else format(spread.median, form)


def _spread(spread: Spread | None) -> str:
    return _NONE if spread is None else f"{spread.median:.2f} ({spread.least:.2f} to {spread.greatest:.2f})"
