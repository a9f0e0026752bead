"""A caller whose credentials were accepted."""

from __future__ import annotations

from typing import Final

from twinpost_server.core.quota import QuotaMeter
from twinpost_server.core.topics import TopicPattern

__all__ = ["ANONYMOUS", "Principal"]


class Principal:
    """A caller whose credentials were accepted.

    Attributes:
        name: the user's name, for logs and quotas.
    """

    __slots__ = ("_granted", "_meter", "_patterns", "name")

    def __init__(self, name: str, patterns: tuple[TopicPattern, ...], meter: QuotaMeter | None = None) -> None:
        """Name the caller, grant every topic that one of `patterns` matches, and count what it sends on `meter`."""
        self.name = name
        self._meter = meter
        self._patterns = patterns
        self._granted: set[str] = set()

    def may_write(self, topic: str) -> bool:
        """Return whether the caller may write `topic`; remembers what it granted, so a hot topic costs one lookup."""
        if topic in self._granted:
            return True
        if not any(pattern.matches(topic) for pattern in self._patterns):
            return False
        if len(self._granted) < _GRANTED_MAX:
            self._granted.add(topic)
        return True

    def charge(self, records: int, size_bytes: int) -> None:
        """Count a request of `records` records of `size_bytes` bytes against the caller's quota.

        Raises:
            RequestFailed: QUOTA_EXCEEDED, with the time to wait; nothing was counted.
        """
        if self._meter is not None:
            self._meter.take(records, size_bytes)

    def refund(self, records: int, size_bytes: int) -> None:
        """Take back what `charge` counted, of a request of which nothing was handed over."""
        if self._meter is not None:
            self._meter.give_back(records, size_bytes)


_GRANTED_MAX: Final = 10_000
"""Topics remembered per caller, so that a caller who invents names cannot grow the set without bound."""

ANONYMOUS: Final = Principal("anonymous", (TopicPattern("*"),))
"""Everyone, where `auth.mode` is `none`."""
