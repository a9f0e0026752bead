"""Native gRPC as no library sends it: bad messages, bad metadata, and what one caller may do to the others."""

from __future__ import annotations

import base64
import gzip
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from tests.envoy.http2 import headers_frames
from tests.faults.processes import memory_bytes
from tests.gateway.native import NativeClient
from tests.gateway.users import MYUSER
from tests.hostile.besieged import BODY_TIMEOUT_S, TOPIC, Besieged
from tests.hostile.raw_call import produce_raw
from tests.hostile.streams import AUTHORIZATION, PRODUCE, StreamEnd, call, grpc_headers, message, send
from twinpost.v1 import producer_service_pb2, producer_service_pb2_grpc, record_pb2

MIB = 1024 * 1024
_STREAM = b"/twinpost.v1.ProducerService/ProduceStream"
_WATCH = b"/grpc.health.v1.Health/Watch"
_REFLECTION = b"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

_OK = 0
_INVALID_ARGUMENT = 3
_DEADLINE_EXCEEDED = 4
_UNIMPLEMENTED = 12
_UNAUTHENTICATED = 16

_INTERNALS = ("Traceback", ".sock", "upstream", "<class", "127.0.0.1")


def reason(end: StreamEnd) -> str:
    """Return the reason that a failed call names; every one must, honestly."""
    details = end.headers["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(base64.b64decode(details + "=" * (-len(details) % 4)))
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    assert status.code == end.grpc_status
    return info.reason


def assert_no_internals(end: StreamEnd) -> None:
    """Assert that the text of a failed call is for callers."""
    assert [] == [word for word in _INTERNALS if word in end.headers.get("grpc-message", "")]


GOOD = producer_service_pb2.ProduceRequest(records=[record_pb2.Record(topic=TOPIC, value=b"good")]).SerializeToString()

BROKEN = {
    "nothing": None,
    "no data": b"",
    "half a prefix": b"\0\0\0",
    "more promised than sent": message(b"abc", length=100),
    "four gigabytes promised": message(b"abc", length=2**32 - 1),
}


def test_a_call_without_a_whole_message_does_not_last(brisk: Besieged) -> None:
    """It is answered, or ended at the latest when its time is up, with credentials and without."""
    known = grpc_headers()
    unknown = [header for header in known if header != AUTHORIZATION]
    calls = [call(headers, data) for headers in (known, unknown) for data in BROKEN.values()]
    with ThreadPoolExecutor(len(calls)) as callers:
        answers = list(callers.map(lambda data: send(brisk, data, wait_s=15), calls))

    for answer in answers:
        end = answer.streams[1]
        assert end.ended
        assert end.reset or end.grpc_status != _OK
        assert_no_internals(end)
        assert answer.took_s < 10


@pytest.mark.parametrize("path", [b"/grpc.health.v1.Health/Check", PRODUCE, _STREAM])
def test_a_call_whose_message_does_not_come_does_not_last(brisk: Besieged, path: bytes) -> None:
    """Where the caller neither sends nor leaves."""
    headers = [header for header in grpc_headers(path) if header != AUTHORIZATION]
    answer = send(brisk, call(headers, b"\0\0\0", ends=False), wait_s=15)

    assert answer.streams[1].grpc_status in {_DEADLINE_EXCEEDED, _UNAUTHENTICATED}
    assert answer.took_s < BODY_TIMEOUT_S + 5


BAD_MESSAGES = {
    "not protobuf": b"\xff\xff\xff",
    "cut short": GOOD[:-1],
    "a field past the end": b"\n\xff\xff\xff\xff\x0f",
    "text that is not utf-8": b"\n\x03\n\x01\xff",
    "a group without an end": b"\x0b",
    "deep groups": b"\x0b" * 100_000,
    "field number 0": b"\0\0",
    "8 million empty records": b"\n\0" * (8 * MIB - 8),
    "8 million empty headers": b"\n\x80\x80\x80\x04" + b"2\0" * (4 * MIB),
    "over the limit": b"\n" + b"\x80\x80\xc0\x08" + b"\x22\xfc\xff\xbf\x08" + b"a" * (17 * MIB),
    "just over the limit": b"\0" * (16 * MIB + 1),
}


@pytest.mark.parametrize("data", BAD_MESSAGES.values(), ids=BAD_MESSAGES.keys())
def test_a_bad_message_is_the_callers_fault(besieged: Besieged, data: bytes) -> None:
    """INVALID_ARGUMENT, with the reason: neither INTERNAL nor a status that asks to try again."""
    with grpc.insecure_channel(besieged.gateway.address, [("grpc.max_send_message_length", -1)]) as channel:
        end = produce_raw(channel, data, timeout_s=30)

    assert grpc.StatusCode.INVALID_ARGUMENT is end.code
    assert end.info.reason in {"MALFORMED_REQUEST", "REQUEST_TOO_LARGE", "INVALID_RECORD"}


COMPRESSED = {
    "without saying how": (message(b"abc", flag=1), []),
    "in an unknown way": (message(b"abc", flag=1), [(b"grpc-encoding", b"bogus")]),
    "in two ways": (message(b"abc", flag=1), [(b"grpc-encoding", b"gzip, deflate")]),
    "in a way that is not utf-8": (message(b"abc", flag=1), [(b"grpc-encoding", b"\xff")]),
    "not what it says": (message(b"abc", flag=1), [(b"grpc-encoding", b"gzip")]),
    "a bomb": (message(gzip.compress(b"\0" * (64 * MIB)), flag=1), [(b"grpc-encoding", b"gzip")]),
    "a bomb of protobuf": (message(gzip.compress(b"\n\0" * (16 * MIB)), flag=1), [(b"grpc-encoding", b"gzip")]),
}


@pytest.mark.parametrize(("data", "more"), COMPRESSED.values(), ids=COMPRESSED.keys())
def test_bad_compression_is_refused(besieged: Besieged, data: bytes, more: list[tuple[bytes, bytes]]) -> None:
    """A bomb costs no more than the limit it runs into."""
    workers = besieged.workers()
    before = memory_bytes(workers)
    answer = send(besieged, call(grpc_headers(PRODUCE, *more), data))

    assert answer.streams[1].grpc_status not in {None, _OK}
    assert_no_internals(answer.streams[1])
    assert memory_bytes(workers) - before < 200 * MIB


TIMEOUTS = [
    b"",
    b"abc",
    b"1",
    b"-1S",
    b"1.5S",
    b"1X",
    b"S",
    b"1 S",
    b" 1S",
    b"1SS",
    b"123456789S",
    b"\xff",
    b"9" * 8000,
]


@pytest.mark.parametrize("timeout", TIMEOUTS, ids=lambda timeout: repr(timeout[:20]))
def test_a_deadline_that_is_none_is_refused(besieged: Besieged, timeout: bytes) -> None:
    """As the caller's fault, and not as a deadline of another kind."""
    answer = send(besieged, call(grpc_headers(PRODUCE, (b"grpc-timeout", timeout)), message(GOOD)))

    end = answer.streams[1]
    assert _INVALID_ARGUMENT == end.grpc_status
    assert "MALFORMED_REQUEST" == reason(end)


@pytest.mark.parametrize("timeout", [b"0n", b"1n", b"0S", b"00000000H"])
def test_a_deadline_that_is_over_is_over(besieged: Besieged, timeout: bytes) -> None:
    """Whoever tells."""
    answer = send(besieged, call(grpc_headers(PRODUCE, (b"grpc-timeout", timeout)), message(GOOD)))

    end = answer.streams[1]
    assert end.reset is not None or _DEADLINE_EXCEEDED == end.grpc_status


@pytest.mark.parametrize("timeout", [b"99999999H", b"00000001H", b"30S"])
def test_a_long_deadline_is_taken(besieged: Besieged, timeout: bytes) -> None:
    """Up to eight digits are legal."""
    answer = send(besieged, call(grpc_headers(PRODUCE, (b"grpc-timeout", timeout)), message(GOOD)))

    assert _OK == answer.streams[1].grpc_status


HARMLESS: list[Sequence[tuple[bytes, bytes]]] = [
    [(b"x-bin", b"!!!")],
    [(b"x-bin", b"AAAA"), (b"x-bin", b"!")],
    [(b"grpc-trace-bin", b"\xff")],
    [(b"lb-cost-bin", b"AAAA")],
    [(b"grpc-status", b"x")],
    [(b"grpc-message", b"%zz")],
    [(b"grpc-previous-rpc-attempts", b"x")],
    [(b"grpc-retry-pushback-ms", b"x")],
    [(b"grpc-accept-encoding", b"\xff,,;")],
    [(b"grpc-internal-encoding-request", b"bogus")],
    [(b"x*y", b"1")],
    [(b"x_y", b"1")],
    [(b"x", b"\xff\xfe")],
    [(b"content-encoding", b"bogus")],
    [(b"x-http-status", b"418")],
    [(b"x-envoy-retry-on", b"5xx")],
    [(b"x-%d" % number, b"a" * 900) for number in range(85)],
]


@pytest.mark.parametrize("more", HARMLESS, ids=lambda more: repr(more[0])[:50])
def test_metadata_that_means_nothing_changes_nothing(besieged: Besieged, more: Sequence[tuple[bytes, bytes]]) -> None:
    """Even what a gRPC library would choke on."""
    answer = send(besieged, call(grpc_headers(PRODUCE, *more), message(GOOD)))

    assert _OK == answer.streams[1].grpc_status, answer.streams[1].headers


@contextmanager
def open_stream(besieged: Besieged) -> Iterator[grpc.Call]:
    """Yield an innocent caller's stream, which must live, and take records, to the end of the block."""
    requests: queue.Queue[producer_service_pb2.ProduceStreamRequest | None] = queue.Queue()
    with grpc.insecure_channel(besieged.gateway.address) as channel:
        stub = producer_service_pb2_grpc.ProducerServiceStub(channel)
        metadata = (("authorization", MYUSER.authorization),)
        answers = stub.ProduceStream(iter(requests.get, None), metadata=metadata, timeout=60)
        step = producer_service_pb2.ProduceStreamRequest(records=[record_pb2.Record(topic=TOPIC, value=b"innocent")])
        for sequence in (1, 2):
            step.sequence = sequence
            requests.put(step)
            answer = next(answers)
            assert (sequence, ["metadata"]) == (answer.sequence, [r.WhichOneof("result") for r in answer.results])
            if sequence == 1:
                yield answers
        requests.put(None)


POISON: dict[str, bytes] = {
    "deadline": call(grpc_headers(PRODUCE, (b"grpc-timeout", b"abc")), message(b"")),
    "encoding": call(grpc_headers(PRODUCE, (b"grpc-encoding", b"bogus")), message(b"")),
    "binary metadata": call(grpc_headers(PRODUCE, (b"grpc-trace-bin", b"!!!")), message(b"")),
    "attempts": call(grpc_headers(PRODUCE, (b"grpc-previous-rpc-attempts", b"x")), message(b"")),
    "name": call(grpc_headers(PRODUCE, (b"x*y", b"1")), message(b"")),
    "GET": call(grpc_headers(method=b"GET"), None),
    "PUT": call(grpc_headers(method=b"PUT"), message(b"")),
    "HEAD": call(grpc_headers(method=b"HEAD"), None),
    "no te": call([header for header in grpc_headers() if header[0] != b"te"], message(b"")),
    "unknown method": call(grpc_headers(b"/twinpost.v1.ProducerService/Nope"), message(b"")),
    "a long path": call(grpc_headers(b"/twinpost.v1.ProducerService/" + b"a" * 60_000), message(b"")),
    "the inner service": call(grpc_headers(b"/twinpost.v1.ProducerRestService/Produce"), message(b"")),
    "four gigabytes promised": call(grpc_headers(), message(b"", length=2**32 - 1)),
    "not protobuf for health": call(grpc_headers(b"/grpc.health.v1.Health/Check"), message(b"\xff\xff\xff")),
    "not protobuf for reflection": call(grpc_headers(_REFLECTION), message(b"\xff\xff\xff")),
    "not protobuf for a stream": call(grpc_headers(_STREAM), message(b"\xff\xff\xff")),
}


@pytest.mark.parametrize("data", POISON.values(), ids=POISON.keys())
def test_one_callers_nonsense_harms_no_other_call(besieged: Besieged, data: bytes) -> None:
    """All calls share one connection behind the gateway's door: what is under way lives, and what comes next works."""
    with open_stream(besieged):
        for _ in range(3):
            assert send(besieged, data).streams[1].grpc_status is not None
        with NativeClient.opened(besieged.gateway.address) as client:
            for timeout_s in (5.0, 7.5):
                record = record_pb2.Record(topic=TOPIC, value=b"innocent")
                assert grpc.StatusCode.OK is client.produce([record], MYUSER, timeout_s=timeout_s).code


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"HEAD", b"DELETE"])
def test_a_call_is_a_post(besieged: Besieged, method: bytes) -> None:
    """Nothing of another method was ever written."""
    answer = send(besieged, call(grpc_headers(method=method), message(GOOD)))

    assert _UNIMPLEMENTED == answer.streams[1].grpc_status


@pytest.mark.parametrize("path", [_WATCH, _REFLECTION], ids=["health", "reflection"])
def test_streams_without_credentials_take_no_room_from_others(besieged: Besieged, path: bytes) -> None:
    """However many are opened, and left open, by somebody who need not even say who they are."""
    headers = [header for header in grpc_headers(path) if header != AUTHORIZATION]
    opening = b"".join(call(headers, message(b""), stream=1 + 2 * number, ends=False) for number in range(200))
    connections = []
    try:
        for _ in range(30):
            connections.append(connection := besieged.connect())
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0" + opening)
        answers = besieged.produce_for(2)
        with NativeClient.opened(besieged.gateway.address) as client:
            record = record_pb2.Record(topic=TOPIC, value=b"innocent")
            assert grpc.StatusCode.OK is client.produce([record], MYUSER).code
        check = send(besieged, call(grpc_headers(b"/grpc.health.v1.Health/Check"), message(b"")))
    finally:
        for connection in connections:
            connection.close()

    assert {200} == {response.status for response, _ in answers}
    assert _OK == check.streams[1].grpc_status


WEB = [
    (b"application/grpc-web", b"\0\0"),
    (b"application/grpc-web", message(b"abc", length=2**32 - 1)),
    (b"application/grpc-web", b"\x80\0\0\0\x04a: b"),
    (b"application/grpc-web-text", b"!!! not base64"),
    (b"application/grpc-web-text", b"A"),
    (b"application/grpc-web-text", base64.b64encode(message(b"\xff"))),
    (b"application/grpc-web+json", b"{}"),
    (b"application/grpc-web" + b"a" * 1000, message(GOOD)),
]


def test_bad_grpc_web_does_not_last(brisk: Besieged) -> None:
    """It is answered or ended."""
    calls = [
        call([(name, content_type if name == b"content-type" else value) for name, value in grpc_headers()], body)
        for content_type, body in WEB
    ]
    with ThreadPoolExecutor(len(calls)) as callers:
        answers = list(callers.map(lambda data: send(brisk, data, wait_s=15), calls))

    for answer in answers:
        assert answer.streams[1].ended
        assert_no_internals(answer.streams[1])
        assert answer.took_s < 10


def test_headers_alone_hold_no_stream_for_ever(brisk: Besieged) -> None:
    """A hundred calls that never send a message are all gone when their time is up."""
    headers = [header for header in grpc_headers() if header != AUTHORIZATION]
    opening = b"".join(headers_frames(1 + 2 * number, headers, ends_stream=False) for number in range(100))
    answer = send(brisk, opening, until=range(1, 200, 2), wait_s=15)

    assert {_DEADLINE_EXCEEDED} >= {end.grpc_status for end in answer.streams.values()}
    assert answer.took_s < BODY_TIMEOUT_S + 5
