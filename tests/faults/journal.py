"""The journal: what callers sent, and what they were told."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Acknowledged", "Attempt", "Failed", "Journal", "Outcome", "SentRecord", "Unanswered"]


@dataclass(frozen=True, slots=True)
class SentRecord:
    """A record as it was sent. Its value is unlike that of every other record of its topic."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes | None], ...] = ()
    partition: int | None = None
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The record is stored, and where."""

    partition: int
    offset: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The record was refused or failed, as the gateway told.

    Attributes:
        delivered: `no` or `unknown`.
    """

    reason: str
    delivered: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No answer came that the gateway made: nothing is known of the record.

    Attributes:
        error: what came instead.
        new_connection: whether the request was to be the first on its connection, which there may never have been.
    """

    error: str
    new_connection: bool = False


Outcome = Acknowledged | Failed | Unanswered


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request.

    Attributes:
        caller: who sent it, one request after the other.
        began_at: when, by `time.monotonic()`.
        ended_at: when the answer was there.
        status: HTTP's status code, or gRPC's by name; empty where there was no answer.
        records: what was sent.
        outcomes: what became of each record.
    """

    caller: str
    began_at: float
    ended_at: float
    status: str
    records: Sequence[SentRecord]
    outcomes: Sequence[Outcome]

    @property
    def took_s(self) -> float:
        """How long the answer took."""
        return self.ended_at - self.began_at

    @property
    def acknowledged(self) -> bool:
        """Whether every record was."""
        return all(isinstance(outcome, Acknowledged) for outcome in self.outcomes)

    @property
    def failures(self) -> list[Failed]:
        """What the gateway told of records that were not acknowledged."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, Failed)]

    @property
    def unanswered(self) -> list[Unanswered]:
        """What came instead of answers."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, Unanswered)]


class Journal:
    """Every attempt of a test, in order of its end. Many threads may write and read."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._attempts: list[Attempt] = []
        self._lock = threading.Lock()

    def add(self, attempt: Attempt) -> None:
        """Note an attempt that has ended."""
        with self._lock:
            self._attempts.append(attempt)

    def attempts(self) -> list[Attempt]:
        """Return every attempt."""
        with self._lock:
            return list(self._attempts)

    def since(self, moment: float) -> list[Attempt]:
        """Return the attempts that began at `moment` or later."""
        with self._lock:
            ended_later = itertools.takewhile(lambda attempt: attempt.ended_at >= moment, reversed(self._attempts))
            return [attempt for attempt in ended_later if attempt.began_at >= moment][::-1]
