"""The made parts of `docs/performance.md`, from the newest results that are checked in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bench.result_file import ResultFile
from bench.results import Results
from bench.scale_results import ScaleResults
from bench.soak_results import SoakResults
from bench.table import Table, case_table, series_table, soak_tables, starts_table, targets_table

__all__ = ["part"]


def part(argument: str, directory: Path) -> str:
    """Return the made part that `argument` asks for, in Markdown, from the newest results in `directory`.

    Args:
        argument: `run`, `targets`, `starts`, or `cases BEGINNING` for the cases whose names begin so; `soak`, or
            `scale SERIES`.
        directory: where the results are.

    Raises:
        ValueError: there is no such part.
    """
    name, _, rest = argument.partition(" ")
    match name:
        case "soak":
            return _soak(SoakResults.newest(directory))
        case "scale":
            return _series(ScaleResults.newest(directory), rest)
        case _ if name in _MATRIX_PARTS:
            results = Results.newest(directory)
            return _no_figures("bench") if results is None else _MATRIX_PARTS[name](results, rest)
        case _:
            msg = f"a performance part is soak, scale or one of {', '.join(_MATRIX_PARTS)}, not {argument!r}"
            raise ValueError(msg)


def _no_figures(target: str) -> str:
    return f"No figures yet: `make {target}` takes them."


def _where(results: ResultFile) -> str:
    return f"Measured on {results.date} with `{results.command}` on {results.machine}."


def _soak(results: SoakResults | None) -> str:
    if results is None:
        return _no_figures("bench-soak")
    chart = "![memory over time](performance/memory-over-time.svg)"
    return "\n\n".join([_where(results), chart, *(_markdown(table) for table in soak_tables(results))])


def _series(results: ScaleResults | None, name: str) -> str:
    if results is None or name not in results.series:
        return _no_figures("bench-scale")
    return f"{_where(results)}\n\n{_markdown(series_table(results, name))}"


def _run(results: Results, _beginning: str) -> str:
    versions = ", ".join(f"{system} {version}" for system, version in sorted(results.versions.items()))
    lines = [f"{_where(results)} Versions: {versions}."]
    if results.others_share is not None:
        lines.append(
            f"Whatever else ran there took {results.others_share:.0%} of the machine meanwhile; the less, the better "
            "the figures."
        )
    lines += [f"Not measured: {system}, since {why}." for system, why in sorted(results.unavailable.items())]
    errors = sum(1 for sample in results.samples if sample.errors)
    if errors:
        lines.append(f"**{errors} of {len(results.samples)} samples have errors: their figures mean nothing.**")
    return "\n\n".join(lines)


def _cases(results: Results, beginning: str) -> str:
    names = dict.fromkeys(sample.case for sample in results.samples if sample.case.startswith(beginning))
    return "\n\n".join(f"`{name}`\n\n{_markdown(case_table(results, name))}" for name in names)


def _markdown(table: Table) -> str:
    rules = tuple("---:" if table.is_figure(column) else "---" for column in table.header)
    return "\n".join("| " + " | ".join(line) + " |" for line in (table.header, rules, *table.rows))


_MATRIX_PARTS: Final[Mapping[str, Callable[[Results, str], str]]] = MappingProxyType(
    {
        "run": _run,
        "targets": lambda results, _beginning: _markdown(targets_table(results)),
        "starts": lambda results, _beginning: _markdown(starts_table(results)),
        "cases": _cases,
    }
)
