"""Native gRPC through the same port."""

from __future__ import annotations

import queue
import threading

import grpc
import pytest
from grpc_health.v1 import health_pb2

from tests.envoy import http2
from tests.envoy.front import Front, eventually

_PRODUCE = "/twinpost.v1.ProducerService/Produce"
_STREAM = "/twinpost.v1.ProducerService/ProduceStream"


def test_a_call_arrives_with_message_and_metadata(front: Front) -> None:
    """Untouched by the transcoder, 20 MB included; binary metadata, which no worker looks at, stays outside."""
    metadata = (("authorization", "Basic eA=="), ("a-bin", b"\xff"))
    received = front.call(_PRODUCE, b"x" * 20_000_000, metadata).json()

    assert 20_000_000 == received["bytes"]
    assert "Basic eA==" == dict(received["metadata"])["authorization"]
    assert "a-bin" not in dict(received["metadata"])


def test_the_status_of_a_worker_arrives_with_its_details(front: Front) -> None:
    """Code, message and trailing metadata."""
    end = front.call(_PRODUCE, metadata=(("stub", "abort:PERMISSION_DENIED"),))

    assert (grpc.StatusCode.PERMISSION_DENIED, "said the worker") == (end.code, end.message)
    assert "kept" == end.trailers["x-detail"]


def test_the_deadline_of_the_caller_reaches_the_worker(front: Front) -> None:
    """Who can then say what became of the records; Envoy adds none of its own."""
    assert 5 < front.call(_PRODUCE, timeout_s=7).json()["remaining_s"] <= 7
    assert front.call(_PRODUCE, timeout_s=None).json()["remaining_s"] is None
    end = front.call(_PRODUCE, metadata=(("stub", "hang"),), timeout_s=0.3)
    assert grpc.StatusCode.DEADLINE_EXCEEDED == end.code


@pytest.mark.parametrize(
    "header",
    ["x-envoy-original-path", "x-envoy-original-method", "x-envoy-retry-on", "x-http-status", "x-twinpost-user"],
)
def test_what_a_caller_may_not_say_is_taken_out(front: Front, header: str) -> None:
    """The worker may believe these names."""
    assert header not in dict(front.call(_PRODUCE, metadata=((header, "evil"),)).json()["metadata"])


@pytest.mark.parametrize(
    "method", ["/twinpost.v1.ProducerRestService/Produce", "/a.B/C", "/twinpost.v1.ProducerServiceX/Produce"]
)
def test_no_other_service_can_be_called(front: Front, method: str) -> None:
    """Above all not the REST service, which believes the headers that Envoy sets."""
    end = front.call(method)

    assert grpc.StatusCode.UNIMPLEMENTED == end.code
    info = end.error_info
    assert ("ROUTE_NOT_FOUND", "twinpost", "no") == (info.reason, info.domain, info.metadata["delivered"])


def test_the_grpc_services_speak_nothing_else(front: Front) -> None:
    """JSON to a method's path is no route, whatever the method."""
    for method in (b"GET", b"POST"):
        response = front.send(_PRODUCE.encode(), method, [(b"Content-Type", b"application/json")], b"{}")
        assert 404 == response.status


@pytest.mark.parametrize(
    ("header", "route"),
    [((b"grpc-timeout", b"soon"), "grpc-bad-timeout"), ((b"grpc-encoding", b"br"), "grpc-bad-encoding")],
)
def test_what_grpc_cannot_parse_is_an_invalid_argument(front: Front, header: tuple[bytes, bytes], route: str) -> None:
    """The worker would call it an internal error. No client library sends it."""
    with front.connect() as connection:
        http2.exchange(connection, http2.post(_PRODUCE.encode(), (b"content-type", b"application/grpc"), header))
    eventually(lambda: route in [line.get("route") for line in front.log()])

    code = grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert [code] == [line["grpc_status"] for line in front.log() if line.get("route") == route]


def test_a_call_that_ends_within_its_message_is_answered(brisk_front: Front) -> None:
    """By the worker or by the time-out of the route, since no other time-out is exceeded."""
    headers = http2.post(_PRODUCE.encode(), (b"content-type", b"application/grpc"))
    with brisk_front.connect() as connection:
        answer = http2.exchange(connection, headers, body=b"\x00\x00\x00\x00\x09half")

    assert answer[-1].ends_stream


def test_a_worker_that_does_not_answer_a_call_leaves_it_unknown(brisk_front: Front) -> None:
    """Its records may have been written."""
    end = brisk_front.call(_PRODUCE, metadata=(("stub", "hang"),))

    assert grpc.StatusCode.DEADLINE_EXCEEDED == end.code
    assert ("DEADLINE_EXCEEDED", "unknown") == (end.error_info.reason, end.error_info.metadata["delivered"])


def test_health_is_served_while_no_produce_is_taken(brisk_front: Front) -> None:
    """Calls without credentials and calls that write have budgets of their own."""
    with brisk_front.channel() as channel:
        produce: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_PRODUCE)
        calls = [produce.future(b"", metadata=(("stub", "hang"),)) for _ in range(2)]
        eventually(lambda: 2 == brisk_front.stat("cluster.twinpost.upstream_rq_active"))

        assert grpc.StatusCode.RESOURCE_EXHAUSTED == brisk_front.call(_PRODUCE).code
        assert grpc.StatusCode.OK == brisk_front.call("/grpc.health.v1.Health/Check").code
        for call in calls:
            call.cancel()


def test_health_is_served(front: Front) -> None:
    """`grpc.health.v1.Health`, for clients that balance by themselves."""
    end = front.call("/grpc.health.v1.Health/Check", health_pb2.HealthCheckRequest().SerializeToString())

    assert end.answer is not None
    assert health_pb2.HealthCheckResponse.SERVING == health_pb2.HealthCheckResponse.FromString(end.answer).status


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_is_served_by_setting(front: Front, plain_front: Front, version: str) -> None:
    """Where grpc.reflection is off, there is no route to it."""
    method = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"

    assert grpc.StatusCode.OK == front.call(method).code
    assert grpc.StatusCode.UNIMPLEMENTED == plain_front.call(method).code


def test_a_long_stream_outlives_every_time_out(brisk_front: Front) -> None:
    """Once the worker has answered anything, neither the body's time-out nor idleness ends a stream."""
    requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    with brisk_front.channel() as channel:
        stream: grpc.StreamStreamMultiCallable[bytes | None, bytes] = channel.stream_stream(_STREAM)
        answers = stream(iter(requests.get, None), metadata=(("stub", "eager"),))
        ended = threading.Event()
        answers.add_callback(ended.set)
        # timeouts.body_timeout_s and timeouts.idle_timeout_s are 1.
        assert not ended.wait(1.6)
        requests.put(b"a")
        assert b"a" == next(answers)
        requests.put(None)
        assert [] == list(answers)


def test_a_stream_whose_worker_is_silent_ends_with_the_bodys_time_out(brisk_front: Front) -> None:
    """Which is why a server of streams sends its initial metadata at once."""
    requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    with brisk_front.channel() as channel:
        stream: grpc.StreamStreamMultiCallable[bytes | None, bytes] = channel.stream_stream(_STREAM)
        answers = stream(iter(requests.get, None))
        with pytest.raises(grpc.RpcError):
            next(answers)
        requests.put(None)
        assert grpc.StatusCode.DEADLINE_EXCEEDED == answers.code()
