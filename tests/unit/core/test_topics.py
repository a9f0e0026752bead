"""Topic names and the patterns that grant them."""

from __future__ import annotations

import pytest

from twinpost_server.core.topics import TopicPattern, is_topic_name


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "...", "a..", "-", "_", "x" * 249, "__consumer_offsets"])
def test_legal_name_is_taken(name: str) -> None:
    """Kafka's rule, its odd corners included."""
    assert is_topic_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "x" * 250, "a b", "a/b", "a\n", "\n", "é", "a\0", "a*", "٣", "\ud800", "..\n"]
)
def test_illegal_name_is_refused(name: str) -> None:
    """Other alphabets' digits and a newline at the end are no exceptions."""
    assert not is_topic_name(name)


@pytest.mark.parametrize(
    ("pattern", "topic", "granted"),
    [
        ("orders", "orders", True),
        ("orders", "orders2", False),
        ("orders", "order", False),
        ("orders*", "orders", True),
        ("orders*", "orders.eu", True),
        ("orders*", "order", False),
        ("orders.*", "orders.eu", True),
        ("orders.*", "orders", False),
        ("orders.*", "ordersXeu", False),
        ("*", "anything", True),
        (".*", ".hidden", True),
        (".*", "open", False),
        ("x" * 249, "x" * 249, True),
    ],
)
def test_pattern_grants_a_name_or_a_prefix(pattern: str, topic: str, *, granted: bool) -> None:
    """A dot is a dot: nothing but the star at the end stands for anything else."""
    assert granted is TopicPattern(pattern).matches(topic)


@pytest.mark.parametrize("text", ["", ".", "..", "a*b", "**", "*a", "a b", "a b*", "x" * 250, "é*", "a\n", "*\n"])
def test_anything_else_is_no_pattern(text: str) -> None:
    """A mistyped grant is refused, not guessed at."""
    with pytest.raises(ValueError, match="neither a topic"):
        TopicPattern(text)


def test_pattern_remembers_its_text() -> None:
    """It is shown as it was written."""
    assert "orders.*" == TopicPattern("orders.*").text
