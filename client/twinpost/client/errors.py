"""Why a record was not acknowledged, and what is known of it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

__all__ = ["BufferFull", "Delivered", "PublisherClosed", "RecordError", "RecordOvertaken", "Violation"]


class Delivered(StrEnum):
    """What is known of a record that was not acknowledged."""

    NO = "no"
    """It is not in the log: sending it again makes no duplicate."""

    UNKNOWN = "unknown"
    """It may be in the log, or may yet get there."""


class Violation(NamedTuple):
    """A broken rule: where, as a path such as `records[3].headers[0].key`, and what."""

    path: str
    problem: str


class RecordError(Exception):
    """A record was not acknowledged. Raised, or returned in the record's place.

    Attributes:
        reason: what went wrong, for programs: a name of the contract's `ErrorReason`, without its prefix.
        message: what was wrong, what was expected and what to do, for people; its wording may change.
        retriable: whether the same record may succeed later without a change.
        delivered: what is known of the record.
        retry_delay_s: how long to wait before trying again, where the gateway said so.
        violations: the broken rules, where the gateway named them; it does for calls, not for records of a stream.
        halted_by: the failure of another record, where this one was not sent because of it (`halts_on`).
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        retriable: bool = False,
        delivered: Delivered = Delivered.NO,
        retry_delay_s: float | None = None,
        violations: tuple[Violation, ...] = (),
        halted_by: RecordError | None = None,
    ) -> None:
        """Tell of one record."""
        super().__init__(reason, message)
        self.reason = reason
        self.message = message
        self.retriable = retriable
        self.delivered = delivered
        self.retry_delay_s = retry_delay_s
        self.violations = violations
        self.halted_by = halted_by

    def __str__(self) -> str:
        """Return what a person needs to know."""
        return f"{self.reason} (delivered: {self.delivered}): {self.message}"

    @property
    def safely_retriable(self) -> bool:
        """Whether sending the record again may succeed, and makes no duplicate."""
        return self.retriable and self.delivered is Delivered.NO

    def in_doubt(self) -> RecordError:
        """Return the same error of a record that an earlier try may have stored."""
        if self.delivered is Delivered.UNKNOWN:
            return self
        return self._but(f"{self.message}; an earlier try may have stored the record", Delivered.UNKNOWN)

    def of_unsent(self) -> RecordError:
        """Return the same error of a record that was not sent at all."""
        if self.delivered is Delivered.NO:
            return self
        return self._but(f"{self.message}; the record was not sent", Delivered.NO)

    def overtaken(self) -> RecordOvertaken:
        """Return the same error of a record that is not tried again for the sake of its key's order."""
        return RecordOvertaken(
            self.reason,
            f"{self.message}; not tried again, since a later record of its key is, or may be, in the log",
            retriable=self.retriable,
            delivered=self.delivered,
            retry_delay_s=self.retry_delay_s,
            violations=self.violations,
        )

    def _but(self, message: str, delivered: Delivered) -> RecordError:
        return RecordError(
            self.reason,
            message,
            retriable=self.retriable,
            delivered=delivered,
            retry_delay_s=self.retry_delay_s,
            violations=self.violations,
            halted_by=self.halted_by,
        )


class RecordOvertaken(RecordError):
    """A record was not acknowledged, and a publisher could not try it again without breaking its key's order.

    A later record of the key is, or may be, in the log already. Sending this one again puts it behind that.
    """


class BufferFull(Exception):
    """There was no room for the record in time; it was not taken.

    Attributes:
        held_bytes: what the buffer held.
    """

    def __init__(self, held_bytes: int) -> None:
        """Tell what the buffer holds."""
        super().__init__(f"{held_bytes} bytes are held unsettled, and no room came free in time: publish more slowly")
        self.held_bytes = held_bytes


class PublisherClosed(Exception):
    """The publisher is closed, or closing; the record was not taken."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("the publisher is closed: publish before close(), or make another one")
