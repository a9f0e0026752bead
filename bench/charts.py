"""The charts of a run, as SVG: the same results always make the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from bench.cases import ARRAYS, RATES
from bench.result_file import ResultFile
from bench.results import Results
from bench.sample import Sample
from bench.soak_results import SoakResults
from bench.spread import Spread

__all__ = ["draw"]

_MIB: Final = 1024**2
_S_PER_MINUTE: Final = 60
_US_PER_MS: Final = 1000
_INCHES: Final = (7.5, 4.2)
_STYLE: Final[dict[str, Any]] = {
    "svg.hashsalt": "twinpost",
    # Text stays text: small files, and words that can be found.
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}
# Colours that stay apart for colour-blind eyes (Okabe and Ito), one for each system in every chart.
_COLOURS: Final = MappingProxyType(
    {"twinpost": "#d55e00", "floor": "#999999", "raw": "#000000", "kafka-pixy": "#0072b2", "bento": "#009e73"}
)


def draw(source: Path, target: Path) -> None:
    """Write the charts of the newest results in the directory `source` into the directory `target`."""
    target.mkdir(parents=True, exist_ok=True)
    matrix = Results.newest(source)
    if matrix is not None:
        _draw(matrix, target / "latency-over-rate.svg", partial(_latency_over_rate, matrix))
        _draw(matrix, target / "records-over-batch.svg", partial(_records_over_batch, matrix))
        _draw(matrix, target / "cpu-over-batch.svg", partial(_cpu_over_batch, matrix))
    soak = SoakResults.newest(source)
    if soak is not None:
        _draw(soak, target / "memory-over-time.svg", partial(_memory_over_time, soak))


def _draw(results: ResultFile, path: Path, chart: Callable[[Axes], None]) -> None:
    # Matplotlib's own settings, which a person may have changed, stay out of it.
    with style.context(["default", _STYLE]):
        figure = Figure(figsize=_INCHES, layout="constrained")
        chart(figure.add_subplot())
        figure.supxlabel(f"{results.machine}; {results.date}; {results.command}", fontsize=6, color="#666666")
        figure.savefig(path, metadata={"Creator": None, "Date": None})


def _latency_over_rate(results: Results, axes: Axes) -> None:
    for system in ("twinpost", "floor", "kafka-pixy", "bento"):
        for quantile, line in (("p50", "-"), ("p99", "--")):
            points = _points(results, system, RATES, partial(_latency_ms, quantile))
            axes.plot(*points, line, marker="o", markersize=3, color=_COLOURS[system], label=f"{system} {quantile}")
    axes.set(
        title="REST, one record a request, 64 connections: latency at a steady rate",
        xlabel="requests/s",
        xticks=list(RATES),
        ylabel="ms",
        yscale="log",
    )
    _plain_numbers(axes)
    axes.legend(ncols=4, fontsize=7, handlelength=3)


def _records_over_batch(results: Results, axes: Axes) -> None:
    for system in ("twinpost", "floor", "kafka-pixy", "bento"):
        axes.plot(
            *_points(results, system, ARRAYS, lambda sample: sample.records_per_s),
            marker="o",
            color=_COLOURS[system],
            label=system,
        )
    _level(results, axes, lambda sample: sample.records_per_s)
    axes.set(
        title="REST: records a second",
        xlabel="records in a request",
        ylabel="records/s",
        xscale="log",
        yscale="log",
    )
    _plain_numbers(axes)
    axes.legend(fontsize=8)


def _cpu_over_batch(results: Results, axes: Axes) -> None:
    for system in ("twinpost", "floor", "kafka-pixy", "bento"):
        axes.plot(
            *_points(results, system, ARRAYS, lambda sample: sample.cpu_us_per_record),
            marker="o",
            color=_COLOURS[system],
            label=system,
        )
    _level(results, axes, lambda sample: sample.cpu_us_per_record)
    axes.set(
        title="REST: processor time for each record, server and Envoy",
        xlabel="records in a request",
        ylabel="µs",
        xscale="log",
        yscale="log",
    )
    _plain_numbers(axes)
    axes.legend(fontsize=8)


def _plain_numbers(axes: Axes) -> None:
    """Write numbers out, instead of as powers of ten."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))


def _memory_over_time(results: SoakResults, axes: Axes) -> None:
    minutes = [moment.at_s / _S_PER_MINUTE for moment in results.curve]
    for part in results.curve[0].rss_bytes:
        axes.plot(minutes, [moment.rss_bytes[part] / _MIB for moment in results.curve], label=part)
    axes.set(title="Memory under a steady mixed load", xlabel="minutes", ylabel="MiB", ylim=(0, None))
    axes.legend(fontsize=8)


def _level(results: Results, axes: Axes, figure: Callable[[Sample], float]) -> None:
    """Draw what the bare Kafka client reaches, which knows no requests, as a level."""
    level = Spread.of(map(figure, results.of(ARRAYS[1000], "raw").values()))
    if level is not None:
        axes.axhline(level.median, color=_COLOURS["raw"], linestyle=":", label="raw")


def _latency_ms(quantile: str, sample: Sample) -> float:
    return sample.latency_us[quantile] / _US_PER_MS


def _points(
    results: Results, system: str, cases: Mapping[int, str], figure: Callable[[Sample], float]
) -> tuple[list[int], list[float]]:
    """Return the places of `cases` and the medians of `figure` of `system` there, as far as there are any."""
    found = {}
    for place, case in cases.items():
        spread = Spread.of(figure(sample) for sample in results.of(case, system).values() if sample.requests)
        if spread is not None:
            found[place] = spread.median
    return list(found), list(found.values())
