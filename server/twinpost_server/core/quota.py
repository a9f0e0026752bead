"""A quota: how many records and bytes a user may send each second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twinpost_server.core.errors import Failure, Reason, RequestFailed

__all__ = ["Quota", "QuotaMeter"]


_ROUNDING_S: Final = 1e-6
"""A debt that takes less than this to pay back is what rounding left of one: the wait would be too short to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """The rates a user was given.

    Attributes:
        records_per_s: records each second; `None` for no bound.
        bytes_per_s: bytes of records each second; `None` for no bound.
    """

    records_per_s: float | None = None
    bytes_per_s: float | None = None

    def __bool__(self) -> bool:
        """Return whether there is any bound."""
        return self.records_per_s is not None or self.bytes_per_s is not None

    def shared_by(self, workers: int) -> Quota:
        """Return the part of each of `workers` workers, over which Envoy spreads a user's requests evenly."""
        return Quota(
            records_per_s=None if self.records_per_s is None else self.records_per_s / workers,
            bytes_per_s=None if self.bytes_per_s is None else self.bytes_per_s / workers,
        )


class QuotaMeter:
    """Meters one user against a quota: a second's worth may come at once, and what is over is paid back by waiting.

    A request is admitted while the balance is not negative, however large it is, and then drives it below zero: else a
    request of more than a second's worth could never pass. The long-run rate holds all the same. This is the token
    bucket of Kafka's own client quotas (KIP-599) with refusal in place of delay.
    """

    __slots__ = ("_bytes", "_clock", "_metered_at", "_quota", "_records")

    def __init__(self, quota: Quota, clock: Callable[[], float]) -> None:
        """Start with a second's worth of `quota`; `clock` tells seconds that only grow."""
        self._quota = quota
        self._clock = clock
        self._records = quota.records_per_s or 0.0
        self._bytes = quota.bytes_per_s or 0.0
        self._metered_at = clock()

    def take(self, records: int, size_bytes: int) -> None:
        """Count a request of `records` records and `size_bytes` bytes.

        Raises:
            RequestFailed: QUOTA_EXCEEDED, with the time after which the balance is back; nothing was counted.
        """
        quota = self._quota
        now = self._clock()
        elapsed_s = now - self._metered_at
        self._metered_at = now
        # Both balances get their time before either may refuse. The longer debt counts, so that who waits for it need
        # not come twice.
        debt: tuple[float, str, float] = (0.0, "", 0.0)
        if quota.records_per_s is not None:
            self._records = min(quota.records_per_s, self._records + elapsed_s * quota.records_per_s)
            debt = max(debt, (-self._records / quota.records_per_s, "records", quota.records_per_s))
        if quota.bytes_per_s is not None:
            self._bytes = min(quota.bytes_per_s, self._bytes + elapsed_s * quota.bytes_per_s)
            debt = max(debt, (-self._bytes / quota.bytes_per_s, "bytes", quota.bytes_per_s))
        after_s, what, rate_per_s = debt
        if after_s > _ROUNDING_S:
            raise RequestFailed(_refusal(what, rate_per_s, after_s))
        self._records -= records
        self._bytes -= size_bytes

    def give_back(self, records: int, size_bytes: int) -> None:
        """Take back what `take` counted."""
        self._records += records
        self._bytes += size_bytes


def _refusal(what: str, rate_per_s: float, retry_after_s: float) -> Failure:
    return Failure(
        reason=Reason.QUOTA_EXCEEDED,
        message=(
            f"the user is over its quota of {rate_per_s:g} {what} a second: "
            f"send again after {retry_after_s:.1f} s; nothing was written"
        ),
        retry_after_s=retry_after_s,
    )
