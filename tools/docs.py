"""The parts of the documents that are made from the code.

A made part stands between two comments, `<!-- NAME: ARGUMENT -->` (or `<!-- NAME -->`) and `<!-- end NAME -->`, each on
a line of its own. `python -m tools.docs` writes all of them in place; `tests/repo` proves them true. The names:

- `help: twinpost serve`: what that command's `--help` prints.
- `settings`: every setting with its default and what it accepts.
- `errors`: every reason with its status codes and what to do.
- `files`: the file map of `server/` and `client/`, each module with the first line of its docstring.
- `performance: targets`: figures of the newest run of the benchmark that is checked in; see `bench/document.py`.

The charts of that run, which the documents show, are made along with them.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic_core import PydanticUndefined

from bench.charts import draw
from bench.document import part
from bench.result_file import DIRECTORY as RESULTS
from twinpost_server.config.catalog import Catalog, dotted
from twinpost_server.config.settings import MIB, Settings
from twinpost_server.core.errors import REASONS
from twinpost_server.rpc.status import STATUSES

__all__ = ["CHARTS", "MARKER", "RESULTS", "documents", "render"]

ROOT: Final = Path(__file__).resolve().parent.parent
CHARTS: Final = ROOT / "docs" / "performance"
SOURCES: Final = (ROOT / "server", ROOT / "client")

MARKER: Final = re.compile(r"<!-- (end )?(help|settings|errors|files|performance)\b")
"""What every line that opens or closes a made part has."""

PART: Final = re.compile(
    r"^(?P<opening><!-- (?P<name>help|settings|errors|files|performance)(?:: (?P<argument>[^\n]+))? -->\n)"
    r"(?:(?!<!-- )[^\n]*\n)*"
    r"(?P<closing><!-- end (?P=name) -->)$",
    re.MULTILINE,
)

HELP_COLUMNS: Final = 100
"""The width of a terminal that help is printed for; README's reader has about that many columns."""


def documents() -> Iterator[Path]:
    """Yield the project's documents: those at the root, those in `docs/`, and one of each example."""
    yield from sorted(ROOT.glob("*.md"))
    yield from sorted((ROOT / "docs").rglob("*.md"))
    yield from sorted(ROOT.glob("examples/*/*.md"))


def render(document: str) -> str:
    """Return `document` with every made part as the code has it now."""

    def part(match: re.Match[str]) -> str:
        body = RENDERERS[match["name"]](match["argument"] or "")
        return f"{match['opening']}\n{body}\n\n{match['closing']}"

    return PART.sub(part, document)


def main() -> None:
    """Write every made part of every document in place and print which documents changed."""
    for path in documents():
        before = path.read_text(encoding="utf-8")
        after = render(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: written")
    draw(RESULTS, CHARTS)


def _help(command: str) -> str:
    program, *arguments = command.split()
    if program != "twinpost":
        message = f"a help part shows a twinpost command, not {command!r}"
        raise ValueError(message)
    plain = {"COLUMNS": str(HELP_COLUMNS), "NO_COLOR": "1", "TERM": "dumb", "PYTHONUTF8": "1"}
    answer = subprocess.run(
        [sys.executable, "-m", "twinpost_server", *arguments, "--help"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | plain,
    )
    lines = [line.rstrip() for line in answer.stdout.strip().splitlines()]
    return "\n".join(["```text", f"$ {command} --help", *lines, "```"])


def _settings(_argument: str) -> str:
    catalog = Catalog(Settings)
    rows = []
    for key in catalog.settings:
        field = catalog.sections[key[:-1]].model_fields[key[-1]]
        default = _default(field.default, is_bytes="_bytes_" in key[-1])
        rows.append((f"`{dotted(key)}`", default, catalog.expectation(key), field.description or ""))
    return _table(("Setting", "Default", "Accepts", "Meaning"), rows)


def _default(value: object, *, is_bytes: bool) -> str:
    if value is PydanticUndefined:
        return "required"
    match value:
        case None:
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case int() | float():
            mebibytes = f" ({value / MIB:g} MiB)" if is_bytes else ""
            return f"`{value:.15g}`{mebibytes}"
        case tuple():
            return "`[" + ", ".join(f'"{item}"' for item in value) + "]`"
        case _:
            return f'`"{value}"`'


def _errors(_argument: str) -> str:
    rows = (
        (
            f"`{reason}`",
            str(STATUSES[reason].http),
            f"`{STATUSES[reason].grpc.name}`",
            "yes" if rule.retriable else "no",
            rule.meaning,
            rule.next_step,
        )
        for reason, rule in sorted(REASONS.items(), key=lambda item: (STATUSES[item[0]].http, item[0]))
    )
    return _table(("Reason", "REST", "gRPC", "Retriable", "What happened", "What to do"), rows)


def _files(_argument: str) -> str:
    modules = ((source, path) for source in SOURCES for path in sorted(source.rglob("*.py")))
    rows = ((f"`{path.relative_to(source)}`", _first_line(path)) for source, path in modules)
    return _table(("Module", "What it holds"), rows)


def _first_line(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
    return (docstring or "").partition("\n")[0]


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _performance(argument: str) -> str:
    return part(argument, RESULTS)


RENDERERS: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {"help": _help, "settings": _settings, "errors": _errors, "files": _files, "performance": _performance}
)

if __name__ == "__main__":
    main()
