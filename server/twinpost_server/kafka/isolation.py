"""Isolation: a record that a broker refused along with its neighbours is tried once more, alone.

librdkafka gathers records of many callers into one batch per partition, and a broker takes or refuses a batch whole:
one bad timestamp, one missing key on a compacted topic, or one record too many for the topic's max.message.bytes, and
every caller in the batch is told so. Each of those records is certain not to be in the log, so sending it again alone
is safe, and only the guilty one is refused for good.

One that cannot be tried alone is told that its batch was refused, which its sender may try again: what is said of a
record in a batch may be meant for another one. Kafka names the records at fault since 2.4 (KIP-467), but librdkafka
passes that on only where they are several: of a single one everybody is told its error (`rd_kafka_dr_msgq0`; measured
against 4.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason
from twinpost_server.core.records import Record, record_bytes
from twinpost_server.kafka.client_config import BATCH_BYTES

__all__ = ["ALONE", "Suspects"]

ALONE: Final = {"batch.num.messages": 1, "linger.ms": 0}
"""librdkafka's settings that put every record into a batch of its own."""

_REFUSED_WHOLE: Final = frozenset(
    {Reason.RECORD_TOO_LARGE, Reason.INVALID_TIMESTAMP, Reason.BROKER_REFUSED, Reason.BATCH_REFUSED}
)

_ROUND_MAX: Final = 32
_GUILTY_MAX: Final = 8
"""Refusals of one request after which the rest is not tried any more. Each costs the one producer that sends records
alone some 30 ms, in which it sends nothing for anybody else (it has to start a new sequence; measured)."""

_OUT_OF_TURN: Final = "later ones of its request or stream might then stand before it"


class Suspects:
    """The records of one request that were refused, perhaps for a neighbour's fault.

    Attributes:
        outcomes: what became of each record, as far as it is known now.
    """

    def __init__(
        self,
        batch: RecordBatch,
        outcomes: Sequence[Outcome],
        settled_topics: frozenset[str] = frozenset(),
        certain_indexes: frozenset[int] = frozenset(),
    ) -> None:
        """Find the suspects; none may be tried again that would then stand behind a later record of its topic.

        Args:
            batch: the request's records.
            outcomes: what became of each.
            settled_topics: topics that later requests of the same stream have records for.
            certain_indexes: records of which it is certain that they are at fault themselves, if refused.
        """
        self._batch = batch
        self.outcomes = list(outcomes)
        records = batch.records
        # Where the fate of any record of a topic is open, it may be appended at any time yet: nothing may follow then.
        settled = settled_topics | {
            record.topic
            for record, outcome in zip(records, outcomes, strict=True)
            if isinstance(outcome, Failure) and outcome.delivered is not Delivered.NO
        }
        stored_later: set[str] = set()
        self._left: list[int] = []
        for index in range(len(records) - 1, -1, -1):
            outcome = outcomes[index]
            topic = records[index].topic
            if not isinstance(outcome, Failure):
                stored_later.add(topic)
            elif index in certain_indexes or _is_at_fault(records[index], outcome.reason):
                continue
            elif outcome.reason in _REFUSED_WHOLE and outcome.delivered is Delivered.NO:
                if topic in settled or topic in stored_later:
                    self.outcomes[index] = _not_tried(_OUT_OF_TURN)
                else:
                    self._left.append(index)
        self._left.reverse()

    def __bool__(self) -> bool:
        """Return whether there is any record to try again."""
        return bool(self._left)

    def rounds(self) -> Iterator[tuple[RecordBatch, Sequence[int]]]:
        """Yield the records to try again, in request order, a few at a time; `told` must follow each time.

        Ends early once so many were guilty that the request itself, and not its neighbours, is what is wrong. Leaves
        out the records of topics where the fate of one that was tried is open. Whoever breaks off must `leave`.
        """
        guilty = 0
        while self._left and guilty < _GUILTY_MAX:
            indexes = self._left[:_ROUND_MAX]
            yield self._batch.part(indexes), indexes
            # Only now: whoever leaves meanwhile has not tried them.
            del self._left[: len(indexes)]
            open_topics = set()
            for index in indexes:
                outcome = self.outcomes[index]
                if isinstance(outcome, Failure):
                    if outcome.delivered is not Delivered.NO:
                        open_topics.add(self._batch.records[index].topic)
                    elif outcome.reason in _REFUSED_WHOLE:
                        guilty += 1
            if open_topics:
                # It may be appended yet, behind what would be tried next.
                self._leave(open_topics, _OUT_OF_TURN)
        self.leave(f"{guilty} others of its request were refused for themselves")

    def leave(self, why: str) -> None:
        """Try none of those that are left, the round that was yielded last included; tell them `why`."""
        self._leave(self._batch.topics, why)

    def _leave(self, topics: AbstractSet[str], why: str) -> None:
        left, self._left = self._left, []
        for index in left:
            if self._batch.records[index].topic not in topics:
                self._left.append(index)
            else:
                self.outcomes[index] = _not_tried(why)

    def told(self, indexes: Sequence[int], outcomes: Sequence[Outcome]) -> None:
        """Note what became of the records at `indexes`, which were tried again."""
        for index, outcome in zip(indexes, outcomes, strict=True):
            self.outcomes[index] = outcome


def _not_tried(why: str) -> Failure:
    return Failure(
        reason=Reason.BATCH_REFUSED,
        message=f"the broker refused the record's whole batch, and it was not tried alone, since {why}: send it again; "
        "this record was not written",
    )


def _is_at_fault(record: Record, reason: Reason) -> bool:
    # librdkafka puts nothing beside a record that is larger than a batch.
    return reason is Reason.RECORD_TOO_LARGE and record_bytes(record) >= BATCH_BYTES
