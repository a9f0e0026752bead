"""The documents: what is made from the code is what the code says now."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from bench.charts import draw
from tools import docs

DOCUMENTS = [str(path.relative_to(docs.ROOT)) for path in docs.documents()]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)\s]*)?\)")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_made_parts_are_what_the_code_says(root: Path, name: str) -> None:
    """`make docs` would change nothing."""
    document = (root / name).read_text(encoding="utf-8")
    assert document == docs.render(document)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_marker_belongs_to_a_part(root: Path, name: str) -> None:
    """A mistyped marker does not silently leave a part unmade."""
    document = (root / name).read_text(encoding="utf-8")
    paired = sum(2 for _ in docs.PART.finditer(document))
    assert paired == len(docs.MARKER.findall(document))


@pytest.mark.parametrize(
    ("name", "marker"),
    [
        ("README.md", "<!-- help: twinpost -->"),
        ("README.md", "<!-- help: twinpost serve -->"),
        ("README.md", "<!-- settings -->"),
        ("docs/errors.md", "<!-- errors -->"),
        ("docs/architecture.md", "<!-- files -->"),
        ("docs/performance.md", "<!-- performance: targets -->"),
    ],
)
def test_document_has_its_made_part(root: Path, name: str, marker: str) -> None:
    """The parts a reader relies on are made, not written by hand."""
    assert marker in (root / name).read_text(encoding="utf-8")


def test_charts_are_those_of_the_newest_results(tmp_path: Path) -> None:
    """`make docs` would draw the same, byte for byte, and no chart is left from another time."""
    draw(docs.RESULTS, tmp_path)
    fresh = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert fresh == {path.name: path.read_bytes() for path in docs.CHARTS.glob("*")}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_files(root: Path, name: str) -> None:
    """A relative link names a file of the repository."""
    path = root / name
    targets = [unquote(target) for target in LINK.findall(path.read_text(encoding="utf-8"))]
    assert [] == [target for target in targets if not (path.parent / target).exists()]


def test_settings_part_tells_defaults_as_the_file_takes_them() -> None:
    """Sizes are told in MiB as well, text stands in quotes, and what has no default says so."""
    table = docs.render("<!-- settings -->\n<!-- end settings -->")
    assert "| `limits.body_bytes_max` | `16777216` (16 MiB) |" in table
    assert "| `limits.request_records_max` | `10000` |" in table
    assert '| `auth.mode` | `"basic"` |' in table
    assert "| `kafka.bootstrap_servers` | required |" in table


def test_rendering_twice_changes_nothing() -> None:
    """A made part is found again between its markers, and the text around it stays."""
    document = "before\n<!-- errors -->\nold\n<!-- end errors -->\nafter\n"
    once = docs.render(document)
    assert once == docs.render(once)
    assert once.startswith("before\n<!-- errors -->\n\n| Reason |")
    assert once.endswith(" |\n\n<!-- end errors -->\nafter\n")


def test_changelog_has_a_place_for_what_is_not_released(root: Path) -> None:
    """The changelog opens with the section that changes are written into."""
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "[Unreleased]" == re.findall(r"^## (.*)$", changelog, re.MULTILINE)[0]


DECISIONS = sorted(path.name for path in (docs.ROOT / "docs" / "decisions").glob("[0-9]*.md"))


@pytest.mark.parametrize("name", DECISIONS)
def test_decision_record_has_its_sections(root: Path, name: str) -> None:
    """A record tells what was at stake, what was decided and what follows, in that order."""
    record = (root / "docs" / "decisions" / name).read_text(encoding="utf-8")
    assert ["Context", "Decision", "Consequences"] == re.findall(r"^## (.*)$", record, re.MULTILINE)


def test_decision_records_are_numbered_in_a_row() -> None:
    """No number is left out or given twice; 0000 is the template."""
    assert list(range(len(DECISIONS))) == [int(name[:4]) for name in DECISIONS]
