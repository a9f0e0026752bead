"""The client against the real gateway: workers, Envoy and a broker, with the log read back."""

from __future__ import annotations

import signal
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.brokers.embedded import EmbeddedBroker
from tests.brokers.ledger import StoredRecord, TopicReader
from tests.client.doors import Door
from tests.gateway.process import DevGateway
from tests.gateway.users import MYUSER
from tests.process.watched import WatchedGateway
from twinpost.client import (
    Client,
    Delivered,
    Publisher,
    PublisherOptions,
    Record,
    RecordError,
    RecordFuture,
    RecordMetadata,
)

CREDENTIALS: dict[str, Any] = {"user": MYUSER.name, "password": MYUSER.password}
RECORD_BYTES_MAX = 1024 * 1024


@pytest.fixture
def two_workers(tmp_path: Path, embedded_broker: EmbeddedBroker) -> Iterator[WatchedGateway]:
    """`twinpost serve` with two workers and the embedded broker."""
    settings = {"workers": {"count": 2}, "timeouts": {"drain_grace_s": 0}}
    with WatchedGateway.serving(tmp_path, embedded_broker.bootstrap_servers, settings) as gateway:
        gateway.wait_until_ready()
        yield gateway
        assert 0 == gateway.stop()


def places(outcomes: Iterable[object]) -> list[RecordMetadata]:
    """Return where records are that must all have been acknowledged."""
    outcomes = list(outcomes)
    found = [outcome for outcome in outcomes if isinstance(outcome, RecordMetadata)]
    assert len(found) == len(outcomes), outcomes
    return found


def read(bootstrap_servers: str, topic: str) -> dict[tuple[int, int], StoredRecord]:
    """Return what `topic` holds, by partition and offset."""
    with TopicReader.opened(bootstrap_servers, topic) as reader:
        return {(record.partition, record.offset): record for record in reader.to_the_end()}


async def test_every_part_of_a_record_is_stored(door: Door, dev_gateway: DevGateway) -> None:
    """As it was handed over, at the place that is told."""
    record = Record(
        "cities", b"\xff\x00", key="κ", partition=2, timestamp=1_700_000_000_000, headers=[("h", b"\xfe"), ("h", None)]
    )
    [place] = places(await door.produce_many(dev_gateway.address, [record], **CREDENTIALS))
    stored = read(dev_gateway.bootstrap_servers, "cities")[place.partition, place.offset]
    assert (b"\xff\x00", "κ".encode(), (("h", b"\xfe"), ("h", None))) == (stored.value, stored.key, stored.headers)
    assert (2, 1_700_000_000_000) == (place.partition, place.timestamp)
    assert (place.partition, place.timestamp) == (stored.partition, stored.timestamp)


async def test_published_records_are_stored_in_order(door: Door, dev_gateway: DevGateway) -> None:
    """Thousands of records of many keys: each at its place, and those of a key in the order published."""
    records = [Record("greetings", b"order/%d" % number, key=b"key-%d" % (number % 50)) for number in range(5000)]
    async with door.publisher(dev_gateway.address, PublisherOptions(batch_records_max=300), **CREDENTIALS) as publisher:
        futures = [await publisher.publish(record) for record in records]
        told = places([await publisher.outcome(future) for future in futures])
    held = read(dev_gateway.bootstrap_servers, "greetings")
    assert [record.value for record in records] == [held[place.partition, place.offset].value for place in told]
    assert 5000 == len({(place.partition, place.offset) for place in told})
    last: dict[bytes, int] = {}
    for record, place in zip(records, told, strict=True):
        assert isinstance(record.key, bytes)
        assert last.get(record.key, -1) < place.offset
        last[record.key] = place.offset


async def test_bad_records_fail_alone(door: Door, dev_gateway: DevGateway) -> None:
    """Among good ones, for each reason that the gateway refuses a step for."""
    bad = {
        10: (Record("greetings", b"." * (RECORD_BYTES_MAX + 1)), "RECORD_TOO_LARGE"),
        20: (Record("greetings", b"x", partition=99), "PARTITION_OUT_OF_RANGE"),
        30: (Record("greetings", b"x", timestamp=0), "INVALID_RECORD"),
        40: (Record("greetings", b"x", headers=[("a\0b", b"")]), "INVALID_RECORD"),
        50: (Record("no/topic", b"x"), "INVALID_RECORD"),
    }
    records = [bad[number][0] if number in bad else Record("greetings", b"good") for number in range(60)]
    async with door.publisher(dev_gateway.address, PublisherOptions(linger_s=0.3), **CREDENTIALS) as publisher:
        futures = [await publisher.publish(record) for record in records]
        outcomes = [await publisher.outcome(future) for future in futures]
    places(outcome for number, outcome in enumerate(outcomes) if number not in bad)
    assert {number: (reason, Delivered.NO, False) for number, (_, reason) in bad.items()} == {
        number: (error.reason, error.delivered, error.retriable)
        for number, error in enumerate(outcomes)
        if isinstance(error, RecordError)
    }


async def test_violations_are_those_of_the_gateway(door: Door, dev_gateway: DevGateway) -> None:
    """In a call, where the gateway names them."""
    records = [Record("greetings", b"x"), Record("no topic", b"x", timestamp=0)]
    outcomes = await door.produce_many(dev_gateway.address, records, **CREDENTIALS)
    assert isinstance(outcomes[0], RecordError)
    assert ["records[1].topic", "records[1].timestamp"] == [violation.path for violation in outcomes[0].violations]


async def test_wrong_password_is_told_at_once(door: Door, dev_gateway: DevGateway) -> None:
    """On calls and on streams."""
    wrong: dict[str, Any] = {"user": MYUSER.name, "password": "wrong"}
    [error] = await door.produce_many(dev_gateway.address, [Record("greetings", b"x")], **wrong)
    assert isinstance(error, RecordError)
    assert ("UNAUTHENTICATED", Delivered.NO, False) == (error.reason, error.delivered, error.retriable)
    async with door.publisher(dev_gateway.address, **wrong) as publisher:
        error = await publisher.outcome(await publisher.publish(Record("greetings", b"x")))
    assert isinstance(error, RecordError)
    assert ("UNAUTHENTICATED", Delivered.NO) == (error.reason, error.delivered)


def test_rolling_restart_costs_no_record(
    two_workers: WatchedGateway, embedded_broker: EmbeddedBroker, topic_name: Callable[[], str]
) -> None:
    """Every stream is sent away, and goes on elsewhere: all is stored once and in order, and nothing is in doubt."""
    topic = topic_name()
    embedded_broker.create_topic(topic)
    before = two_workers.workers()
    with Publisher(two_workers.address, options=PublisherOptions(batch_records_max=50)) as publisher:
        futures = _published_while(
            publisher,
            topic,
            begin=lambda: two_workers.send(signal.SIGHUP),
            ended=lambda: not set(before) & set(two_workers.workers()),
        )
        told = places(_outcomes(futures))
    assert not any(place.maybe_duplicated for place in told)
    _judge(read(embedded_broker.bootstrap_servers, topic), told, list(range(len(told))))


@pytest.mark.parametrize("resend_unknown", [False, True])
def test_killed_worker_loses_nothing_that_was_acknowledged(
    two_workers: WatchedGateway, embedded_broker: EmbeddedBroker, topic_name: Callable[[], str], *, resend_unknown: bool
) -> None:
    """What it had is `unknown`, or, where that is asked for, sent again and told so."""
    topic = topic_name()
    embedded_broker.create_topic(topic)
    before = two_workers.workers()
    options = PublisherOptions(batch_records_max=50, resend_unknown=resend_unknown)
    with Publisher(two_workers.address, options=options) as publisher:
        futures = _published_while(
            publisher,
            topic,
            begin=lambda: _kill(before),
            ended=lambda: len(set(two_workers.workers()) - set(before)) == 2,
        )
        outcomes = _outcomes(futures)
    failed = [outcome for outcome in outcomes if isinstance(outcome, RecordError)]
    assert {("GATEWAY_UNAVAILABLE", Delivered.UNKNOWN)} >= {(error.reason, error.delivered) for error in failed}
    if resend_unknown:
        assert [] == failed
    told = [outcome for outcome in outcomes if isinstance(outcome, RecordMetadata)]
    numbers = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, RecordMetadata)]
    _judge(read(embedded_broker.bootstrap_servers, topic), told, numbers)


def _kill(workers: Iterable[psutil.Process]) -> None:
    for worker in workers:
        worker.kill()


def _published_while(
    publisher: Publisher, topic: str, *, begin: Callable[[], object], ended: Callable[[], bool]
) -> list[RecordFuture]:
    """Publish numbered records of ten keys, before something begins, until it has ended, and a while longer."""
    futures: list[RecordFuture] = []

    def some(count: int) -> None:
        for _ in range(count):
            number = len(futures)
            futures.append(publisher.publish(Record(topic, b"%d" % number, key=b"%d" % (number % 10))))

    some(500)
    publisher.flush()
    begin()
    while not ended():
        some(20)
        publisher.flush()
    some(500)
    return futures


def _outcomes(futures: Sequence[RecordFuture]) -> list[object]:
    return [future.exception(60) or future.result() for future in futures]


def _judge(held: dict[tuple[int, int], StoredRecord], told: Sequence[RecordMetadata], numbers: Sequence[int]) -> None:
    """Compare where records are said to be with what is there."""
    copies: defaultdict[bytes | None, int] = defaultdict(int)
    for record in held.values():
        copies[record.value] += 1
    last: dict[bytes | None, int] = {}
    for number, place in zip(numbers, told, strict=True):
        record = held[place.partition, place.offset]
        assert b"%d" % number == record.value
        assert copies[record.value] == 1 or place.maybe_duplicated
        assert last.get(record.key, -1) < place.offset
        last[record.key] = place.offset


def test_readme_like_program_prints_an_offset(dev_gateway: DevGateway) -> None:
    """The shortest use there is."""
    with Client(dev_gateway.address, user="myuser", password="mypass") as client:  # noqa: S106 - printed on every start
        assert client.produce(Record("greetings", "hello")).offset >= 0
