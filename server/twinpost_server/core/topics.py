"""The grammar of topic names, patterns included."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["TOPIC_RULE", "TopicPattern", "is_topic_name"]

TOPIC_RULE: Final = "1 to 249 characters of a-z A-Z 0-9 . _ - and neither '.' nor '..'"
"""The rule in words, for messages. Source: `Topic.validate` of Apache Kafka's clients."""

_TOPIC_NAME: Final = re.compile(r"(?!\.{1,2}\Z)[a-zA-Z0-9._-]{1,249}\Z")
_TOPIC_PREFIX: Final = re.compile(r"[a-zA-Z0-9._-]{0,249}\*\Z")


def is_topic_name(name: str) -> bool:
    """Return whether `name` is a legal topic name."""
    return _TOPIC_NAME.match(name) is not None


class TopicPattern:
    """A grant: one topic (`orders`), a prefix (`orders.*`, `orders*`) or every topic (`*`).

    The `*` stands only at the end and for any characters, none included.

    Raises:
        ValueError: `text` is none of these.
    """

    __slots__ = ("_name", "_prefix", "text")

    def __init__(self, text: str) -> None:
        """Read the pattern `text`."""
        if not (is_topic_name(text) or _TOPIC_PREFIX.match(text)):
            msg = f"{text!r} is neither a topic ({TOPIC_RULE}) nor a prefix ending in '*'"
            raise ValueError(msg)
        self.text = text
        self._prefix = text[:-1] if text.endswith("*") else None
        self._name = text

    def matches(self, topic: str) -> bool:
        """Return whether the pattern grants `topic`."""
        return topic == self._name if self._prefix is None else topic.startswith(self._prefix)
