"""The records of one request on their way to Kafka and back."""

from __future__ import annotations

import asyncio
import threading
from typing import Final, TypeGuard

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, KafkaError, Message

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason
from twinpost_server.core.limits import Limits
from twinpost_server.core.records import Record, RecordMetadata
from twinpost_server.kafka.delivery import NOT_HANDED_OVER, Delivery
from twinpost_server.kafka.timestamp_types import TimestampTypes

LIMITS = Limits(record_bytes_max=1000, record_headers_max=10, request_records_max=1000, body_bytes_max=10_000)
NOW_MS: Final = 1_700_000_000_000
PENDING = (Reason.DEADLINE_EXCEEDED, Delivered.UNKNOWN)


class Completed(list[Delivery]):
    """Notes which deliveries were complete, and on which threads."""

    def __init__(self) -> None:
        """Start with none."""
        super().__init__()
        self.threads: set[int] = set()

    def __call__(self, delivery: Delivery) -> None:
        """Note one."""
        self.append(delivery)
        self.threads.add(threading.get_ident())


def delivery_of(records: int, completed: Completed) -> Delivery:
    """Return a delivery of so many records for the topic `t`."""
    batch = RecordBatch.checked([Record(b"%d" % number, "t") for number in range(records)], LIMITS)
    waiter = asyncio.get_running_loop().create_future()
    return Delivery(batch, waiter, completed, now_ms=NOW_MS, timestamp_types=TimestampTypes(0))


def report(partition: int, offset: int, timestamp: int, kind: int = TIMESTAMP_CREATE_TIME) -> Message:
    """Return the report of a stored record."""
    return Message(topic="t", partition=partition, offset=offset, timestamp=(kind, timestamp))


def told(delivery: Delivery) -> list[tuple[Reason, Delivered] | RecordMetadata]:
    """Return the outcomes in short."""
    return [
        (outcome.reason, outcome.delivered) if isinstance(outcome, Failure) else outcome
        for outcome in delivery.outcomes
    ]


async def test_timestamp_of_the_broker_is_told_where_the_topic_keeps_that() -> None:
    """LogAppendTime: what is stored is not what was sent."""
    delivery = delivery_of(1, Completed())
    delivery.reported(0, None, report(0, 0, NOW_MS + 5, TIMESTAMP_LOG_APPEND_TIME))
    assert [RecordMetadata("t", 0, 0, NOW_MS + 5)] == told(delivery)


async def test_timestamp_of_a_repeated_batch_is_what_was_sent() -> None:
    """The broker answers a repeat with one timestamp for all, as if it had set it; the topic keeps our own."""
    batch = RecordBatch.checked([Record(b"", "t"), Record(b"", "t", timestamp=7), Record(b"", "t")], LIMITS)
    waiter = asyncio.get_running_loop().create_future()
    delivery = Delivery(batch, waiter, Completed(), now_ms=NOW_MS, timestamp_types=TimestampTypes(0))
    delivery.reported(0, None, report(0, 0, NOW_MS))
    for index in (1, 2):
        delivery.reported(index, None, report(0, index, NOW_MS + 9, TIMESTAMP_LOG_APPEND_TIME))
    assert [NOW_MS, 7, NOW_MS] == [outcome.timestamp for outcome in delivery.outcomes if is_stored(outcome)]


def is_stored(outcome: Outcome) -> TypeGuard[RecordMetadata]:
    """Return whether the record was acknowledged."""
    return isinstance(outcome, RecordMetadata)


async def test_reports_are_noted_where_their_records_stand() -> None:
    """Reports may come in any order; places are exact up to 64 bits."""
    delivery = delivery_of(3, Completed())
    largest = 2**63 - 1
    delivery.reported(2, None, report(7, largest, largest, TIMESTAMP_LOG_APPEND_TIME))
    delivery.reported(0, None, report(0, 0, 1, TIMESTAMP_LOG_APPEND_TIME))
    assert [RecordMetadata("t", 0, 0, 1), PENDING, RecordMetadata("t", 7, largest, largest)] == told(delivery)


async def test_unreported_records_read_as_unknown() -> None:
    """Whoever looks before the end is told that the record may be in the log, never that it is not."""
    assert [PENDING, PENDING] == told(delivery_of(2, Completed()))


async def test_failed_record_is_told_by_its_own_error() -> None:
    """One failure among the stored is noted in its place, and counted."""
    delivery = delivery_of(2, completed := Completed())
    delivery.reported(0, KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), report(0, -1, -1))
    delivery.reported(1, None, report(0, 0, 1))
    assert [(Reason.RECORD_TOO_LARGE, Delivered.NO), RecordMetadata("t", 0, 0, 1)] == told(delivery)
    assert (1, False, [delivery]) == (delivery.failures, delivery.fatal, completed)


async def test_completion_is_told_once_and_only_when_all_are_told() -> None:
    """No report is waited for twice, none is forgotten."""
    delivery = delivery_of(3, completed := Completed())
    for index in range(2):
        delivery.reported(index, None, report(0, index, 1))
        assert [] == completed
    delivery.reported(2, None, report(0, 2, 1))
    assert [delivery] == completed


async def test_records_refused_at_once_are_discounted() -> None:
    """No report comes for what was never handed over; its failures stand where the records do."""
    delivery = delivery_of(3, completed := Completed())
    delivery.reported(1, None, report(0, 0, 1))
    delivery.refused([(0, NOT_HANDED_OVER), (2, NOT_HANDED_OVER)])
    refused = (Reason.INTERNAL, Delivered.NO)
    assert [refused, RecordMetadata("t", 0, 0, 1), refused] == told(delivery)
    assert (2, False, [delivery]) == (delivery.failures, delivery.fatal, completed)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
async def test_one_fatal_report_marks_the_delivery(order: list[int]) -> None:
    """The producer is replaced, whatever the other reports said and in whatever order they came."""
    delivery = delivery_of(2, Completed())
    errors = [
        KafkaError(KafkaError._FATAL, "fenced", fatal=True),
        KafkaError(KafkaError.MSG_SIZE_TOO_LARGE),
    ]
    for index in order:
        delivery.reported(index, errors[index], report(0, -1, -1))
    assert delivery.fatal


async def test_caller_is_woken_once() -> None:
    """The deadline and the last report may come together."""
    delivery = delivery_of(1, Completed())
    delivery.wake()
    delivery.wake()
    assert delivery.waiter.done()


async def test_caller_who_left_is_not_woken() -> None:
    """A cancelled wait stays cancelled, and the reports are noted all the same."""
    delivery = delivery_of(1, completed := Completed())
    delivery.waiter.cancel()
    delivery.reported(0, None, report(0, 0, 1))
    delivery.wake()
    assert (True, [delivery]) == (delivery.waiter.cancelled(), completed)


async def test_reports_may_be_read_while_they_come_in() -> None:
    """A reader on the loop sees each record either pending or told, while a producer that is closed reports."""
    records = 1000
    delivery = delivery_of(records, completed := Completed())

    def report_all() -> None:
        for index in range(records):
            delivery.reported(index, None, report(0, index, 1))

    thread = threading.Thread(target=report_all)
    thread.start()
    seen = 0
    while thread.is_alive():
        outcomes = list(delivery.outcomes)
        stored = [outcome for outcome in outcomes if isinstance(outcome, RecordMetadata)]
        assert [*range(len(stored))] == [outcome.offset for outcome in stored]
        assert seen <= len(stored)
        seen = len(stored)
    thread.join()
    assert ([delivery], {thread.ident}) == (completed, completed.threads)
