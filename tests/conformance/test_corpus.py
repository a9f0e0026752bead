"""One corpus through every door: the answers agree with each other, with the spec and with what Kafka holds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.brokers.apache_kafka import ApacheKafka
from tests.brokers.ledger import StoredRecord, read_topic
from tests.conformance.corpus import CORPUS, Case, Message, Refusal
from tests.conformance.doors import DOORS, Clients, Place
from tests.contract.murmur2 import java_partition

PARTITIONS = 4

TRAILER_VIOLATIONS = 20
"""A gRPC status names at least so many: its details travel in trailers, which clients bound at 8 KiB."""


@pytest.mark.parametrize("case", CORPUS.values(), ids=CORPUS.keys())
def test_every_door_agrees_and_kafka_holds_what_was_sent(
    case: Case, clients: Clients, apache_kafka: ApacheKafka, topic_name: Callable[[], str]
) -> None:
    """Stored: each place named holds those very bytes. Refused: the same reason everywhere, and nothing is written."""
    topic = case.topic
    if topic is None:
        topic = topic_name()
        apache_kafka.create_topic(topic, partitions=PARTITIONS, config=case.topic_config)
    stored: dict[tuple[int, int], Message] = {}
    for name, door in DOORS.items():
        if not door.carries(case.messages):
            continue
        began_at = time.time_ns() // 1_000_000
        answer = door.produce(clients, topic, case.messages, case.user)
        ended_at = time.time_ns() // 1_000_000
        if isinstance(answer, list):
            assert case.refusal is None, f"{name} stored what should be refused"
            assert len(case.messages) == len(answer), name
            for message, place in zip(case.messages, answer, strict=True):
                check_place(topic, message, place, began_at, ended_at)
                assert (place.partition, place.offset) not in stored, f"{name} names a place twice"
                stored[place.partition, place.offset] = replace(message, timestamp=place.timestamp)
        else:
            assert case.refusal is not None, f"{name} refuses with {answer}"
            expected = told_by(answer, case.refusal)
            assert expected == answer, name

    if case.topic is None:
        held = {
            (record.partition, record.offset): record for record in read_topic(apache_kafka.bootstrap_servers, topic)
        }
        assert stored.keys() == held.keys()
        for place_key, message in stored.items():
            check_record(message, held[place_key])


def told_by(answer: Refusal, refusal: Refusal) -> Refusal:
    """Return `refusal` as far as a door tells of it whose answer is `answer`.

    REST has no status of gRPC and the other way round. A step that a stream refuses has neither, and its violations are
    in its message alone. A gRPC status has as many of them as its trailers have room for.
    """
    expected = replace(refusal, http=refusal.http if answer.http else 0, grpc=refusal.grpc if answer.grpc else "")
    if not answer.http and not answer.grpc:
        return replace(expected, violations=0)
    if answer.grpc and expected.violations > TRAILER_VIOLATIONS:
        assert TRAILER_VIOLATIONS <= answer.violations <= expected.violations
        return replace(expected, violations=answer.violations)
    return expected


def check_place(topic: str, message: Message, place: Place, began_at: int, ended_at: int) -> None:
    """Check what the answer says of `message`, sent between the two times."""
    assert topic == place.topic
    if message.partition is not None:
        assert message.partition == place.partition
    elif message.key is not None:
        assert java_partition(message.key, PARTITIONS) == place.partition
    if message.timestamp is not None:
        assert message.timestamp == place.timestamp
    else:
        assert began_at <= place.timestamp <= ended_at


def check_record(message: Message, record: StoredRecord) -> None:
    """Check that Kafka holds exactly `message`."""
    assert message.value == record.value
    assert message.key == record.key
    assert message.headers == record.headers
    assert message.timestamp == record.timestamp
