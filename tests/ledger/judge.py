"""The judge: compares an account with the log, record by record, as they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Position

from tests.brokers.client import quiet_logger
from tests.ledger.account import Account, Told, key_of, value_of

__all__ = ["Entry", "Verdict", "judged", "read_log"]

_READ_TIMEOUT_S = 30.0
_BATCH = 5000

Entry = tuple[int, int, bytes | None, bytes | None]
"""Partition, offset, key and value of a record in the log."""


@dataclass(slots=True)
class Verdict:
    """How many records there are of each kind.

    Attributes:
        acknowledged: told to be stored.
        unknown: told that nobody knows.
        unknown_stored: of those, in the log.
        lost: acknowledged, and not where the answer said.
        doubled: in the log more often than once, without a word of that.
        resent: acknowledged as perhaps stored twice.
        resent_doubled: of those, in the log more often than once indeed.
        denied: told not to be stored, and stored.
        strange: in the log, and nobody's, or altered.
        disordered: acknowledged, and in the log before an earlier one of its key that is acknowledged.
        untold: nothing was told.
    """

    acknowledged: int = 0
    unknown: int = 0
    unknown_stored: int = 0
    lost: int = 0
    doubled: int = 0
    resent: int = 0
    resent_doubled: int = 0
    denied: int = 0
    strange: int = 0
    disordered: int = 0
    untold: int = 0


def judged(account: Account, log: Iterable[Entry]) -> Verdict:
    """Compare `account` with `log`, which is in order for each partition."""
    verdict = Verdict()
    records = len(account.told)
    copies = bytearray(records)
    found = bytearray(records)
    for partition, offset, key, value in log:
        number = _number(value)
        if not 0 <= number < records or value != value_of(number) or key != key_of(number):
            verdict.strange += 1
            continue
        copies[number] += 1
        if (partition, offset) == (account.partitions[number], account.offsets[number]):
            found[number] = 1
    last: dict[bytes, int] = {}
    for number, told in enumerate(account.told):
        stored = told in {Told.STORED, Told.STORED_MAYBE_TWICE}
        verdict.acknowledged += stored
        verdict.lost += stored and not found[number]
        verdict.unknown += told == Told.UNKNOWN
        verdict.unknown_stored += told == Told.UNKNOWN and copies[number] > 0
        verdict.denied += told == Told.NOT_STORED and copies[number] > 0
        verdict.resent += told == Told.STORED_MAYBE_TWICE
        verdict.untold += told == Told.NOTHING
        if copies[number] > 1:
            verdict.resent_doubled += told == Told.STORED_MAYBE_TWICE
            verdict.doubled += told not in {Told.STORED_MAYBE_TWICE, Told.UNKNOWN}
        if stored:
            key = key_of(number)
            verdict.disordered += account.offsets[number] <= last.get(key, -1)
            last[key] = max(account.offsets[number], last.get(key, -1))
    return verdict


def _number(value: bytes | None) -> int:
    digits = (value or b"").partition(b"/")[0]
    return int(digits) if digits.isdigit() else -1


def read_log(bootstrap_servers: str, topic: str) -> Iterator[Entry]:
    """Yield what `topic` holds, each partition in order.

    Raises:
        KafkaException: it cannot be read.
        TimeoutError: nothing came for long.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "ledger",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "error_cb": lambda _error: None,
        },
        logger=quiet_logger(),
    )
    try:
        open_partitions = set(consumer.list_topics(topic, timeout=_READ_TIMEOUT_S).topics[topic].partitions)
        consumer.assign([Position(topic, partition, OFFSET_BEGINNING) for partition in open_partitions])
        while open_partitions:
            messages = consumer.consume(_BATCH, timeout=_READ_TIMEOUT_S)
            if not messages:
                msg = f"the topic's records did not come within {_READ_TIMEOUT_S:g} s"
                raise TimeoutError(msg)
            for message in messages:
                error = message.error()
                partition, offset = message.partition(), message.offset()
                if error is None:
                    assert partition is not None
                    assert offset is not None
                    yield partition, offset, message.key(), message.value()
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's public name
                    open_partitions.discard(partition)
                else:
                    raise KafkaException(error)
    finally:
        consumer.close()
