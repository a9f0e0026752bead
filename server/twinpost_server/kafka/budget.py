"""The budget of records in flight: what a worker may hold unacknowledged."""

from __future__ import annotations

from twinpost_server.core.errors import Failure, Reason, RequestFailed

__all__ = ["Budget"]


class Budget:
    """Counts records and bytes from the moment they are admitted until Kafka has told their fate.

    A caller who leaves, or whose deadline passes, frees nothing: the records are still held by the producer, so that
    the memory a worker uses is bounded by the budget and not by the patience of its callers. Lives on the loop's
    thread.

    Attributes:
        records: records held now.
        size_bytes: their bytes.
    """

    __slots__ = ("_records_max", "_size_bytes_max", "records", "size_bytes")

    def __init__(self, *, records_max: int, size_bytes_max: int) -> None:
        """Hold at most `records_max` records and `size_bytes_max` bytes."""
        self._records_max = records_max
        self._size_bytes_max = size_bytes_max
        self.records = 0
        self.size_bytes = 0

    def acquire(self, records: int, size_bytes: int) -> None:
        """Take room for `records` records of `size_bytes` bytes together.

        Raises:
            RequestFailed: OVERLOADED; nothing was taken.
        """
        if self.records + records > self._records_max:
            raise RequestFailed(_refusal("records", self.records, self._records_max))
        if self.size_bytes + size_bytes > self._size_bytes_max:
            raise RequestFailed(_refusal("bytes", self.size_bytes, self._size_bytes_max))
        self.records += records
        self.size_bytes += size_bytes

    def check_room(self, size_bytes: int) -> None:
        """Return if a request of `size_bytes` would be admitted now; takes nothing.

        Raises:
            RequestFailed: OVERLOADED.
        """
        if self.records >= self._records_max:
            raise RequestFailed(_refusal("records", self.records, self._records_max))
        if self.size_bytes + size_bytes > self._size_bytes_max:
            raise RequestFailed(_refusal("bytes", self.size_bytes, self._size_bytes_max))

    def release(self, records: int, size_bytes: int) -> None:
        """Give back what `acquire` took."""
        self.records -= records
        self.size_bytes -= size_bytes


def _refusal(what: str, held: int, limit: int) -> Failure:
    return Failure(
        reason=Reason.OVERLOADED,
        message=(
            f"the gateway holds {held} unacknowledged {what} of at most {limit} and cannot take this request on top: "
            "send it again after the delay; nothing was written"
        ),
    )
