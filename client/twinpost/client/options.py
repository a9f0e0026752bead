"""How a publisher gathers, holds and tries again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twinpost.client.errors import RecordError
from twinpost.client.retry import RETRY, RetryPolicy

__all__ = ["IDLE_S_MAX", "MIB", "PublisherOptions"]

MIB: Final = 1024 * 1024

IDLE_S_MAX: Final = 30.0
"""How long, and up to twice as long, a stream stays open without a record.

It counts for the gateway's `limits.concurrent_requests_max`, and stays on the worker it began with.
"""

_BATCH_BYTES_MIN: Final = 1024
"""Room for a small record of a topic with the longest name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherOptions:
    """What a `Publisher` or `AsyncPublisher` keeps to.

    Attributes:
        batch_bytes_max: most bytes of the records that travel in one step on the stream, as Protobuf. Keep it below the
            gateway's `limits.body_bytes_max`.
        record_bytes_max: the same of one record, which travels alone where it is larger than that. What is larger still
            cannot be published. `None` for `batch_bytes_max`.
        batch_records_max: most records of one step. Keep it at or below the gateway's `limits.request_records_max`.
        linger_s: how long a record waits for others to travel with. Under load records gather anyway, while the step
            before them is under way.
        buffer_bytes_max: most bytes held unsettled, what a record takes in memory beside its own bytes included. Past
            it `publish` waits.
        delivery_timeout_s: how long after `publish` a record is settled at the latest.
        resend_unknown: whether to send again what may already be in the log (at least once): nothing is lost to a
            broken connection, and a record may be stored twice. Its metadata then says `maybe_duplicated`.
        retry: when to try again.
        halts_on: whether a record's failure is one that nothing may come after. What is not under way then fails with
            it, and so does what is published later; what is under way goes on to its end. Called on threads of the
            publisher's: it must not wait, nor use the publisher. What it raises is logged, and halts nothing. `None`
            goes on after every failure.
    """

    batch_bytes_max: int = 2 * MIB
    record_bytes_max: int | None = None
    batch_records_max: int = 1000
    linger_s: float = 0.005
    buffer_bytes_max: int = 32 * MIB
    delivery_timeout_s: float = 120.0
    resend_unknown: bool = False
    retry: RetryPolicy = RETRY
    halts_on: Callable[[RecordError], bool] | None = None

    def __post_init__(self) -> None:
        """Check every bound.

        Raises:
            ValueError: with all that is wrong.
        """
        problems = [
            problem
            for problem, wrong in (
                (
                    f"batch_bytes_max is {self.batch_bytes_max}: it must be at least {_BATCH_BYTES_MIN}",
                    self.batch_bytes_max < _BATCH_BYTES_MIN,
                ),
                (f"batch_records_max is {self.batch_records_max}: it must be at least 1", self.batch_records_max < 1),
                (f"linger_s is {self.linger_s}: it must not be below 0", not self.linger_s >= 0),
                (
                    f"record_bytes_max is {self.record_bytes_max}: it must be at least batch_bytes_max",
                    self.step_bytes_max < self.batch_bytes_max,
                ),
                (
                    f"buffer_bytes_max is {self.buffer_bytes_max}: it must be at least twice the largest step",
                    self.buffer_bytes_max < 2 * self.step_bytes_max,
                ),
                (
                    f"delivery_timeout_s is {self.delivery_timeout_s}: it must be above linger_s",
                    not self.delivery_timeout_s > self.linger_s,
                ),
            )
            if wrong
        ]
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def step_bytes_max(self) -> int:
        """What the largest step may have: a lone record of the largest size."""
        return self.batch_bytes_max if self.record_bytes_max is None else self.record_bytes_max
