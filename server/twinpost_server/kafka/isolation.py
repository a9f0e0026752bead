"""Isolation: a record that a broker refused along with its neighbours is tried once more, alone.

librdkafka gathers records of many callers into one batch per partition, and a broker takes or refuses a batch whole:
one bad timestamp, or one record too many for the topic's max.message.bytes, and every caller in the batch is told so
(measured against Apache Kafka 4.4; the Java client splits such batches, librdkafka does not). Each of those records is
certain not to be in the log, so sending it again alone is safe, and only the guilty one is refused for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Failure, Outcome, Reason
from twinpost_server.core.records import Record, record_bytes

__all__ = ["ALONE", "Suspects"]

ALONE: Final = {"batch.num.messages": 1, "linger.ms": 0}
"""librdkafka's settings that put every record into a batch of its own."""

_REFUSED_WHOLE: Final = frozenset({Reason.RECORD_TOO_LARGE, Reason.INVALID_TIMESTAMP, Reason.BROKER_REFUSED})

_OUT_OF_TURN: Final = Failure(
    reason=Reason.BROKER_REFUSED,
    message=(
        "the broker refused the batch that held the record, and later records of the request are stored already: "
        "it was not tried alone, to keep the order; send it again if its order does not matter"
    ),
)


class Suspects:
    """The records of one request that were refused, perhaps for a neighbour's fault.

    Attributes:
        outcomes: what became of each record, those that may not be tried again explained.
        indexes: where in the request the records to try again stand.
    """

    def __init__(self, records: Sequence[Record], outcomes: Sequence[Outcome]) -> None:
        """Find the suspects; a record whose topic has a later record stored must not come after it now."""
        self._records = records
        self.outcomes = list(outcomes)
        self.indexes: list[int] = []
        settled_topics: set[str] = set()
        for index in range(len(records) - 1, -1, -1):
            outcome = outcomes[index]
            topic = records[index].topic
            if isinstance(outcome, Failure) and outcome.reason in _REFUSED_WHOLE:
                if topic in settled_topics:
                    self.outcomes[index] = _OUT_OF_TURN
                else:
                    self.indexes.append(index)
            elif not isinstance(outcome, Failure) or outcome.delivered != "no":
                settled_topics.add(topic)
        self.indexes.reverse()

    def batch(self) -> RecordBatch:
        """Return the records to try again, in request order."""
        records = [self._records[index] for index in self.indexes]
        return RecordBatch(
            records,
            frozenset(record.topic for record in records),
            sum(map(record_bytes, records)),
            partitions_named=any(record.partition is not None for record in records),
        )

    def told(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Return the outcomes of the whole request, given those of the records tried again."""
        for index, outcome in zip(self.indexes, outcomes, strict=True):
            self.outcomes[index] = outcome
        return self.outcomes
