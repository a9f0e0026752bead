"""The document whose parts are addressed by path."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml

from twinpost_server.envoy.document import Document, TargetMissing

_TEXT = """
limits: &limits {connections: 3}
copy: *limits
filters:
- {name: first, text: "over 3 bytes"}
- {name: second}
- {name: twin}
- {name: twin}
script: |
  one
  two
"""


@pytest.fixture
def document() -> Document:
    """A small one."""
    return Document(_TEXT)


def test_a_part_is_found_by_key_by_index_and_by_name(document: Document) -> None:
    """In lists, a step is an index or the `name` of an item."""
    assert 3 == document["limits", "connections"]
    assert {"name": "second"} == document["filters", 1] == document["filters", "second"]


def test_a_change_shows_in_one_place_only(document: Document) -> None:
    """What was an alias is a copy."""
    document.replace(("limits", "connections"), 4)

    assert (4, 3) == (document["limits", "connections"], document["copy", "connections"])


def test_parts_are_added_removed_and_reworded(document: Document) -> None:
    """Each where it belongs."""
    document.add(("limits", "streams"), 5)
    document.remove(("filters", "second"))
    document.replace_text(("filters", "first", "text"), "3 bytes", "4 bytes")

    assert {"connections": 3, "streams": 5} == document["limits",]
    assert ["first", "twin", "twin"] == [item["name"] for item in document["filters",]]
    assert "over 4 bytes" == document["filters", "first", "text"]


_CHANGES: dict[str, Callable[[Document], object]] = {
    "get by an unknown key": lambda document: document["nowhere",],
    "get from what holds no parts": lambda document: document["limits", "connections", "deeper"],
    "get by an unknown name": lambda document: document["filters", "third"],
    "get by a name of two": lambda document: document["filters", "twin"],
    "get past the end": lambda document: document["filters", 4],
    "replace nothing": lambda document: document.replace(("limits", "streams"), 1),
    "remove nothing": lambda document: document.remove(("filters", "third")),
    "add what is there": lambda document: document.add(("limits", "connections"), 1),
    "add to nothing": lambda document: document.add(("nowhere", "connections"), 1),
    "reword what is not said": lambda document: document.replace_text(("filters", "first", "text"), "5", "6"),
}


@pytest.mark.parametrize("change", _CHANGES.values(), ids=_CHANGES)
def test_a_change_without_a_target_is_an_error(document: Document, change: Callable[[Document], object]) -> None:
    """Never a silent no-op, and the document is as it was."""
    with pytest.raises(TargetMissing, match=r"envoy\.yaml: cannot set "):
        change(document)

    assert Document(_TEXT).to_yaml() == document.to_yaml()


def test_what_is_written_can_be_read_by_people_and_parsers(document: Document) -> None:
    """No aliases, and a text of several lines stays one."""
    text = document.to_yaml()

    assert yaml.safe_load(_TEXT) == yaml.safe_load(text)
    assert "script: |\n  one\n  two\n" in text
    assert "*" not in text
