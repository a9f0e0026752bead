"""Publishers, of both kinds, over streams that break, drain, refuse, hang and answer nonsense."""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
import time
from collections.abc import Callable, Sequence

import grpc
import pytest

from tests.brokers.ports import LOOPBACK, free_port
from tests.brokers.waiting import wait_for
from tests.client.doors import Door, PublisherDoor
from tests.client.fake_gateway import Abort, CutOff, FakeGateway, Hang, Results, Script, Step, Stream, refused
from tests.client.model_gateway import refusal, stored
from twinpost.client import (
    AsyncPublisher,
    BufferFull,
    Delivered,
    PublisherClosed,
    PublisherOptions,
    Record,
    RecordError,
    RecordMetadata,
    RetryPolicy,
)
from twinpost.v1 import record_pb2
from twinpost_server.core.errors import Failure, Reason

DRAINED = Failure(reason=Reason.SHUTTING_DOWN, message="stopping", retry_after_s=0.05)
BRISK = RetryPolicy(delay_s_min=0.01, delay_s_max=0.05)


def options(**changes: object) -> PublisherOptions:
    """Return options that try again soon, with `changes`."""
    return PublisherOptions(**{"retry": BRISK, "linger_s": 0.001, **changes})  # type: ignore[arg-type]


def records(count: int, key: bytes | None = b"k") -> list[Record]:
    """Return so many records of one key, whose values are their numbers."""
    return [Record("greetings", b"%d" % number, key=key) for number in range(count)]


def told(outcome: object) -> tuple[str, str]:
    """Return the reason, and what is known, of a record that must not have been acknowledged."""
    assert isinstance(outcome, RecordError), outcome
    return outcome.reason, outcome.delivered


async def all_stored(publisher: PublisherDoor, futures: Sequence[object]) -> list[int]:
    """Return the offsets of records that must all have been acknowledged."""
    outcomes = [await publisher.outcome(future) for future in futures]
    stored = [outcome for outcome in outcomes if isinstance(outcome, RecordMetadata)]
    assert len(stored) == len(outcomes), outcomes
    return [place.offset for place in stored]


def after(steps: int, end: Exception, store: Callable[[Step], Results]) -> Script:
    """Return a script that stores so many steps with records, and ends the stream at the next one."""

    def script(stream: Stream, step: Step) -> Results:
        if sum(bool(other.records) for other in stream.steps) > steps:
            raise end
        return store(step)

    return script


def at_first(act: Callable[[Step], Results], store: Callable[[Step], Results]) -> Script:
    """Return a script that acts on the first step with records, and stores the others."""

    def script(stream: Stream, step: Step) -> Results:
        with_records = [other for other in stream.steps if other.records]
        return act(step) if with_records[:1] == [step] else store(step)

    return script


async def test_records_are_stored_and_told_where(door: Door, fake: FakeGateway) -> None:
    """Everything a record can have arrives, and its future has its place."""
    full = Record(
        "greetings", "text", key="κ", partition=3, timestamp=5, headers=[("h", b"1"), ("h", None), ("é", "ü")]
    )
    async with door.publisher(fake.address) as publisher:
        futures = [
            await publisher.publish(record) for record in (full, Record("greetings", None), Record("greetings", b""))
        ]
        outcomes = [await publisher.outcome(future) for future in futures]
    assert [("greetings", 0, 1, False)] * 3 == [
        (place.topic, place.partition, place.timestamp, place.maybe_duplicated) for place in outcomes
    ]
    assert {0, 1, 2} == {place.offset for place in outcomes}
    first = fake.log[outcomes[0].offset]
    assert (b"text", "κ".encode(), 3, 5) == (first.value, first.key, first.partition, first.timestamp)
    assert [("h", b"1", True), ("h", b"", False), ("é", "ü".encode(), True)] == [
        (header.key, header.value, header.HasField("value")) for header in first.headers
    ]
    tombstone, empty = fake.log[outcomes[1].offset], fake.log[outcomes[2].offset]
    assert [False, True] == [tombstone.HasField("value"), empty.HasField("value")]
    assert [False] * 4 == [empty.HasField(name) for name in ("key", "partition", "timestamp")] + [bool(empty.headers)]


async def test_credentials_travel_with_the_stream(door: Door, fake: FakeGateway) -> None:
    """As HTTP Basic."""
    async with door.publisher(fake.address, user="clerk", password="Pa:ss wörd") as publisher:  # noqa: S106 - a test's
        await publisher.outcome(await publisher.publish(Record("greetings", b"x")))
    assert "Basic Y2xlcms6UGE6c3Mgd8O2cmQ=" == fake.streams[0].metadata["authorization"]


async def test_records_gather_while_a_step_is_under_way(door: Door, fake: FakeGateway) -> None:
    """A slow gateway gets fewer and larger steps, each within its limits, and everything in order."""
    released = threading.Event()

    def slow(_step: Step) -> Results:
        released.wait(10)
        return fake.store(_step.records)

    fake.scripts.append(at_first(slow, lambda step: fake.store(step.records)))
    async with door.publisher(fake.address, options(batch_records_max=40)) as publisher:
        first = await publisher.publish(records(1)[0])
        await asyncio.to_thread(
            wait_for, lambda: len(fake.streams) == 1 and len(fake.streams[0].steps) == 2, "it", timeout_s=10
        )
        futures = [await publisher.publish(record) for record in records(101)[1:]]
        released.set()
        await all_stored(publisher, [first, *futures])
    assert [b"%d" % number for number in range(101)] == fake.values
    assert [0, 1, 40, 40, 20] == [len(step.records) for step in fake.streams[0].steps]


async def test_stream_is_opened_for_records_alone(door: Door, fake: FakeGateway) -> None:
    """A publisher that has nothing to publish does not call."""
    async with door.publisher(fake.address) as publisher:
        await publisher.flush()
    assert [] == fake.streams


@pytest.mark.parametrize("time_s", [1e10, math.inf])
async def test_no_time_is_too_long(door: Door, fake: FakeGateway, time_s: float) -> None:
    """Not even for ever."""
    narrow = options(delivery_timeout_s=time_s, batch_bytes_max=1024, buffer_bytes_max=2048)
    async with door.publisher(fake.address, narrow) as publisher:
        futures = [await publisher.publish(record, timeout_s=time_s) for record in records(20)]
        await publisher.flush(time_s)
        assert list(range(20)) == await all_stored(publisher, futures)
        assert 0 == await publisher.close(time_s)


async def test_time_that_is_no_number_is_refused(door: Door, fake: FakeGateway) -> None:
    """It would never be over; the publisher goes on."""
    async with door.publisher(fake.address, options()) as publisher:
        for wait in (publisher.flush, publisher.close):
            with pytest.raises(ValueError, match="timeout_s is nan: expected a number of seconds"):
                await wait(math.nan)
        with pytest.raises(ValueError, match="timeout_s is nan: expected a number of seconds"):
            await publisher.publish(records(1)[0], timeout_s=math.nan)
        assert [0] == await all_stored(publisher, [await publisher.publish(records(1)[0])])


async def test_stream_that_nobody_uses_is_closed(
    door: Door, fake: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And opened again for the next record."""
    for module in ("publisher", "async_publisher"):
        monkeypatch.setattr(f"twinpost.client.{module}.IDLE_S_MAX", 0.05)
    async with door.publisher(fake.address) as publisher:
        await publisher.outcome(await publisher.publish(Record("greetings", b"1")))
        assert await asyncio.to_thread(fake.streams[0].half_closed.wait, 10)
        await publisher.outcome(await publisher.publish(Record("greetings", b"2")))
    assert [b"1", b"2"] == fake.values
    assert 2 == len(fake.streams)


async def test_draining_gateway_costs_nothing(door: Door, fake: FakeGateway) -> None:
    """What it has not answered was not written: everything goes on over the next stream, once and in order."""
    fake.scripts.append(after(1, refused(DRAINED), lambda step: fake.store(step.records)))
    async with door.publisher(fake.address, options(linger_s=0.5, batch_records_max=10)) as publisher:
        futures = [await publisher.publish(record) for record in records(100)]
        outcomes = [await publisher.outcome(future) for future in futures]
    assert list(range(100)) == [place.offset for place in outcomes]
    assert [b"%d" % number for number in range(100)] == fake.values
    assert not any(place.maybe_duplicated for place in outcomes)
    assert 2 == len(fake.streams)


@pytest.mark.parametrize("end", [Abort(grpc.StatusCode.UNAVAILABLE), CutOff()], ids=["by a proxy", "connection"])
async def test_broken_stream_leaves_what_was_sent_unknown(door: Door, fake: FakeGateway, end: Exception) -> None:
    """What was not sent yet goes on over the next stream."""
    fake.scripts.append(after(1, end, lambda step: fake.store(step.records)))
    async with door.publisher(fake.address, options(linger_s=0.5, batch_records_max=10)) as publisher:
        futures = [await publisher.publish(record) for record in records(30)]
        if isinstance(end, CutOff):
            await asyncio.to_thread(wait_for, lambda: not fake.serves, "the end", timeout_s=10)
            fake.start()
        outcomes = [await publisher.outcome(future) for future in futures]
    assert [("GATEWAY_UNAVAILABLE", "unknown")] * 10 == [told(outcome) for outcome in outcomes[10:20]]
    assert all(isinstance(outcome, RecordMetadata) for outcome in outcomes[:10] + outcomes[20:])
    assert [b"%d" % number for number in [*range(10), *range(20, 30)]] == fake.values


async def test_broken_stream_is_made_good_where_that_is_asked_for(door: Door, fake: FakeGateway) -> None:
    """`resend_unknown`: what may be stored is sent again, in order, and says so; nothing is lost."""

    def stored_and_broken(step: Step) -> Results:
        fake.store(step.records)
        raise Abort(grpc.StatusCode.UNAVAILABLE)

    fake.scripts.append(at_first(stored_and_broken, lambda step: fake.store(step.records)))
    async with door.publisher(
        fake.address, options(linger_s=0.5, batch_records_max=10, resend_unknown=True)
    ) as publisher:
        futures = [await publisher.publish(record) for record in records(30)]
        outcomes = [await publisher.outcome(future) for future in futures]
    assert [b"%d" % number for number in [*range(10), *range(30)]] == fake.values
    assert list(range(10, 40)) == [place.offset for place in outcomes]
    assert [True] * 10 + [False] * 20 == [place.maybe_duplicated for place in outcomes]


async def test_refused_record_is_tried_again_before_any_later_one(door: Door, fake: FakeGateway) -> None:
    """A passing refusal costs time, and no order."""
    fake.scripts.append(at_first(lambda step: [refusal()] * len(step.records), lambda step: fake.store(step.records)))
    async with door.publisher(fake.address, options(linger_s=0.5, batch_records_max=10)) as publisher:
        futures = [await publisher.publish(record) for record in records(100)]
        outcomes = [await publisher.outcome(future) for future in futures]
    assert list(range(100)) == [place.offset for place in outcomes]
    assert [b"%d" % number for number in range(100)] == fake.values


async def test_one_bad_record_fails_alone(door: Door, fake: FakeGateway) -> None:
    """The gateway refuses a step whole; the publisher finds out whose fault it was."""

    def script(_stream: Stream, step: Step) -> Results:
        if any(record.value == b"77" for record in step.records):
            return [refusal("RECORD_TOO_LARGE", retriable=False)] * len(step.records)
        return fake.store(step.records)

    fake.scripts.append(script)
    async with door.publisher(fake.address) as publisher:
        futures = [await publisher.publish(record) for record in records(200)]
        outcomes = [await publisher.outcome(future) for future in futures]
    assert ("RECORD_TOO_LARGE", "no") == told(outcomes.pop(77))
    assert list(range(199)) == [place.offset for place in outcomes]
    assert [b"%d" % number for number in range(200) if number != 77] == fake.values


async def test_refusal_for_good_is_told_at_once(door: Door, fake: FakeGateway) -> None:
    """A topic that does not exist is not looked for again."""
    fake.scripts.append(
        lambda _, step: [refusal("TOPIC_NOT_FOUND", retriable=False)] * len(step.records) if step.records else []
    )
    async with door.publisher(fake.address) as publisher:
        futures = [await publisher.publish(record) for record in records(10)]
        outcomes = [await publisher.outcome(future) for future in futures]
    assert [("TOPIC_NOT_FOUND", "no")] * 10 == [told(outcome) for outcome in outcomes]


async def test_wrong_password_fails_everything_that_is_held(door: Door, fake: FakeGateway) -> None:
    """It would go on until somebody mends it; the next record asks again."""
    fake.otherwise = after(
        -1,
        refused(Failure(reason=Reason.UNAUTHENTICATED, message="who are you?")),
        lambda step: fake.store(step.records),
    )
    async with door.publisher(fake.address, options()) as publisher:
        futures = [await publisher.publish(record) for record in records(10)]
        outcomes = [await publisher.outcome(future) for future in futures]
        assert [("UNAUTHENTICATED", "no")] * 10 == [told(outcome) for outcome in outcomes]
        fake.otherwise = lambda _, step: fake.store(step.records)
        await all_stored(publisher, [await publisher.publish(Record("greetings", b"x"))])
    assert [b"x"] == fake.values


async def test_gateway_that_is_not_there_is_waited_for(door: Door) -> None:
    """Until the record's time is over; then it is certain that it was not written, and the cause is told."""
    async with door.publisher(f"{LOOPBACK}:{free_port()}", options(delivery_timeout_s=0.3)) as publisher:
        outcome = await publisher.outcome(await publisher.publish(Record("greetings", b"x")))
    assert ("GATEWAY_UNAVAILABLE", "no") == told(outcome)
    assert isinstance(outcome, RecordError)
    assert outcome.retriable


async def test_gateway_that_comes_late_gets_everything(door: Door, fake: FakeGateway) -> None:
    """Records wait for it."""
    fake.stop()
    async with door.publisher(fake.address, options()) as publisher:
        futures = [await publisher.publish(record) for record in records(10)]
        await asyncio.sleep(0)
        fake.start()
        await all_stored(publisher, futures)


async def test_answer_that_never_comes_is_unknown(door: Door, fake: FakeGateway) -> None:
    """At the record's deadline; the stream is given up then, and the next record gets another one."""
    fake.scripts.append(after(0, Hang(), lambda step: fake.store(step.records)))
    async with door.publisher(fake.address, options(delivery_timeout_s=1.5)) as publisher:
        began = time.monotonic()
        outcome = await publisher.outcome(await publisher.publish(Record("greetings", b"x", key=b"k")))
        assert 1.5 <= time.monotonic() - began < 15
        assert ("DEADLINE_EXCEEDED", "unknown") == told(outcome)
        outcome = await publisher.outcome(await publisher.publish(Record("greetings", b"y", key=b"k")))
        assert isinstance(outcome, RecordMetadata)
    assert [b"y"] == fake.values


async def test_time_is_kept_after_a_while_without_records(door: Door, fake: FakeGateway) -> None:
    """Whoever keeps it has gone to sleep, with nothing to wait for, on a stream that is open."""
    fake.scripts.append(after(1, Hang(), lambda step: fake.store(step.records)))
    async with door.publisher(fake.address, options(delivery_timeout_s=1.5)) as publisher:
        await publisher.outcome(await publisher.publish(Record("greetings", b"x", key=b"k")))
        driver = publisher.publisher
        await asyncio.to_thread(wait_for, lambda: driver._clock_sleeps, "sleep", timeout_s=10)  # noqa: SLF001 - it shows nowhere else
        outcome = await publisher.outcome(await publisher.publish(Record("greetings", b"y", key=b"k")))
        assert ("DEADLINE_EXCEEDED", "unknown") == told(outcome)


async def test_stream_that_never_begins_is_given_up(
    door: Door, fake: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was sent over it, so nothing is in doubt."""
    monkeypatch.setattr("twinpost.client.outbox._TURN_S_MAX", 0.5)
    fake.scripts.append(after(-1, Hang(), lambda step: fake.store(step.records)))
    async with door.publisher(fake.address, options()) as publisher:
        outcome = await publisher.outcome(await publisher.publish(Record("greetings", b"x")))
    assert isinstance(outcome, RecordMetadata)
    assert 2 == len(fake.streams)


@pytest.mark.parametrize(
    "results",
    [[], [stored(0)] * 3, [stored(0)] * 5, [record_pb2.RecordResult()] * 4],
    ids=["none", "too few", "too many", "empty ones"],
)
async def test_miscounted_answer_leaves_the_records_unknown(door: Door, fake: FakeGateway, results: Results) -> None:
    """Nobody can say whose results they are."""
    fake.scripts.append(at_first(lambda _step: results, lambda step: fake.store(step.records)))
    async with door.publisher(fake.address, options(linger_s=0.2)) as publisher:
        futures = [await publisher.publish(record) for record in records(4)]
        outcomes = [await publisher.outcome(future) for future in futures]
    assert [("INTERNAL", "unknown")] * 4 == [told(outcome) for outcome in outcomes]


async def test_full_buffer_makes_publish_wait(door: Door, fake: FakeGateway) -> None:
    """For room, in turn; and no longer than it is told to."""
    released = threading.Event()

    def slow(step: Step) -> Results:
        released.wait(20)
        return fake.store(step.records)

    fake.scripts.append(at_first(slow, lambda step: fake.store(step.records)))
    limits = options(batch_bytes_max=1024, buffer_bytes_max=4096)
    async with door.publisher(fake.address, limits) as publisher:
        futures = [await publisher.publish(Record("greetings", b"." * 500, key=b"k")) for _ in range(4)]
        with pytest.raises(BufferFull):
            await publisher.publish(Record("greetings", b"." * 500, key=b"k"), timeout_s=0.05)
        waiting = asyncio.create_task(publisher.publish(Record("greetings", b"late", key=b"k")))
        await asyncio.sleep(0)
        released.set()
        futures.append(await asyncio.wait_for(waiting, 10))
        await all_stored(publisher, futures)
    assert b"late" == fake.values[-1]
    assert 5 == len(fake.values)


async def test_record_that_can_never_fit_is_refused_by_its_future(door: Door, fake: FakeGateway) -> None:
    """Without a call; the records around it are not concerned."""
    async with door.publisher(fake.address, options(batch_bytes_max=1024, buffer_bytes_max=2048)) as publisher:
        outcome = await publisher.outcome(await publisher.publish(Record("greetings", b"." * 1024)))
        assert ("RECORD_TOO_LARGE", "no") == told(outcome)
        await all_stored(publisher, [await publisher.publish(Record("greetings", b"x"))])
    assert [b"x"] == fake.values


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (Record("greetings", "\ud800"), ValueError),
        (Record("greetings", b"x", partition=2**31), ValueError),
        (Record("greetings", b"x", partition="1"), TypeError),  # type: ignore[arg-type]
        (Record("greetings", b"x", headers=[("h", b"1"), ("h", 5)]), TypeError),  # type: ignore[list-item]
        (Record("greetings", b"x", headers=iter([("h", b"1")])), TypeError),  # type: ignore[arg-type]
        (Record("greetings", b"x", headers={"id": b"1"}), TypeError),  # type: ignore[arg-type]
        (Record("greetings", b"x", headers=[(b"h", b"1")]), TypeError),  # type: ignore[list-item]
        (Record(None, b"x"), TypeError),  # type: ignore[arg-type]
        (Record(b"greetings", b"x"), TypeError),  # type: ignore[arg-type]
    ],
    ids=[
        *("surrogate", "large partition", "partition", "header", "iterator", "mapping", "header's name", "no topic"),
        "topic",
    ],
)
async def test_record_of_the_wrong_type_is_refused_on_the_spot(
    door: Door, fake: FakeGateway, record: Record, error: type[Exception]
) -> None:
    """And leaves nothing behind in its batch."""
    async with door.publisher(fake.address, options(linger_s=0.05)) as publisher:
        before = await publisher.publish(Record("greetings", b"before"))
        with pytest.raises(error):
            await publisher.publish(record)
        behind = await publisher.publish(Record("greetings", b"behind"))
        await all_stored(publisher, [before, behind])
    assert [b"before", b"behind"] == fake.values


async def test_flush_sends_at_once_and_waits_for_the_answers(door: Door, fake: FakeGateway) -> None:
    """However long records would linger."""
    async with door.publisher(fake.address, options(linger_s=100.0)) as publisher:
        for record in records(10):
            await publisher.publish(record)
        await publisher.flush(10)
        assert 10 == len(fake.values)


async def test_flush_returns_with_an_answer_that_tells_nothing_new(door: Door, fake: FakeGateway) -> None:
    """The record it answers was told before, since its time was over; until then it still counts as under way."""
    answer_slow, answer_late = threading.Event(), threading.Event()

    def script(_stream: Stream, step: Step) -> Results:
        if step.records:
            (answer_slow if step.records[0].topic == "slow" else answer_late).wait(20)
        return fake.store(step.records)

    fake.scripts.append(script)
    # The late record lingers, and so comes behind the slow ones, which fill a batch and have all the time in the world.
    limits = options(delivery_timeout_s=1.5, linger_s=0.5, batch_records_max=2)
    async with door.publisher(fake.address, limits) as publisher:
        late = await publisher.publish(Record("greetings", b"late"))
        publisher.publisher._outbox._delivery_timeout_s = 60.0  # noqa: SLF001 - the options are for all records
        slow = [await publisher.publish(Record("slow", b"%d" % number)) for number in range(2)]
        assert ("DEADLINE_EXCEEDED", "unknown") == told(await publisher.outcome(late))
        flushing = asyncio.create_task(publisher.flush(20))
        await asyncio.sleep(0)
        answer_slow.set()
        await all_stored(publisher, slow)
        assert not flushing.done()
        answer_late.set()
        # Long before it looks for itself, since its time is over.
        await asyncio.wait_for(flushing, 5)
    assert [b"0", b"1", b"late"] == fake.values


async def test_flush_gives_up_in_time(door: Door, fake: FakeGateway) -> None:
    """The records go on."""
    fake.scripts.append(after(0, Hang(), lambda step: fake.store(step.records)))
    async with door.publisher(fake.address, options(delivery_timeout_s=1.5)) as publisher:
        future = await publisher.publish(Record("greetings", b"x"))
        with pytest.raises(TimeoutError):
            await publisher.flush(0.1)
        assert ("DEADLINE_EXCEEDED", "unknown") == told(await publisher.outcome(future))


async def test_close_delivers_what_was_published(door: Door, fake: FakeGateway) -> None:
    """And half-closes the stream, which the gateway then ends well; a second close changes nothing."""
    async with door.publisher(fake.address, options(linger_s=100.0)) as publisher:
        future = await publisher.publish(Record("greetings", b"x"))
        assert 0 == await publisher.close()
        assert isinstance(await publisher.outcome(future), RecordMetadata)
        assert 0 == await publisher.close()
        with pytest.raises(PublisherClosed):
            await publisher.publish(Record("greetings", b"y"))
    assert fake.streams[0].half_closed.wait(10)


async def test_close_gives_up_in_time(door: Door, fake: FakeGateway) -> None:
    """What was sent is unknown, what was not is `no`; both are told, and counted."""
    fake.scripts.append(after(0, Hang(), lambda step: fake.store(step.records)))
    async with door.publisher(fake.address, options(batch_records_max=1)) as publisher:
        futures = [await publisher.publish(record) for record in records(3)]
        await asyncio.to_thread(
            wait_for, lambda: bool(fake.streams) and len(fake.streams[0].steps) == 2, "a step", timeout_s=10
        )
        assert 3 == await publisher.close(0.05)
        outcomes = [told(await publisher.outcome(future)) for future in futures]
    assert [("DEADLINE_EXCEEDED", known) for known in ("unknown", "no", "no")] == outcomes


async def test_publishers_that_wait_for_room_are_sent_away_by_close(door: Door, fake: FakeGateway) -> None:
    """They do not wait for what will never come, nor take the room of what is given up."""
    fake.scripts.append(after(0, Hang(), lambda step: fake.store(step.records)))
    limits = options(batch_bytes_max=1024, buffer_bytes_max=2048)
    async with door.publisher(fake.address, limits) as publisher:
        for _ in range(2):
            await publisher.publish(Record("greetings", b"." * 500))
        waiting = [asyncio.create_task(publisher.publish(Record("greetings", b"." * 500))) for _ in range(3)]
        assert set() == (await asyncio.wait(waiting, timeout=0.05))[0]
        assert 2 == await publisher.close(0.05)
        for publishing in waiting:
            with pytest.raises(PublisherClosed):
                await asyncio.wait_for(publishing, 10)


async def test_many_topics_and_keys_each_keep_their_order(door: Door, fake: FakeGateway) -> None:
    """Whatever travels together, and whatever is refused on the way."""
    refusals = iter([True, False, True, True, False, False, True] * 10)

    def script(_stream: Stream, step: Step) -> Results:
        if step.records and any(itertools.islice(refusals, 1)):
            return [refusal("OVERLOADED")] * len(step.records)
        return fake.store(step.records)

    fake.scripts.append(script)
    async with door.publisher(fake.address, options(batch_records_max=7)) as publisher:
        futures = [
            await publisher.publish(Record(f"topic-{number % 3}", b"%d" % number, key=b"%d" % (number % 20)))
            for number in range(600)
        ]
        await all_stored(publisher, futures)
    assert 600 == len(fake.log)
    last: dict[tuple[str, bytes], int] = {}
    for record in fake.log:
        assert last.get((record.topic, record.key), -1) < int(record.value)
        last[record.topic, record.key] = int(record.value)
    assert all(len({record.topic for record in step.records}) <= 1 for step in fake.streams[0].steps)


async def test_cancelled_future_recalls_nothing(fake: FakeGateway) -> None:
    """A record that was taken is sent, whoever has lost interest in it."""
    async with AsyncPublisher(fake.address, options=options(linger_s=0.05)) as publisher:
        future = await publisher.publish(Record("greetings", b"x"))
        future.cancel()
        await publisher.flush(10)
    assert [b"x"] == fake.values


async def test_publisher_whose_loop_ends_waits_for_nothing(fake: FakeGateway) -> None:
    """A callback that exits ends the loop, which cancels every task, the clock too; what is held is given up."""
    fake.stop()
    publisher = AsyncPublisher(fake.address, options=options())
    future = await publisher.publish(Record("greetings", b"x"))
    flushing = asyncio.create_task(publisher.flush(10))
    await asyncio.sleep(0)
    publisher._clock_task.cancel()  # noqa: SLF001 - as the end of the loop does
    await flushing
    assert ("DEADLINE_EXCEEDED", "no") == told(future.exception())
    with pytest.raises(PublisherClosed):
        await publisher.publish(Record("greetings", b"y"))
    with pytest.raises(asyncio.CancelledError):
        await publisher.close()


async def test_closed_channel_of_ones_own_fails_the_record(fake: FakeGateway) -> None:
    """Nothing can be sent over it any more."""
    channel = grpc.aio.insecure_channel(fake.address)
    await channel.close()
    async with AsyncPublisher(channel, options=options()) as publisher:
        future = await publisher.publish(Record("greetings", b"x"))
        with pytest.raises(RecordError) as raised:
            await future
    assert ("GATEWAY_UNAVAILABLE", "no") == told(raised.value)


def test_delivered_is_one_of_two_things() -> None:
    """A record is in the log, is not, or nobody knows; `partial` is said of requests alone."""
    assert ["no", "unknown"] == list(Delivered)


async def test_channel_of_ones_own_that_is_closed_meanwhile_leaves_the_record_unknown(fake: FakeGateway) -> None:
    """Later ones were not sent."""

    def script(_stream: Stream, step: Step) -> Results:
        if step.records:
            raise Hang
        return []

    fake.otherwise = script
    channel = grpc.aio.insecure_channel(fake.address)
    async with AsyncPublisher(channel, options=options()) as publisher:
        sent, later = records(2)
        future = await publisher.publish(sent)
        await asyncio.to_thread(
            wait_for, lambda: any(step.records for stream in fake.streams for step in stream.steps), "it", timeout_s=20
        )
        await channel.close()
        with pytest.raises(RecordError) as raised:
            await future
        assert ("GATEWAY_UNAVAILABLE", "unknown") == told(raised.value)
        with pytest.raises(RecordError) as raised:
            await (await publisher.publish(later))
        assert ("GATEWAY_UNAVAILABLE", "no") == told(raised.value)
