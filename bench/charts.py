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

from bench.cases import ARRAYS, RATES
from bench.results import Results
from bench.sample import Sample
from bench.spread import Spread

__all__ = ["draw"]

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


def draw(results: Results, directory: Path) -> None:
    """Write the charts of `results` into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    caption = f"{results.machine}; {results.date}; {results.command}"
    for name, chart in _CHARTS.items():
        # Matplotlib's own settings, which a person may have changed, stay out of it.
        with style.context(["default", _STYLE]):
            figure = Figure(figsize=_INCHES, layout="constrained")
            chart(results, figure.add_subplot())
            figure.supxlabel(caption, fontsize=6, color="#666666")
            figure.savefig(directory / f"{name}.svg", metadata={"Creator": None, "Date": None})


def _latency_over_rate(results: Results, axes: Axes) -> None:
    for system in ("twinpost", "floor", "kafka-pixy", "bento"):
        for quantile, line in (("p50", "-"), ("p99", "--")):
            points = _points(results, system, RATES, partial(_latency_ms, quantile))
            axes.plot(*points, line, marker=".", color=_COLOURS[system], label=f"{system} {quantile}")
    axes.set(
        title="REST, one record a request, steady rate, 64 connections: latency from the moment a request was due",
        xlabel="requests/s",
        ylabel="ms",
        yscale="log",
    )
    axes.legend(ncols=4, fontsize=7, loc="upper left")


def _records_over_batch(results: Results, axes: Axes) -> None:
    for system in ("twinpost", "floor", "bento"):
        axes.plot(
            *_points(results, system, ARRAYS, lambda sample: sample.records_per_s),
            marker="o",
            color=_COLOURS[system],
            label=system,
        )
    _level(results, axes, lambda sample: sample.records_per_s)
    axes.set(
        title="REST: records a second by the number of records in a request",
        xlabel="records in a request",
        ylabel="records/s",
        xscale="log",
        yscale="log",
    )
    axes.legend(fontsize=8)


def _cpu_over_batch(results: Results, axes: Axes) -> None:
    for system in ("twinpost", "floor", "bento"):
        axes.plot(
            *_points(results, system, ARRAYS, lambda sample: sample.cpu_us_per_record),
            marker="o",
            color=_COLOURS[system],
            label=system,
        )
    _level(results, axes, lambda sample: sample.cpu_us_per_record)
    axes.set(
        title="REST: processor time for each record (server and Envoy) by the number of records in a request",
        xlabel="records in a request",
        ylabel="µs",
        xscale="log",
        yscale="log",
    )
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


_CHARTS: Final[Mapping[str, Callable[[Results, Axes], None]]] = MappingProxyType(
    {
        "latency-over-rate": _latency_over_rate,
        "records-over-batch": _records_over_batch,
        "cpu-over-batch": _cpu_over_batch,
    }
)
