"""Connections that have lasted: callers are asked to make new ones, and lose nothing by it."""

from __future__ import annotations

import queue
from collections.abc import Iterator

import grpc
import pytest

from tests.envoy import http2
from tests.envoy.front import HTTP, Front, eventually, read_response
from twinpost_server.envoy.document import Document

_AGED = "http.public.downstream_cx_max_duration_reached"


@pytest.fixture
def aging_front() -> Iterator[Front]:
    """Envoy whose connections are old after a second or so, and which pings twice as often."""

    def edit(document: Document) -> None:
        document.replace((*HTTP, "drain_timeout"), "0.2s")

    with (
        Front.started(edit=edit, timeouts={"connection_age_max_s": 1.5, "keepalive_interval_s": 1}) as started,
        started.worker(),
    ):
        yield started


def test_an_old_connection_of_http1_is_closed_after_an_answer(aging_front: Front) -> None:
    """And the answer says so: a request that was sent is never dropped."""
    with aging_front.connect() as connection:
        answers = []

        def is_closing() -> bool:
            connection.sendall(b"GET /produce/t HTTP/1.1\r\nHost: x\r\n\r\n")
            answers.append(read_response(connection))
            return answers[-1].headers["connection"] == "close"

        eventually(is_closing)
        assert b"" == connection.recv(1)
    assert {200} == {answer.status for answer in answers}
    assert len(answers) > 1


def test_an_old_connection_of_http2_asks_for_no_more(aging_front: Front) -> None:
    """By GOAWAY, which every client of gRPC understands; until then it is pinged."""
    with aging_front.connect() as connection:
        connection.sendall(http2.PREFACE)
        kinds = set()
        for frame in http2.frames(connection):
            kinds.add(frame.kind)
            if frame.kind == http2.Kind.PING and not frame.flags:
                connection.sendall(http2.frame(http2.Kind.PING, 1, 0, frame.payload))
            if frame.kind == http2.Kind.GOAWAY:
                break
    assert {http2.Kind.PING, http2.Kind.GOAWAY} <= kinds


def test_a_stream_outlives_the_age_of_its_connection(aging_front: Front) -> None:
    """New calls take a new connection, and the stream goes on over the old one until it ends by itself."""
    messages: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    with aging_front.channel() as channel:
        stream: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
            "/twinpost.v1.ProducerService/ProduceStream"
        )
        unary: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/twinpost.v1.ProducerService/Produce")
        answers = stream(iter(messages.get, None), timeout=20)
        messages.put(b"young")
        assert b"young" == next(answers)
        opened = aging_front.stat("http.public.downstream_cx_http2_total")
        eventually(lambda: aging_front.stat(_AGED) > 0)
        eventually(lambda: unary(b"", timeout=5) and aging_front.stat("http.public.downstream_cx_http2_total") > opened)
        messages.put(b"old")
        assert b"old" == next(answers)
        messages.put(None)
        assert [] == list(answers)
