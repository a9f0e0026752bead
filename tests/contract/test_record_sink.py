"""The contract of `core.ports.RecordSink`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import pytest

from tests.brokers.ledger import StoredRecord
from tests.contract.backends import Backend, Feature
from tests.contract.murmur2 import java_partition
from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason, RequestFailed
from twinpost_server.core.limits import Limits
from twinpost_server.core.ports import PendingWrite, RecordSink, RecordStream
from twinpost_server.core.records import Header, Record, RecordMetadata

TopicName = Callable[[], str]

LIMITS = Limits(record_bytes_max=2**20, record_headers_max=1000, request_records_max=10_000, body_bytes_max=2**24)
EVERY_BYTE = bytes(range(256))
NO_ACKNOWLEDGEMENT = {Reason.DEADLINE_EXCEEDED, Reason.BROKERS_UNAVAILABLE}


def batch_of(*records: Record) -> RecordBatch:
    """Return the records as a request that passed its checks."""
    return RecordBatch.checked(records, LIMITS)


async def write(sink: RecordSink, records: Sequence[Record], *, within_s: float = 20.0) -> list[Outcome]:
    """Write `records` with a deadline `within_s` seconds from now."""
    return await sink.write(batch_of(*records), deadline=asyncio.get_running_loop().time() + within_s)


async def stored(sink: RecordSink, records: Sequence[Record]) -> list[RecordMetadata]:
    """Write `records`, all of which must be stored, and return where."""
    outcomes = await write(sink, records)
    assert [] == [outcome for outcome in outcomes if not isinstance(outcome, RecordMetadata)]
    return [outcome for outcome in outcomes if isinstance(outcome, RecordMetadata)]


async def refusal_of(sink: RecordSink, records: Sequence[Record]) -> Failure | None:
    """Write `records`; return why they are refused as a whole, or `None` where all of them are stored."""
    try:
        await stored(sink, records)
    except RequestFailed as refusal:
        return refusal.failure
    return None


async def refused(sink: RecordSink, records: Sequence[Record]) -> Failure:
    """Write `records`, which must be refused as a whole, and return why."""
    failure = await refusal_of(sink, records)
    assert failure is not None
    return failure


async def enqueue(stream: RecordStream, records: Sequence[Record], *, within_s: float = 20.0) -> PendingWrite:
    """Enqueue `records` as one step of `stream`, with a deadline `within_s` seconds from now."""
    return await stream.enqueue(batch_of(*records), deadline=asyncio.get_running_loop().time() + within_s)


async def ledger(backend: Backend, topic: str) -> list[StoredRecord]:
    """Return what `topic` holds; reading blocks, and the sink's loop must not."""
    return await asyncio.to_thread(backend.records, topic)


def places(records: Sequence[StoredRecord]) -> dict[tuple[int, int], bytes | None]:
    """Return the value at each partition and offset."""
    return {(record.partition, record.offset): record.value for record in records}


class TestResults:
    """What comes back."""

    async def test_results_come_in_request_order(self, backend: Backend, topic_name: TopicName) -> None:
        """Result i says where record i is, however the records are spread over partitions."""
        topic = topic_name()
        backend.create_topic(topic)
        records = [Record(b"%d" % index, topic, partition=index * 7 % 4) for index in range(100)]

        async with backend.opened() as sink:
            written = await stored(sink, records)

            assert [(topic, record.partition) for record in records] == [(at.topic, at.partition) for at in written]
            expected = {(at.partition, at.offset): record.value for at, record in zip(written, records, strict=True)}
            assert expected == places(await ledger(backend, topic))

    async def test_one_request_takes_ten_thousand_records(self, backend: Backend, topic_name: TopicName) -> None:
        """The largest request the settings allow by default is stored whole, each record once."""
        topic = topic_name()
        backend.create_topic(topic)
        records = [Record(b"%d" % index, topic, partition=index % 4) for index in range(10_000)]

        async with backend.opened() as sink:
            written = await stored(sink, records)

            expected = {(at.partition, at.offset): record.value for at, record in zip(written, records, strict=True)}
            assert expected == places(await ledger(backend, topic))

    async def test_one_request_writes_many_topics(self, backend: Backend, topic_name: TopicName) -> None:
        """Records for different topics, interleaved, each go to their own."""
        topics = [topic_name() for _ in range(8)]
        for topic in topics:
            backend.create_topic(topic)
        records = [Record(b"%d" % index, topics[index % 8], key=b"k") for index in range(64)]

        async with backend.opened() as sink:
            written = await stored(sink, records)

            assert [record.topic for record in records] == [at.topic for at in written]
            for number, topic in enumerate(topics):
                expected = [b"%d" % index for index in range(64) if index % 8 == number]
                assert expected == [record.value for record in await ledger(backend, topic)]


class TestFidelity:
    """What a consumer reads is what was sent."""

    @pytest.mark.parametrize(
        ("payload", "expected"),
        [
            pytest.param(None, None, id="null"),
            pytest.param(b"", b"", id="empty bytes"),
            pytest.param("", b"", id="empty text"),
            pytest.param(b"\0", b"\0", id="nul"),
            pytest.param(EVERY_BYTE, EVERY_BYTE, id="every byte"),
            pytest.param("naïve 🐘 \0 \u2028", "naïve 🐘 \0 \u2028".encode(), id="text"),
            pytest.param(b"x" * 1_000_000, b"x" * 1_000_000, id="a megabyte"),
        ],
    )
    async def test_keys_and_values_are_stored_unchanged(
        self, backend: Backend, topic_name: TopicName, payload: str | bytes | None, expected: bytes | None
    ) -> None:
        """Null stays null, empty stays empty, and text becomes its UTF-8 bytes."""
        topic = topic_name()
        backend.create_topic(topic)

        async with backend.opened() as sink:
            await stored(sink, [Record(payload, topic, key=b"the key", partition=0)])
            await stored(sink, [Record(b"the value", topic, key=payload, partition=0)])

            read = [(record.key, record.value) for record in await ledger(backend, topic)]
            assert [(b"the key", expected), (expected, b"the value")] == read

    async def test_headers_keep_order_duplicates_and_nulls(self, backend: Backend, topic_name: TopicName) -> None:
        """Headers are a list: nothing is sorted, merged or dropped."""
        topic = topic_name()
        backend.create_topic(topic)
        headers = [
            Header("z", b"1"),
            Header("a", None),
            Header("a", b""),
            Header("z", "2 é"),
            Header("nul", b"a\0b"),
            Header("nul", "a\0b"),
            Header("", EVERY_BYTE),
            Header("é", b"x"),
        ]

        async with backend.opened() as sink:
            await stored(sink, [Record(b"v", topic, headers=headers), Record(b"v", topic, headers=[])])

            expected = (
                ("z", b"1"),
                ("a", None),
                ("a", b""),
                ("z", "2 é".encode()),
                ("nul", b"a\0b"),
                ("nul", b"a\0b"),
                ("", EVERY_BYTE),
                ("é", b"x"),
            )
            assert {expected, ()} == {record.headers for record in await ledger(backend, topic)}

    @pytest.mark.needs(Feature.TIMESTAMPS)
    async def test_a_timestamp_given_is_the_one_stored(self, backend: Backend, topic_name: TopicName) -> None:
        """It is in the answer and in the log."""
        topic = topic_name()
        backend.create_topic(topic)

        async with backend.opened() as sink:
            written = await stored(
                sink, [Record(b"v", topic, timestamp=1_637_745_834_756), Record(b"v", topic, timestamp=1)]
            )

            assert [1_637_745_834_756, 1] == [at.timestamp for at in written]
            assert {1_637_745_834_756, 1} == {record.timestamp for record in await ledger(backend, topic)}

    @pytest.mark.needs(Feature.TIMESTAMPS)
    async def test_without_a_timestamp_it_is_the_time_of_producing(
        self, backend: Backend, topic_name: TopicName
    ) -> None:
        """It lies between the call and its answer, and the answer has the one in the log."""
        topic = topic_name()
        backend.create_topic(topic)

        async with backend.opened() as sink:
            before = time.time_ns() // 1_000_000
            [at] = await stored(sink, [Record(b"v", topic)])
            after = time.time_ns() // 1_000_000

            assert before <= at.timestamp <= after
            assert [at.timestamp] == [record.timestamp for record in await ledger(backend, topic)]

    @pytest.mark.needs(Feature.TOPIC_RULES)
    async def test_under_log_append_time_it_is_the_brokers(self, backend: Backend, topic_name: TopicName) -> None:
        """The broker replaces the timestamp, and the answer has the broker's."""
        topic = topic_name()
        backend.create_topic(topic, config={"message.timestamp.type": "LogAppendTime"})

        async with backend.opened() as sink:
            before = time.time_ns() // 1_000_000
            [at] = await stored(sink, [Record(b"v", topic, timestamp=1_637_745_834_756)])
            [record] = await ledger(backend, topic)

            assert record.log_append_time
            assert record.timestamp == at.timestamp
            assert before <= at.timestamp <= time.time_ns() // 1_000_000


class TestPlacement:
    """Which partition, and in which order."""

    async def test_an_explicit_partition_is_kept(self, backend: Backend, topic_name: TopicName) -> None:
        """The key does not matter then."""
        topic = topic_name()
        backend.create_topic(topic)

        async with backend.opened() as sink:
            written = await stored(sink, [Record(b"v", topic, key=b"same", partition=number) for number in range(4)])

            assert [0, 1, 2, 3] == [at.partition for at in written]

    async def test_a_key_goes_where_the_java_client_puts_it(self, backend: Backend, topic_name: TopicName) -> None:
        """Placement is murmur2's; an empty key is a key like any other."""
        topic = topic_name()
        backend.create_topic(topic)
        keys = [b"", b"21", b"foobar", b"a-little-bit-long-string", b"abc", EVERY_BYTE, *(b"%d" % n for n in range(40))]

        async with backend.opened() as sink:
            written = await stored(sink, [Record(b"v", topic, key=key) for key in keys])

            assert [java_partition(key, 4) for key in keys] == [at.partition for at in written]

    async def test_a_text_key_goes_where_its_bytes_go(self, backend: Backend, topic_name: TopicName) -> None:
        """REST's keys are text and gRPC's are bytes: the same key is in the same partition."""
        topic = topic_name()
        backend.create_topic(topic)
        keys = ["", "foobar", "naïve", "🐘"]

        async with backend.opened() as sink:
            written = await stored(sink, [Record(b"v", topic, key=key) for key in keys])

            assert [java_partition(key.encode(), 4) for key in keys] == [at.partition for at in written]

    async def test_records_for_one_partition_keep_their_order(self, backend: Backend, topic_name: TopicName) -> None:
        """Within a request, and from one request to the next, offsets rise in the order sent."""
        topic = topic_name()
        backend.create_topic(topic)
        requests = [
            [Record(b"%d-%d" % (request, n), topic, key=b"k%d" % (n % 5)) for n in range(50)] for request in range(4)
        ]

        async with backend.opened() as sink:
            for records in requests:
                await stored(sink, records)

            everything = await ledger(backend, topic)
            for partition in range(4):
                sent = [
                    record.value
                    for records in requests
                    for record in records
                    if isinstance(record.key, bytes) and java_partition(record.key, 4) == partition
                ]
                assert sent == [record.value for record in everything if record.partition == partition]

    async def test_requests_written_at_once_do_not_mix_within_a_partition(
        self, backend: Backend, topic_name: TopicName
    ) -> None:
        """Each request's records stay in their own order, whatever runs beside it."""
        topic = topic_name()
        backend.create_topic(topic)

        async with backend.opened() as sink:
            requests = [
                [Record(b"%d-%d" % (request, n), topic, partition=0) for n in range(20)] for request in range(10)
            ]
            await asyncio.gather(*(stored(sink, records) for records in requests))

            everything = [record.value for record in await ledger(backend, topic)]
            for request, records in enumerate(requests):
                mine = [value for value in everything if value is not None and value.startswith(b"%d-" % request)]
                assert [record.value for record in records] == mine


class TestRefusal:
    """What is refused is not in the log."""

    @pytest.mark.needs(Feature.MISSING_TOPICS)
    async def test_a_missing_topic_refuses_the_whole_request(self, backend: Backend, topic_name: TopicName) -> None:
        """Not even the record for the topic that exists is written."""
        topic, missing = topic_name(), topic_name()
        backend.create_topic(topic)

        async with backend.opened() as sink:
            failure = await refused(sink, [Record(b"v", topic), Record(b"v", missing)])

            assert (Reason.TOPIC_NOT_FOUND, Delivered.NO) == (failure.reason, failure.delivered)
            assert [] == await ledger(backend, topic)

    @pytest.mark.needs(Feature.MISSING_TOPICS)
    async def test_a_topic_created_after_it_was_missing_is_found(self, backend: Backend, topic_name: TopicName) -> None:
        """A miss is not remembered for long."""
        topic = topic_name()

        async with backend.opened() as sink:
            await refused(sink, [Record(b"v", topic)])
            backend.create_topic(topic)

            async with asyncio.timeout(10):
                while (refusal := await refusal_of(sink, [Record(b"v", topic)])) is not None:
                    assert Reason.TOPIC_NOT_FOUND is refusal.reason
                    await asyncio.sleep(0.05)
            assert 1 == len(await ledger(backend, topic))

    async def test_a_partition_out_of_range_refuses_the_whole_request(
        self, backend: Backend, topic_name: TopicName
    ) -> None:
        """Not even the record for a partition that exists is written."""
        topic = topic_name()
        backend.create_topic(topic)

        async with backend.opened() as sink:
            failure = await refused(sink, [Record(b"v", topic, partition=0), Record(b"v", topic, partition=4)])

            assert (Reason.PARTITION_OUT_OF_RANGE, Delivered.NO) == (failure.reason, failure.delivered)
            assert [] == await ledger(backend, topic)

    @pytest.mark.needs(Feature.TOPIC_RULES)
    async def test_a_record_over_the_topics_limit_harms_no_other_partition(
        self, backend: Backend, topic_name: TopicName
    ) -> None:
        """It alone is refused, the records beside it are stored, and its partition takes the next record."""
        topic = topic_name()
        backend.create_topic(topic, config={"max.message.bytes": "10000"})
        records = [Record(b"v%d" % n, topic, partition=n) for n in range(4)]
        records[2].value = b"x" * 20_000

        async with backend.opened() as sink:
            outcomes = await write(sink, records)
            [after] = await stored(sink, [Record(b"after", topic, partition=2)])

            too_large = outcomes[2]
            assert isinstance(too_large, Failure)
            assert (Reason.RECORD_TOO_LARGE, Delivered.NO) == (too_large.reason, too_large.delivered)
            assert all(isinstance(outcome, RecordMetadata) for outcome in (outcomes[0], outcomes[1], outcomes[3]))
            assert (2, 0) == (after.partition, after.offset)
            assert [b"v0", b"v1", b"after", b"v3"] == [record.value for record in await ledger(backend, topic)]

    @pytest.mark.needs(Feature.TOPIC_RULES)
    async def test_a_record_over_the_topics_limit_among_good_ones_tells_the_truth_of_each(
        self, backend: Backend, topic_name: TopicName
    ) -> None:
        """In one partition, brokers judge what was sent together: whatever is answered is what the log holds."""
        topic = topic_name()
        backend.create_topic(topic, partitions=1, config={"max.message.bytes": "10000"})
        records = [Record(b"v%d" % n, topic) for n in range(5)]
        records[2].value = b"x" * 20_000

        async with backend.opened() as sink:
            outcomes = await write(sink, records)
            await stored(sink, [Record(b"after", topic)])

            acknowledged = [
                r.value for r, outcome in zip(records, outcomes, strict=True) if isinstance(outcome, RecordMetadata)
            ]
            failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
            assert Reason.RECORD_TOO_LARGE in {failure.reason for failure in failures}
            assert {Delivered.NO} == {failure.delivered for failure in failures}
            assert [*acknowledged, b"after"] == [record.value for record in await ledger(backend, topic)]

    @pytest.mark.needs(Feature.TOPIC_RULES)
    async def test_small_records_fill_a_topic_with_a_small_limit(self, backend: Backend, topic_name: TopicName) -> None:
        """A topic's limit is for records: that they travel together must not make them too large."""
        topic = topic_name()
        backend.create_topic(topic, partitions=1, config={"max.message.bytes": "10000"})

        async with backend.opened() as sink:
            await stored(sink, [Record(b"x" * 1000, topic) for _ in range(100)])

            assert 100 == len(await ledger(backend, topic))

    @pytest.mark.needs(Feature.TOPIC_RULES)
    async def test_a_timestamp_the_broker_refuses_is_told_as_such(
        self, backend: Backend, topic_name: TopicName
    ) -> None:
        """By default a broker takes no record from more than an hour ahead."""
        topic = topic_name()
        backend.create_topic(topic)

        async with backend.opened() as sink:
            failure = await refused(sink, [Record(b"v", topic), Record(b"v", topic, timestamp=2**62)])

            assert (Reason.INVALID_TIMESTAMP, Delivered.NO) == (failure.reason, failure.delivered)
            assert "[1].timestamp" in failure.message
            assert [] == await ledger(backend, topic)

    @pytest.mark.needs(Feature.TOPIC_RULES)
    async def test_a_record_without_the_key_that_a_topic_demands_refuses_the_whole_request(
        self, backend: Backend, topic_name: TopicName
    ) -> None:
        """A compacted topic keeps the last record of each key; what is no key is not one, and an empty one is."""
        topic = topic_name()
        backend.create_topic(topic, config={"cleanup.policy": "compact"})

        async with backend.opened() as sink:
            failure = await refused(sink, [Record(b"v", topic, key="k"), Record(b"v", topic)])

            assert (Reason.INVALID_RECORD, Delivered.NO) == (failure.reason, failure.delivered)
            assert ["[1].key"] == [violation.path for violation in failure.violations]
            assert [] == await ledger(backend, topic)

            await stored(sink, [Record(b"v", topic, key="k"), Record(b"v", topic, key="")])
            assert {b"k", b""} == {record.key for record in await ledger(backend, topic)}

    @pytest.mark.needs(Feature.TOPIC_RULES)
    async def test_a_refused_timestamp_among_good_records_tells_the_truth_of_each(
        self, backend: Backend, topic_name: TopicName
    ) -> None:
        """The bad one is named; a good one is stored, or is `no` for its company and not in the log.

        What is near a bound is the broker's to judge, whose clock is its own.
        """
        topic = topic_name()
        backend.create_topic(topic, partitions=1)
        records = [Record(b"v%d" % n, topic) for n in range(5)]
        records[2].timestamp = time.time_ns() // 1_000_000 + 3_600_000 + 30_000

        async with backend.opened() as sink:
            outcomes = await write(sink, records)

            bad = outcomes[2]
            assert isinstance(bad, Failure)
            assert Reason.INVALID_TIMESTAMP is bad.reason
            assert {Delivered.NO} == {outcome.delivered for outcome in outcomes if isinstance(outcome, Failure)}
            acknowledged = [
                r.value for r, outcome in zip(records, outcomes, strict=True) if isinstance(outcome, RecordMetadata)
            ]
            assert acknowledged == [record.value for record in await ledger(backend, topic)]


async def test_without_time_left_nothing_is_handed_over(backend: Backend, topic_name: TopicName) -> None:
    """A deadline that has passed, or is about to, is refused with `no`, for a request and for a step."""
    topic = topic_name()
    backend.create_topic(topic)

    async with backend.opened() as sink:
        await stored(sink, [Record(b"before", topic)])
        for late in (
            write(sink, [Record(b"late", topic)], within_s=0),
            write(sink, [Record(b"late", topic)], within_s=0.001),
            enqueue(sink.open_stream(), [Record(b"late", topic)], within_s=0),
            enqueue(sink.open_stream(), [Record(b"late", topic)], within_s=0.001),
        ):
            with pytest.raises(RequestFailed) as refusal:
                await late
            failure = refusal.value.failure
            assert (Reason.DEADLINE_EXCEEDED, Delivered.NO) == (failure.reason, failure.delivered)
        await stored(sink, [Record(b"after", topic)])

        assert {b"before", b"after"} == {record.value for record in await ledger(backend, topic)}


@pytest.mark.needs(Feature.PAUSE)
class TestWaiting:
    """Deadlines, callers who leave, and the budget."""

    async def test_no_acknowledgement_by_the_deadline_is_unknown(self, backend: Backend, topic_name: TopicName) -> None:
        """It is answered at the deadline, and never with `no`."""
        topic = topic_name()
        backend.create_topic(topic)

        async with backend.opened() as sink:
            await stored(sink, [Record(b"before", topic)])
            with backend.paused():
                began = time.monotonic()
                outcomes = await write(sink, [Record(b"a", topic), Record(b"b", topic)], within_s=0.5)
                took_s = time.monotonic() - began

            assert 0.4 < took_s < 1.5
            for outcome in outcomes:
                assert isinstance(outcome, Failure)
                assert outcome.reason in NO_ACKNOWLEDGEMENT
                assert outcome.delivered is Delivered.UNKNOWN

    async def test_a_caller_who_leaves_recalls_nothing(self, backend: Backend, topic_name: TopicName) -> None:
        """The records are written all the same, once, and the sink goes on."""
        topic = topic_name()
        backend.create_topic(topic, partitions=1)

        async with backend.opened() as sink:
            await stored(sink, [Record(b"before", topic)])
            with backend.paused():
                leaving = asyncio.create_task(write(sink, [Record(b"a", topic), Record(b"b", topic)]))
                # The topic is known, so one turn of the loop takes the task past handing its records over.
                await asyncio.sleep(0)
                leaving.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await leaving
            await stored(sink, [Record(b"after", topic)])

            values: list[bytes | None] = []
            async with asyncio.timeout(10):
                while len(values) < 4:
                    values = [record.value for record in await ledger(backend, topic)]
            # What the other caller is told of comes when it comes; nobody was told of these.
            assert [b"before", b"a", b"b"] == [value for value in values if value != b"after"]
            assert 4 == len(values)

    async def test_over_budget_is_refused_at_once(self, backend: Backend, topic_name: TopicName) -> None:
        """The refusal comes with `no` and a delay, and does not wait for anything to finish."""
        topic = topic_name()
        backend.create_topic(topic)

        async with backend.opened(in_flight_records_max=10) as sink:
            await stored(sink, [Record(b"before", topic)])
            with backend.paused():
                first = asyncio.create_task(stored(sink, [Record(b"first", topic)] * 8))
                await asyncio.sleep(0)
                began = time.monotonic()
                failure = await refused(sink, [Record(b"second", topic)] * 3)
                took_s = time.monotonic() - began
            await first

            assert (Reason.OVERLOADED, Delivered.NO) == (failure.reason, failure.delivered)
            assert failure.retry_delay_s is not None
            assert took_s < 0.05
            assert 9 == len(await ledger(backend, topic))

    async def test_the_budget_comes_back_though_the_caller_left(self, backend: Backend, topic_name: TopicName) -> None:
        """It is held while the records are, and no longer: neither a leak nor a hole."""
        topic = topic_name()
        backend.create_topic(topic)

        async with backend.opened(in_flight_records_max=10) as sink:
            await stored(sink, [Record(b"before", topic)])
            with backend.paused():
                leaving = asyncio.create_task(write(sink, [Record(b"v", topic)] * 10))
                await asyncio.sleep(0)
                leaving.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await leaving
                held = await refused(sink, [Record(b"v", topic)])
            give_up_at = time.monotonic() + 10
            while len(await ledger(backend, topic)) < 11:
                assert time.monotonic() < give_up_at
            await stored(sink, [Record(b"v", topic)] * 10)

            assert Reason.OVERLOADED is held.reason
            assert 21 == len(await ledger(backend, topic))


class TestStream:
    """Steps of a stream: handed over one after another, acknowledged whenever."""

    async def test_steps_are_stored_in_the_order_enqueued(self, backend: Backend, topic_name: TopicName) -> None:
        """Nobody waits for one step's acknowledgement before handing over the next."""
        topic = topic_name()
        backend.create_topic(topic)
        steps = [[Record(b"%d-%d" % (step, n), topic, partition=0) for n in range(10)] for step in range(50)]

        async with backend.opened() as sink:
            stream = sink.open_stream()
            pending = [await enqueue(stream, records) for records in steps]
            for written in pending:
                assert all(isinstance(outcome, RecordMetadata) for outcome in await written.outcomes())

            sent = [record.value for records in steps for record in records]
            assert sent == [record.value for record in await ledger(backend, topic)]

    async def test_a_step_that_breaks_a_rule_leaves_the_stream_alive(
        self, backend: Backend, topic_name: TopicName
    ) -> None:
        """It is refused as a request would be, and the next step is stored."""
        topic = topic_name()
        backend.create_topic(topic)

        async with backend.opened() as sink:
            stream = sink.open_stream()
            with pytest.raises(RequestFailed) as refusal:
                await enqueue(stream, [Record(b"v", topic, partition=4)])
            [outcome] = await (await enqueue(stream, [Record(b"next", topic)])).outcomes()

            assert Reason.PARTITION_OUT_OF_RANGE is refusal.value.failure.reason
            assert isinstance(outcome, RecordMetadata)
            assert [b"next"] == [record.value for record in await ledger(backend, topic)]

    @pytest.mark.needs(Feature.PAUSE)
    async def test_a_step_waits_for_room(self, backend: Backend, topic_name: TopicName) -> None:
        """A fast caller is slowed down where a request would be refused."""
        topic = topic_name()
        backend.create_topic(topic, partitions=1)

        async with backend.opened(in_flight_records_max=10) as sink:
            stream = sink.open_stream()
            await stored(sink, [Record(b"before", topic)])
            with backend.paused():
                first = await enqueue(stream, [Record(b"first", topic)] * 10)
                second = asyncio.create_task(enqueue(stream, [Record(b"second", topic)] * 10))
                refusal = await refused(sink, [Record(b"refused", topic)])
                assert not second.done()
            for written in (first, await second):
                assert all(isinstance(outcome, RecordMetadata) for outcome in await written.outcomes())

            assert Reason.OVERLOADED is refusal.reason
            expected = [b"before", *[b"first"] * 10, *[b"second"] * 10]
            assert expected == [record.value for record in await ledger(backend, topic)]

    @pytest.mark.needs(Feature.PAUSE)
    async def test_a_step_without_room_by_the_deadline_is_refused(
        self, backend: Backend, topic_name: TopicName
    ) -> None:
        """With `no`: it was never handed over, and never will be."""
        topic = topic_name()
        backend.create_topic(topic)

        async with backend.opened(in_flight_records_max=10) as sink:
            stream = sink.open_stream()
            await stored(sink, [Record(b"before", topic)])
            with backend.paused():
                first = await enqueue(stream, [Record(b"first", topic)] * 10)
                with pytest.raises(RequestFailed) as refusal:
                    await enqueue(stream, [Record(b"second", topic)], within_s=0.2)
            await first.outcomes()
            await stored(sink, [Record(b"after", topic)])

            failure = refusal.value.failure
            assert (Reason.OVERLOADED, Delivered.NO) == (failure.reason, failure.delivered)
            assert b"second" not in [record.value for record in await ledger(backend, topic)]

    @pytest.mark.needs(Feature.PAUSE)
    async def test_a_caller_who_leaves_while_waiting_for_room_has_handed_over_nothing(
        self, backend: Backend, topic_name: TopicName
    ) -> None:
        """Its step is not written later, and the room it waited for goes to others."""
        topic = topic_name()
        backend.create_topic(topic, partitions=1)

        async with backend.opened(in_flight_records_max=10) as sink:
            stream = sink.open_stream()
            await stored(sink, [Record(b"before", topic)])
            with backend.paused():
                first = await enqueue(stream, [Record(b"first", topic)] * 10)
                leaving = asyncio.create_task(enqueue(stream, [Record(b"second", topic)] * 10))
                await asyncio.sleep(0)
                leaving.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await leaving
            await first.outcomes()
            await stored(sink, [Record(b"after", topic)] * 10)

            expected = [b"before", *[b"first"] * 10, *[b"after"] * 10]
            assert expected == [record.value for record in await ledger(backend, topic)]

    @pytest.mark.needs(Feature.PAUSE)
    async def test_a_step_not_acknowledged_by_its_deadline_is_unknown(
        self, backend: Backend, topic_name: TopicName
    ) -> None:
        """As a request would be."""
        topic = topic_name()
        backend.create_topic(topic)

        async with backend.opened() as sink:
            await stored(sink, [Record(b"before", topic)])
            with backend.paused():
                step = await enqueue(sink.open_stream(), [Record(b"v", topic)], within_s=0.5)
                [outcome] = await step.outcomes()

            assert isinstance(outcome, Failure)
            assert outcome.reason in NO_ACKNOWLEDGEMENT
            assert outcome.delivered is Delivered.UNKNOWN
