"""The grammar of topics against rules written down a second time, without a regular expression."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from twinpost_server.core.topics import TopicPattern, is_topic_name

LEGAL = frozenset(string.ascii_letters + string.digits + "._-")
NAMES = st.text(sorted(LEGAL), min_size=1, max_size=260)
ANY_TEXT = st.one_of(
    NAMES,
    st.text(),
    st.text(st.characters(exclude_categories=[])),
    st.builds("{}{}{}".format, NAMES, st.characters(exclude_categories=[]), NAMES),
)


def kafka_takes(name: str) -> bool:
    """Say what Kafka's clients say of a topic's name, the way their documentation puts it."""
    return 0 < len(name) < 250 and name not in {".", ".."} and not set(name) - LEGAL


@given(ANY_TEXT)
def test_grammar_is_kafkas(name: str) -> None:
    """For every text there is."""
    assert kafka_takes(name) is is_topic_name(name)


@given(ANY_TEXT, ANY_TEXT)
def test_pattern_grants_its_own_name_or_prefix_and_nothing_else(text: str, topic: str) -> None:
    """And is refused where it is neither."""
    prefix = text.removesuffix("*")
    is_prefix = text != prefix and len(prefix) < 250 and not set(prefix) - LEGAL
    try:
        pattern = TopicPattern(text)
    except ValueError:
        assert not kafka_takes(text)
        assert not is_prefix
        return
    assert is_prefix or kafka_takes(text)
    for candidate in (topic, prefix + topic, prefix, text):
        expected = candidate[: len(prefix)] == prefix if is_prefix else candidate == text
        assert expected is pattern.matches(candidate)
