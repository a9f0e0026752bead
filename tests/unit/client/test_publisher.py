"""The publisher for threads, on a channel that a test holds in its hands."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator

import grpc
import grpc_testing
import pytest

from tests.client.model_gateway import stored
from twinpost.client import (
    BufferFull,
    Publisher,
    PublisherOptions,
    Record,
    RecordError,
    RecordFuture,
    RecordMetadata,
    RetryPolicy,
)
from twinpost.client.publisher import _Stream
from twinpost.v1 import producer_service_pb2

METHOD = producer_service_pb2.DESCRIPTOR.services_by_name["ProducerService"].methods_by_name["ProduceStream"]
OPTIONS = PublisherOptions(
    linger_s=0.0, retry=RetryPolicy(delay_s_min=0.01, delay_s_max=0.02), batch_bytes_max=1024, buffer_bytes_max=2048
)


class Call:
    """A call of the publisher's, as the other side sees it."""

    def __init__(self, channel: grpc_testing.Channel) -> None:
        """Wait for the next call on `channel`, and answer its greeting."""
        self.metadata, self._rpc = channel.take_stream_stream(METHOD)
        self.answer(self.step())

    def step(self) -> producer_service_pb2.ProduceStreamRequest:
        """Wait for the next step."""
        return producer_service_pb2.ProduceStreamRequest.FromString(self._rpc.take_request())

    def answer(self, step: producer_service_pb2.ProduceStreamRequest) -> None:
        """Answer that every record is stored."""
        results = [stored(offset) for offset in range(len(step.records))]
        answer = producer_service_pb2.ProduceStreamResponse(sequence=step.sequence, results=results)
        self._rpc.send_response(answer.SerializeToString())

    def send(self, data: bytes) -> None:
        """Answer anything."""
        self._rpc.send_response(data)

    def half_closed(self) -> None:
        """Wait until the publisher has half-closed, and end the call well."""
        self._rpc.requests_closed()
        self.end(grpc.StatusCode.OK)

    def end(self, code: grpc.StatusCode) -> None:
        """End the call."""
        self._rpc.terminate((), code, "said the test")


@pytest.fixture
def channel() -> grpc_testing.Channel:
    """A channel that goes nowhere."""
    return grpc_testing.channel([METHOD.containing_service], grpc_testing.strict_real_time())


@pytest.fixture
def publisher(channel: grpc_testing.Channel) -> Iterator[Publisher]:
    """A publisher on that channel; what is not settled at the end is given up."""
    made = Publisher(channel, options=OPTIONS, user="clerk", password="secret")  # noqa: S106 - a test's
    yield made
    made.close(0)


def test_stream_is_greeted_used_and_half_closed(channel: grpc_testing.Channel, publisher: Publisher) -> None:
    """With the credentials of whoever publishes."""
    future = publisher.publish(Record("greetings", b"1"))
    call = Call(channel)
    assert ("authorization", "Basic Y2xlcms6c2VjcmV0") in call.metadata
    call.answer(call.step())
    assert RecordMetadata("greetings", 0, 0, 1) == future.result(20)
    closing = threading.Thread(target=publisher.close)
    closing.start()
    call.half_closed()
    closing.join(20)
    assert not closing.is_alive()


def test_stream_that_answers_nonsense_is_broken_off(channel: grpc_testing.Channel, publisher: Publisher) -> None:
    """The record is unknown, and the next one goes over another stream."""
    future = publisher.publish(Record("greetings", b"1"))
    call = Call(channel)
    call.step()
    call.send(b"\xff")
    error = future.exception(20)
    assert isinstance(error, RecordError)
    assert ("INTERNAL", "unknown") == (error.reason, error.delivered)
    future = publisher.publish(Record("greetings", b"2"))
    call = Call(channel)
    call.answer(call.step())
    assert future.result(20).offset == 0


def test_callback_may_publish_but_not_wait(channel: grpc_testing.Channel, publisher: Publisher) -> None:
    """It runs on the thread that everything else waits for: waiting there would never end."""
    told: list[object] = []
    done = threading.Event()

    def again(_future: RecordFuture) -> None:
        publisher.publish(Record("greetings", b"." * 500))
        for wait in (
            publisher.flush,
            publisher.close,
            lambda: [publisher.publish(Record("t", b"." * 500)) for _ in "123"],
        ):
            try:
                wait()
            except RuntimeError as error:
                told.append(str(error))
        done.set()

    publisher.publish(Record("greetings", b"1")).add_done_callback(again)
    call = Call(channel)
    call.answer(call.step())
    assert done.wait(20)
    expected = "a callback of a published record cannot wait: publish with timeout_s=0, and flush and close elsewhere"
    assert [expected] * 3 == told


def test_callback_that_exits_stops_nothing(channel: grpc_testing.Channel, publisher: Publisher) -> None:
    """The thread it runs on goes on to serve the others, and `flush` returns."""
    future = publisher.publish(Record("greetings", b"1"))
    future.add_done_callback(lambda _future: sys.exit(1))
    call = Call(channel)
    call.answer(call.step())
    publisher.flush(20)
    future = publisher.publish(Record("greetings", b"2"))
    call.answer(call.step())
    assert future.result(20).offset == 0


def test_flush_returns_once_a_stream_that_hangs_is_broken_off(
    channel: grpc_testing.Channel, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is told before its batch leaves the outbox with the stream: whoever looks in between looks again."""
    outbox, end, is_flushed = publisher._outbox, publisher._end, publisher._outbox.is_flushed  # noqa: SLF001 - it is forced to look in between
    looked = threading.Semaphore(0)

    def look(mark: int) -> bool:
        flushed = is_flushed(mark)
        looked.release()
        return flushed

    def end_later(stream: _Stream, error: RecordError | None) -> None:
        # The clock comes first, the reader of the answers once that has ended the stream.
        if not stream.ended:
            # Once when it begins to wait, and once when the record is told.
            assert looked.acquire(timeout=20)
            assert looked.acquire(timeout=20)
        end(stream, error)

    monkeypatch.setattr(outbox, "_delivery_timeout_s", 0.5)
    monkeypatch.setattr(outbox, "is_flushed", look)
    future = publisher.publish(Record("greetings", b"1"))
    Call(channel).step()
    monkeypatch.setattr(publisher, "_end", end_later)
    flushing = threading.Thread(target=publisher.flush, args=(20,))
    flushing.start()
    # Long before it looks for itself, since its time is over.
    flushing.join(5)
    assert not flushing.is_alive()
    monkeypatch.undo()
    error = future.exception(20)
    assert isinstance(error, RecordError)
    assert ("DEADLINE_EXCEEDED", "unknown") == (error.reason, error.delivered)


def test_publisher_without_room_says_so_at_once_where_it_may_not_wait(
    channel: grpc_testing.Channel, publisher: Publisher
) -> None:
    """For those who have better things to do."""
    for _ in range(2):
        publisher.publish(Record("greetings", b"." * 500))
    with pytest.raises(BufferFull) as raised:
        publisher.publish(Record("greetings", b"." * 500), timeout_s=0)
    assert raised.value.held_bytes > 1000
    Call(channel)


def test_fault_in_the_client_is_shown_and_leaves_records_unknown(
    channel: grpc_testing.Channel, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for ever for a thread that has died; Python tells of its exception."""
    shown: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: shown.append(args.exc_value))
    future = publisher.publish(Record("greetings", b"1"))
    call = Call(channel)
    step = call.step()
    fault = ZeroDivisionError("a fault")

    def faulty(_data: bytes, _now: float) -> None:
        raise fault

    monkeypatch.setattr(publisher._outbox, "answered", faulty)  # noqa: SLF001 - a fault has to be put somewhere
    call.answer(step)
    error = future.exception(20)
    assert isinstance(error, RecordError)
    assert ("INTERNAL", "unknown") == (error.reason, error.delivered)
    assert [fault] == shown


def test_closed_channel_fails_the_record(caplog: pytest.LogCaptureFixture) -> None:
    """It was the caller's to close, and nothing can be sent over it."""
    own = grpc.insecure_channel("127.0.0.1:1")
    with Publisher(own, options=OPTIONS) as publisher, caplog.at_level(logging.ERROR):
        own.close()
        error = publisher.publish(Record("greetings", b"1")).exception(20)
    assert isinstance(error, RecordError)
    assert ("GATEWAY_UNAVAILABLE", "no", False) == (error.reason, error.delivered, error.retriable)
    assert [] == caplog.records
