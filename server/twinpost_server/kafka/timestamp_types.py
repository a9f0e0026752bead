"""Which topics keep the timestamps of their records (Kafka's message.timestamp.type)."""

from __future__ import annotations

from typing import Final, NamedTuple

from confluent_kafka import TIMESTAMP_CREATE_TIME, Message

from twinpost_server.kafka.translate import FIRST_TRY_S_MAX

__all__ = ["TimestampTypes"]

_TTL_S: Final = 60.0
"""How long a topic that keeps records' own timestamps is taken to go on doing so."""

_REPEATS_S_MAX: Final = 30.0
"""How long reports may contradict what is known of a topic before they are believed, and how long one counts."""

_DOUBTED_MAX: Final = 10_000


class _Contradiction(NamedTuple):
    first_at: float
    last_at: float


class TimestampTypes:
    """What the reports of one producer tell of its topics' timestamps. Lives on the loop's thread.

    A report does not always tell what was stored: a broker that meets a batch again, after its first acknowledgement
    was lost, answers as if the topic kept the broker's time, with the latest timestamp of the batch for all of its
    records (measured). So a topic known to keep records' own timestamps is answered from the records. That knowledge
    has an end, since topics may be altered; yet a report that contradicts it is believed only where it cannot be that
    of a repeat: it came before a second try can have been made, or others have said so for longer than repeats last.

    Attributes:
        create_time: the topics known to keep the timestamps of their records.
    """

    __slots__ = ("_doubted", "_since", "create_time")

    def __init__(self, now: float) -> None:
        """Know nothing yet, at `now`, in seconds of a monotonic clock."""
        self.create_time: set[str] = set()
        self._doubted: dict[str, _Contradiction | None] = {}
        self._since = now

    def expire(self, now: float) -> None:
        """Doubt what was learnt long before `now`."""
        if now - self._since <= _TTL_S:
            return
        self._since = now
        if len(self._doubted) + len(self.create_time) > _DOUBTED_MAX:
            self._doubted.clear()
        self._doubted.update(dict.fromkeys(self.create_time))
        self.create_time.clear()

    def timestamp(self, topic: str, own_ms: int, message: Message, now: float) -> int:
        """Return the timestamp that a record is stored with, in milliseconds since the epoch.

        Args:
            topic: the record's, not in `create_time`.
            own_ms: what the record was sent with.
            message: its report, without an error.
            now: the time, on the clock of `expire`.
        """
        kind, reported_ms = message.timestamp()
        if kind == TIMESTAMP_CREATE_TIME:
            self.create_time.add(topic)
            self._doubted.pop(topic, None)
        elif topic in self._doubted:
            latency_s = message.latency()
            before = self._doubted[topic]
            if latency_s is not None and latency_s < FIRST_TRY_S_MAX:
                del self._doubted[topic]
                return reported_ms
            if before is None or now - before.last_at >= _REPEATS_S_MAX:
                before = _Contradiction(now, now)
            if now - before.first_at < _REPEATS_S_MAX:
                self._doubted[topic] = _Contradiction(before.first_at, now)
                return own_ms
            del self._doubted[topic]
        return reported_ms
