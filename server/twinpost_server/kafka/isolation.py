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
from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason

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

    def __init__(
        self, batch: RecordBatch, outcomes: Sequence[Outcome], settled_topics: frozenset[str] = frozenset()
    ) -> None:
        """Find the suspects; none may be tried again that would then stand behind a later record of its topic.

        Args:
            batch: the request's records.
            outcomes: what became of each.
            settled_topics: topics that later requests of the same stream have records for.
        """
        self._batch = batch
        self.outcomes = list(outcomes)
        self.indexes: list[int] = []
        records = batch.records
        # Where the fate of any record of a topic is open, it may be appended at any time yet: nothing may follow then.
        settled = settled_topics | {
            record.topic
            for record, outcome in zip(records, outcomes, strict=True)
            if isinstance(outcome, Failure) and outcome.delivered is not Delivered.NO
        }
        stored_later: set[str] = set()
        for index in range(len(records) - 1, -1, -1):
            outcome = outcomes[index]
            topic = records[index].topic
            if not isinstance(outcome, Failure):
                stored_later.add(topic)
            elif outcome.reason in _REFUSED_WHOLE and outcome.delivered is Delivered.NO:
                if topic in settled or topic in stored_later:
                    self.outcomes[index] = _OUT_OF_TURN
                else:
                    self.indexes.append(index)
        self.indexes.reverse()

    def batch(self) -> RecordBatch:
        """Return the records to try again, in request order."""
        return self._batch.part(self.indexes)

    def told(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Return the outcomes of the whole request, given those of the records tried again."""
        for index, outcome in zip(self.indexes, outcomes, strict=True):
            self.outcomes[index] = outcome
        return self.outcomes
