"""The made parts of `docs/performance.md`, from the newest results that are checked in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bench.results import Results
from bench.table import Table, case_table, starts_table, targets_table

__all__ = ["part"]


def part(argument: str, directory: Path) -> str:
    """Return the made part that `argument` asks for, in Markdown, from the newest results in `directory`.

    Args:
        argument: `run`, `targets`, `starts`, or `cases BEGINNING` for the cases whose names begin so.
        directory: where the results are.

    Raises:
        ValueError: there is no such part.
    """
    name, _, beginning = argument.partition(" ")
    if name not in _PARTS:
        msg = f"a performance part is one of {', '.join(_PARTS)}, not {argument!r}"
        raise ValueError(msg)
    results = Results.newest(directory)
    return "No figures yet: `make bench` takes them." if results is None else _PARTS[name](results, beginning)


def _run(results: Results, _beginning: str) -> str:
    versions = ", ".join(f"{system} {version}" for system, version in sorted(results.versions.items()))
    lines = [f"Measured on {results.date} with `{results.command}` on {results.machine}. Versions: {versions}."]
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


_PARTS: Final[Mapping[str, Callable[[Results, str], str]]] = MappingProxyType(
    {
        "run": _run,
        "targets": lambda results, _beginning: _markdown(targets_table(results)),
        "starts": lambda results, _beginning: _markdown(starts_table(results)),
        "cases": _cases,
    }
)
