"""What the use-cases need from the outside world."""

from __future__ import annotations

from typing import Protocol

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Outcome

__all__ = ["PendingWrite", "RecordSink", "RecordStream"]


class PendingWrite(Protocol):
    """Records that were handed over, and whose fate may not be known yet."""

    async def outcomes(self) -> list[Outcome]:
        """Return what became of each record, in the order handed over. Cancelling recalls nothing."""
        ...


class RecordStream(Protocol):
    """A sequence of batches that are stored one after another."""

    async def enqueue(self, batch: RecordBatch, *, deadline: float) -> PendingWrite:
        """Hand over the records of `batch`, waiting for room where there is none.

        Awaited one after another, the batches of a stream are stored in that order, partition by partition. A caller
        that is cancelled while it waits has handed over nothing. It may have to wait for the outcomes of earlier
        batches, which somebody must ask for meanwhile.

        Args:
            batch: checked records, at least one.
            deadline: as for `RecordSink.write`; waiting for room counts.

        Raises:
            RequestFailed: as for `RecordSink.write`; over budget only where no room came free by `deadline`.
        """
        ...


class RecordSink(Protocol):
    """Where records are written: Kafka, or a fake that passes the same contract suite (`tests/contract`)."""

    async def write(self, batch: RecordBatch, *, deadline: float) -> list[Outcome]:
        """Write the records of `batch` and return what became of each, in the same order.

        Records for the same partition are stored in the order given. Cancelling the caller recalls nothing: records
        already handed over are still written, and their budget is held until the sink knows their fate.

        Args:
            batch: checked records, at least one.
            deadline: when the answer must be there, on the running loop's clock (`loop.time()`). Records without an
                acknowledgement by then come back as DEADLINE_EXCEEDED (or a more precise reason) with `delivered`
                unknown.

        Raises:
            RequestFailed: nothing was handed over: over budget, unknown topic, partition out of range, brokers
                known to be unreachable, no time left. `delivered` is `no`.
        """
        ...

    def open_stream(self) -> RecordStream:
        """Return a stream of its own order."""
        ...
