"""Streams, called through a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from grpc import StatusCode, aio
from structlog.testing import capture_logs

from tests.contract.fake_sink import FakeSink
from tests.unit.rpc.served import LIMITS, Doorkeeper, Gateway, Refusal
from twinpost.v1 import producer_service_pb2, record_pb2
from twinpost_server.app.produce_stream import ProduceStream
from twinpost_server.core.errors import Failure, Reason, RequestFailed
from twinpost_server.core.principal import ANONYMOUS, Principal
from twinpost_server.core.topics import TopicPattern
from twinpost_server.rpc.guard import CallGuard
from twinpost_server.rpc.step_pipeline import StepPipeline

Response = producer_service_pb2.ProduceStreamResponse


class Stream:
    """A stream from the caller's side."""

    def __init__(self, gateway: Gateway, metadata: Iterable[tuple[str, str]] = ()) -> None:
        """Open it."""
        start: aio.StreamStreamMultiCallable[bytes, bytes] = gateway.channel.stream_stream(
            "/twinpost.v1.ProducerService/ProduceStream"
        )
        self.call = start(metadata=tuple(metadata))

    async def send(self, sequence: int, *values: bytes, topic: str = "one") -> None:
        """Send a step with a record for each of `values`."""
        records = [record_pb2.Record(topic=topic, value=value) for value in values]
        request = producer_service_pb2.ProduceStreamRequest(sequence=sequence, records=records)
        await self.call.write(request.SerializeToString())

    async def answer(self) -> Response:
        """Return the next answer."""
        async with asyncio.timeout(10):
            data = await self.call.read()
        assert isinstance(data, bytes), await self.call.code()
        return Response.FromString(data)

    async def ended(self) -> None:
        """Return once the stream has ended with OK, or raise how else it did."""
        async with asyncio.timeout(10):
            assert await self.call.read() is aio.EOF
            assert StatusCode.OK is await self.call.code()

    async def refusal(self) -> Refusal:
        """Return how the stream failed."""
        async with asyncio.timeout(10):
            with pytest.raises(aio.AioRpcError) as refused:
                await self.call.read()
        return Refusal.of(refused.value)


def results(answer: Response) -> list[str]:
    """Return for each record its offset, or why it failed."""
    return [
        str(result.metadata.offset)
        if result.HasField("metadata")
        else record_pb2.ErrorReason.Name(result.error.reason).removeprefix("ERROR_REASON_")
        for result in answer.results
    ]


async def test_answers_come_in_the_order_sent(gateway: Gateway) -> None:
    """Each with its sequence, whatever the numbers are, and as many as were sent."""
    stream = Stream(gateway)
    sequences = [7, 7, 0, 2**64 - 1, *range(600)]

    async def send_all() -> None:
        for sequence in sequences:
            await stream.send(sequence, b"%d" % sequence)
        await stream.call.done_writing()

    sending = asyncio.create_task(send_all())
    answers = [await stream.answer() for _ in sequences]
    await sending
    await stream.ended()
    assert sequences == [answer.sequence for answer in answers]
    assert [[str(offset)] for offset in range(len(sequences))] == [results(answer) for answer in answers]


async def test_many_steps_are_in_flight_at_once(gateway: Gateway) -> None:
    """A step does not wait for the acknowledgement of the one before."""
    stream = Stream(gateway)
    with gateway.sink.paused():
        for sequence in range(100):
            await stream.send(sequence, b"x")
        async with asyncio.timeout(10):
            while len(gateway.sink._held or ()) < 100:  # noqa: SLF001 - nothing else tells of steps in flight
                await asyncio.sleep(0.01)
    assert [*range(100)] == [(await stream.answer()).sequence for _ in range(100)]


async def test_steps_in_flight_are_bounded(gateway: Gateway) -> None:
    """A caller who is faster than the cluster is slowed down and never refused."""
    stream = Stream(gateway)

    async def send_all() -> None:
        for sequence in range(2000):
            await stream.send(sequence, b"x")
        await stream.call.done_writing()

    with gateway.sink.paused():
        sending = asyncio.create_task(send_all())
        held, previous = 0, -1
        while held != previous:
            previous = held
            await asyncio.sleep(0.2)
            held = len(gateway.sink._held or ())  # noqa: SLF001 - as above
        assert 0 < held <= 256
    answers = [await stream.answer() for _ in range(2000)]
    await sending
    assert [*range(2000)] == [answer.sequence for answer in answers]


async def test_bad_step_is_told_and_the_stream_goes_on(gateway: Gateway) -> None:
    """An error for each of its records."""
    stream = Stream(gateway)
    await stream.send(1, b"x", b"y", topic="no topic")
    await stream.send(2, b"x", topic="gone")
    await stream.send(3)
    await stream.send(4, *[b"x"] * 1001)
    await stream.send(5, b"x")
    answers = [await stream.answer() for _ in range(5)]
    assert [1, 2, 3, 4, 5] == [answer.sequence for answer in answers]
    told = [results(answer) for answer in answers]
    assert [["INVALID_RECORD"] * 2, ["TOPIC_NOT_FOUND"], []] == told[:3]
    assert ({"REQUEST_TOO_LARGE"}, ["0"]) == (set(told[3]), told[4])


async def test_half_close_lets_what_is_in_flight_finish(gateway: Gateway) -> None:
    """The stream ends with OK once everything is answered."""
    stream = Stream(gateway)
    with gateway.sink.paused():
        await stream.send(1, b"x")
        await stream.call.done_writing()
    assert ["0"] == results(await stream.answer())
    await stream.ended()


async def test_empty_stream_ends_with_ok(gateway: Gateway) -> None:
    """Nothing to do is nothing wrong."""
    stream = Stream(gateway)
    await stream.call.done_writing()
    await stream.ended()


async def test_unreadable_message_ends_the_stream_after_what_came_before(gateway: Gateway) -> None:
    """INVALID_ARGUMENT, and every step before it is answered."""
    stream = Stream(gateway)
    await stream.send(1, b"x")
    await stream.call.write(b"\xff")
    assert ["0"] == results(await stream.answer())
    refusal = await stream.refusal()
    assert (StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST") == (refusal.code, refusal.info.reason)


async def test_stranger_is_refused_at_once(gateway: Gateway) -> None:
    """Before anything is read."""
    gateway.doorkeeper.callers.clear()
    refusal = await Stream(gateway).refusal()
    assert (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED") == (refusal.code, refusal.info.reason)


async def test_credentials_withdrawn_end_the_stream(gateway: Gateway) -> None:
    """At the next step; what was sent before is answered."""
    gateway.doorkeeper.callers = gateway.doorkeeper.known = {"Basic eA==": ANONYMOUS}
    stream = Stream(gateway, [("authorization", "Basic eA==")])
    await stream.send(1, b"x")
    assert ["0"] == results(await stream.answer())
    gateway.doorkeeper.callers.clear()
    await stream.send(2, b"y")
    assert StatusCode.UNAUTHENTICATED is (await stream.refusal()).code
    assert [b"x"] == [stored.value for stored in gateway.sink.records]


async def test_right_withdrawn_is_told_for_the_step(gateway: Gateway) -> None:
    """The stream may well have other topics to write."""
    stream = Stream(gateway)
    gateway.doorkeeper.callers[None] = Principal("alice", (TopicPattern("cities"),))
    await stream.send(1, b"x")
    assert ["TOPIC_FORBIDDEN"] == results(await stream.answer())


async def test_full_budget_does_not_refuse_a_stream(gateway: Gateway) -> None:
    """It waits for room instead."""
    gateway.room = RequestFailed(Failure(reason=Reason.OVERLOADED, message="full"))
    stream = Stream(gateway)
    await stream.send(1, b"x")
    assert ["0"] == results(await stream.answer())


async def test_drain_ends_the_stream_once_it_is_answered(gateway: Gateway) -> None:
    """UNAVAILABLE: connect again, elsewhere; every step that was handed over has its answer."""
    stream = Stream(gateway)
    with gateway.sink.paused():
        for sequence in range(3):
            await stream.send(sequence, b"x")
        async with asyncio.timeout(10):
            while len(gateway.sink._held or ()) < 3:  # noqa: SLF001 - as above
                await asyncio.sleep(0.01)
        gateway.service.drain()
    assert [0, 1, 2] == [(await stream.answer()).sequence for _ in range(3)]
    refusal = await stream.refusal()
    assert (StatusCode.UNAVAILABLE, "SHUTTING_DOWN") == (refusal.code, refusal.info.reason)
    assert "no" == refusal.info.metadata["delivered"]


async def test_drain_in_the_moment_a_stream_begins_ends_it() -> None:
    """Even where the reader was made and has not taken its first step."""
    produce_stream = ProduceStream(FakeSink({}), LIMITS)
    guard = CallGuard(Doorkeeper(), lambda _: None)
    pipeline = StepPipeline(produce_stream, guard, {}, LIMITS, 30.0)

    async def answered() -> list[bytes]:
        return [answer async for answer in pipeline.answers(_quiet())]

    answers = asyncio.create_task(answered())
    asyncio.get_running_loop().call_soon(pipeline.drain)
    async with asyncio.timeout(10):
        with pytest.raises(RequestFailed) as refusal:
            await answers
    assert Reason.SHUTTING_DOWN is refusal.value.failure.reason


async def _quiet() -> AsyncIterator[bytes]:
    """Send nothing, for ever."""
    await asyncio.Event().wait()
    yield b""


async def test_old_stream_ends_once_it_is_answered(socket_directory: Path) -> None:
    """As for a drain: its caller connects anew, perhaps to a replica that was added."""
    async with Gateway.opened(socket_directory, stream_age_max_s=0.5) as gateway:
        stream = Stream(gateway)
        await stream.send(7, b"x")
        assert 7 == (await stream.answer()).sequence
        refusal = await stream.refusal()
    assert (StatusCode.UNAVAILABLE, "SHUTTING_DOWN") == (refusal.code, refusal.info.reason)
    assert ("no", "true") == (refusal.info.metadata["delivered"], refusal.info.metadata["retriable"])
    assert "connection_age_max_s" in refusal.details


async def test_stream_opened_during_the_drain_is_sent_away(gateway: Gateway) -> None:
    """Nothing of it is read."""
    gateway.service.drain()
    refusal = await Stream(gateway).refusal()
    assert (StatusCode.UNAVAILABLE, []) == (refusal.code, gateway.sink.records)


async def test_fault_of_ours_ends_the_stream_without_its_text(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INTERNAL; the log has the rest."""

    async def broken(*_: object) -> object:
        msg = "kafka-7.internal: secret"
        raise RuntimeError(msg)

    monkeypatch.setattr(gateway.sink, "handed_over_in_turn", broken)
    with capture_logs() as logs:
        stream = Stream(gateway, [("x-request-id", "r-1")])
        await stream.send(1, b"x")
        refusal = await stream.refusal()
    assert (StatusCode.INTERNAL, "unknown") == (refusal.code, refusal.info.metadata["delivered"])
    assert "secret" not in refusal.details
    assert [("error", "r-1")] == [(line["log_level"], line["request_id"]) for line in logs]


async def test_caller_who_leaves_changes_nothing(gateway: Gateway) -> None:
    """What was handed over is stored, and other streams go on."""
    leaving, staying = Stream(gateway), Stream(gateway)
    with gateway.sink.paused():
        await leaving.send(1, b"left")
        async with asyncio.timeout(10):
            while not gateway.sink._held:  # noqa: SLF001 - as above
                await asyncio.sleep(0.01)
        leaving.call.cancel()
        await staying.send(1, b"stayed")
    assert ["1"] == results(await staying.answer())
    assert [b"left", b"stayed"] == [stored.value for stored in gateway.sink.records]


async def test_unary_calls_go_on_beside_streams(gateway: Gateway) -> None:
    """One slow stream holds up nobody else."""
    stream = Stream(gateway)
    with gateway.sink.paused():
        await stream.send(1, b"x")
        async with asyncio.timeout(10):
            assert 404 == (await gateway.rest("GET", "/produce/gone/x")).status
