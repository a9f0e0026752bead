"""The native service, called through a real server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from grpc import Compression, StatusCode, aio
from structlog.testing import capture_logs

from tests.unit.rpc.served import LIMITS, Gateway
from twinpost.v1 import producer_service_pb2, record_pb2
from twinpost_server.core.errors import Delivered, Failure, Reason, RequestFailed
from twinpost_server.core.principal import Principal
from twinpost_server.core.records import RecordMetadata
from twinpost_server.core.topics import TopicPattern

LOST = Failure(reason=Reason.NOT_ENOUGH_REPLICAS, message="lost", delivered=Delivered.UNKNOWN)
TOO_LARGE = Failure(reason=Reason.RECORD_TOO_LARGE, message="too large")


def request(*records: record_pb2.Record) -> producer_service_pb2.ProduceRequest:
    """Return a request for `records`."""
    return producer_service_pb2.ProduceRequest(records=records)


def greeting(value: bytes = b"hello") -> record_pb2.Record:
    """Return a record that is easily stored."""
    return record_pb2.Record(topic="greetings", value=value, partition=1)


async def produce(gateway: Gateway, *records: record_pb2.Record) -> list[record_pb2.RecordResult]:
    """Produce `records` and return the results."""
    answer = await gateway.call(request(*records))
    return list(producer_service_pb2.ProduceResponse.FromString(answer).results)


class TestRecords:
    """What goes in, and what comes back."""

    async def test_record_reaches_the_sink_unchanged(self, gateway: Gateway) -> None:
        """Every field, byte for byte."""
        every_byte = bytes(range(256))
        headers = [record_pb2.Header(key="ключ", value=every_byte), record_pb2.Header(key="ключ")]
        await produce(
            gateway,
            record_pb2.Record(
                topic="cities", partition=3, timestamp=2**63 - 1, key=every_byte, value=every_byte, headers=headers
            ),
        )
        (stored,) = gateway.sink.records
        expected = ("cities", 3, 2**63 - 1, every_byte, every_byte, (("ключ", every_byte), ("ключ", None)))
        assert expected == (stored.topic, stored.partition, stored.timestamp, stored.key, stored.value, stored.headers)

    async def test_absent_and_empty_are_not_the_same(self, gateway: Gateway) -> None:
        """No key is not the empty key, and a tombstone is not an empty value."""
        await produce(
            gateway,
            record_pb2.Record(topic="one"),
            record_pb2.Record(topic="one", key=b"", value=b"", headers=[record_pb2.Header(key="", value=b"")]),
        )
        expected = [(None, None, ()), (b"", b"", (("", b""),))]
        assert expected == [(stored.key, stored.value, stored.headers) for stored in gateway.sink.records]

    async def test_results_are_exact_and_in_request_order(self, gateway: Gateway) -> None:
        """Result i belongs to record i, up to the last of 64 bits."""
        largest = 2**63 - 1
        gateway.sink.told[b"b"] = RecordMetadata("greetings", 2**31 - 1, largest, largest)
        first, second = await produce(gateway, greeting(b"a"), greeting(b"b"))
        assert ("greetings", 1, 0) == (first.metadata.topic, first.metadata.partition, first.metadata.offset)
        expected = record_pb2.RecordMetadata(topic="greetings", partition=2**31 - 1, offset=largest, timestamp=largest)
        assert expected == second.metadata

    async def test_empty_request_is_answered_by_an_empty_list(self, gateway: Gateway) -> None:
        """Nothing to write is nothing wrong."""
        assert [] == await produce(gateway)

    async def test_some_written_is_ok_with_a_result_for_each(self, gateway: Gateway) -> None:
        """The caller learns which ones, why not the others, and what is known of them."""
        gateway.sink.told |= {b"b": TOO_LARGE, b"c": LOST}
        results = await produce(gateway, greeting(b"a"), greeting(b"b"), greeting(b"c"))
        assert ["metadata", "error", "error"] == [result.WhichOneof("result") for result in results]
        expected = [
            record_pb2.RecordError(
                reason=record_pb2.ERROR_REASON_RECORD_TOO_LARGE,
                message="too large",
                retriable=False,
                delivered=record_pb2.DELIVERED_NO,
            ),
            record_pb2.RecordError(
                reason=record_pb2.ERROR_REASON_NOT_ENOUGH_REPLICAS,
                message="lost",
                retriable=True,
                delivered=record_pb2.DELIVERED_UNKNOWN,
            ),
        ]
        assert expected == [result.error for result in results[1:]]


class TestFailures:
    """Calls in which nothing was written."""

    async def test_all_failed_ends_the_call_with_the_worst(self, gateway: Gateway) -> None:
        """A status, not a list of errors, and `delivered` covers all records."""
        gateway.sink.told |= {b"b": TOO_LARGE, b"c": LOST}
        refusal = await gateway.refused(request(greeting(b"b"), greeting(b"c")))
        assert (StatusCode.UNAVAILABLE, 1.0) == (refusal.code, refusal.retry_delay_s)
        assert ("NOT_ENOUGH_REPLICAS", "twinpost") == (refusal.info.reason, refusal.info.domain)
        assert {"retriable": "true", "delivered": "unknown"} == dict(refusal.info.metadata)

    async def test_broken_rules_are_named_as_fields_of_the_request(self, gateway: Gateway) -> None:
        """The details point into the message that was sent."""
        refusal = await gateway.refused(
            request(greeting(), record_pb2.Record(topic="a b", partition=-1, headers=[record_pb2.Header(key="\0")]))
        )
        expected = ["records[1].topic", "records[1].partition", "records[1].headers[0].key"]
        assert (StatusCode.INVALID_ARGUMENT, expected, None) == (
            refusal.code,
            refusal.violations,
            refusal.retry_delay_s,
        )
        assert ({"retriable": "false", "delivered": "no"}, []) == (dict(refusal.info.metadata), gateway.sink.records)

    @pytest.mark.parametrize(
        "record",
        [
            pytest.param(record_pb2.Record(topic="é" * 300), id="long topics"),
            pytest.param(record_pb2.Record(topic="\x01" * 300), id="topics that must be escaped"),
            pytest.param(record_pb2.Record(topic="one", timestamp=0), id="long problems"),
        ],
    )
    async def test_refusal_with_many_violations_reaches_the_caller(
        self, gateway: Gateway, record: record_pb2.Record
    ) -> None:
        """Clients take 8 KiB of trailers by default; past that the caller would see an error of its own library."""
        for _ in range(20):
            refusal = await gateway.refused(request(*[record] * 150))
            assert (StatusCode.INVALID_ARGUMENT, "INVALID_RECORD") == (refusal.code, refusal.info.reason)
            assert refusal.violations[0].startswith("records[0]")

    async def test_refusal_that_names_long_topics_reaches_the_caller(self, gateway: Gateway) -> None:
        """The message counts as trailers too."""
        gateway.doorkeeper.callers[None] = Principal("alice", (TopicPattern("one"),))
        records = [record_pb2.Record(topic=f"{number:0249}") for number in range(100)]
        for _ in range(20):
            assert StatusCode.PERMISSION_DENIED is (await gateway.refused(request(*records))).code

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"\xff\xff", id="not Protobuf"),
            pytest.param(b"\n\x05\n\x01", id="cut short"),
            pytest.param(b"\n\x03\n\x01\xff", id="topic that is not UTF-8"),
            pytest.param(b"\n\x0a\x0a\x01t2\x05\n\x01\xff\x12\x00", id="header key that is not UTF-8"),
        ],
    )
    async def test_unreadable_request_is_malformed(self, gateway: Gateway, data: bytes) -> None:
        """grpc's own answer would be a bare UNKNOWN."""
        refusal = await gateway.refused(data)
        assert (StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST") == (refusal.code, refusal.info.reason)

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            pytest.param(b"\n\x00" * 1001, "REQUEST_TOO_LARGE", id="records"),
            pytest.param(
                request(record_pb2.Record(topic="one", headers=[record_pb2.Header(key="h")] * 11)).SerializeToString(),
                "INVALID_RECORD",
                id="headers",
            ),
            pytest.param(
                request(record_pb2.Record(topic="one", value=b"x" * 10_001)).SerializeToString(),
                "RECORD_TOO_LARGE",
                id="bytes of a record",
            ),
            pytest.param(
                request(*[record_pb2.Record(topic="one", value=b"x" * 9_000)] * 12).SerializeToString(),
                "REQUEST_TOO_LARGE",
                id="bytes of the request",
            ),
        ],
    )
    async def test_request_over_a_limit_is_refused_for_good(self, gateway: Gateway, data: bytes, reason: str) -> None:
        """INVALID_ARGUMENT, which no client repeats, and the limit by name."""
        refusal = await gateway.refused(data)
        assert (StatusCode.INVALID_ARGUMENT, reason, []) == (refusal.code, refusal.info.reason, gateway.sink.records)
        assert "limits." in refusal.details

    async def test_fault_of_ours_is_internal_without_its_text(self, gateway: Gateway) -> None:
        """The caller learns that the record's fate is open; the log has the rest."""
        gateway.sink.fault = RuntimeError("kafka-7.internal: secret")
        with capture_logs() as logs:
            refusal = await gateway.refused(request(greeting()), metadata=[("x-request-id", "r-1")])
        assert (StatusCode.INTERNAL, "INTERNAL") == (refusal.code, refusal.info.reason)
        assert "unknown" == refusal.info.metadata["delivered"]
        assert "secret" not in refusal.details
        assert [("error", "r-1")] == [(line["log_level"], line["request_id"]) for line in logs]


class TestCallers:
    """Who is let in."""

    async def test_caller_without_credentials_is_refused_before_anything_is_read(self, gateway: Gateway) -> None:
        """Not even a malformed request is looked at, and no room is asked for."""
        gateway.doorkeeper.callers.clear()
        refusal = await gateway.refused(b"\xff\xff")
        assert (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED") == (refusal.code, refusal.info.reason)
        assert [] == gateway.admitted

    async def test_credentials_are_the_authorization_metadata(self, gateway: Gateway) -> None:
        """Credentials that are not known yet are waited for."""
        gateway.doorkeeper.callers = {"Basic eA==": Principal("x", (TopicPattern("greetings"),))}
        gateway.doorkeeper.known = {}
        await gateway.call(request(greeting()), metadata=[("authorization", "Basic eA==")])
        assert 1 == len(gateway.sink.records)

    async def test_right_is_asked_for(self, gateway: Gateway) -> None:
        """A caller writes what it may, and nothing else."""
        gateway.doorkeeper.callers[None] = Principal("alice", (TopicPattern("cities"),))
        refusal = await gateway.refused(request(greeting()))
        assert (StatusCode.PERMISSION_DENIED, "TOPIC_FORBIDDEN") == (refusal.code, refusal.info.reason)

    async def test_full_gateway_refuses_before_decoding(self, gateway: Gateway) -> None:
        """The delay tells when to come back."""
        gateway.room = RequestFailed(Failure(reason=Reason.OVERLOADED, message="full", retry_after_s=2.5))
        refusal = await gateway.refused(b"\xff\xff")
        assert (StatusCode.RESOURCE_EXHAUSTED, 2.5, [2]) == (refusal.code, refusal.retry_delay_s, gateway.admitted)


class TestDeadlines:
    """How long a call may take."""

    async def test_caller_hears_of_its_deadline_from_the_gateway(self, gateway: Gateway) -> None:
        """Its own library could not say that the record may be in the log."""
        with gateway.sink.paused():
            refusal = await gateway.refused(request(greeting()), timeout_s=0.5)
        assert (StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED") == (refusal.code, refusal.info.reason)
        assert "unknown" == refusal.info.metadata["delivered"]

    async def test_gateway_has_a_limit_of_its_own(self, socket_directory: Path) -> None:
        """A caller without a deadline is answered too."""
        async with Gateway.opened(socket_directory, request_timeout_s=0.1) as gateway:
            with gateway.sink.paused():
                refusal = await gateway.refused(request(greeting()))
        assert StatusCode.DEADLINE_EXCEEDED is refusal.code

    async def test_login_counts(self, socket_directory: Path) -> None:
        """One deadline covers everything from the arrival on."""
        async with Gateway.opened(socket_directory, request_timeout_s=5) as gateway:
            gateway.doorkeeper.known = {}
            gateway.doorkeeper.opens.clear()
            call = gateway.call(request(greeting()))
            async with asyncio.timeout(5):
                await gateway.doorkeeper.asked.wait()
            asked_at = asyncio.get_running_loop().time()
            gateway.doorkeeper.opens.set()
            await call
            assert gateway.sink.deadlines[0] <= asked_at + 5

    async def test_caller_who_leaves_recalls_nothing(self, gateway: Gateway) -> None:
        """What was handed over is stored, and the gateway goes on."""
        with gateway.sink.paused():
            call = gateway.call(request(greeting(b"left")))
            async with asyncio.timeout(5):
                while not gateway.sink.deadlines:
                    await asyncio.sleep(0.01)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        await produce(gateway, greeting(b"stayed"))
        assert [b"left", b"stayed"] == [stored.value for stored in gateway.sink.records]


async def test_compressed_request_is_inflated_within_the_limit(gateway: Gateway) -> None:
    """A message that inflates to far more than the limit is refused, and the gateway goes on."""
    produce_compressed: aio.UnaryUnaryMultiCallable[bytes, bytes] = gateway.channel.unary_unary(
        "/twinpost.v1.ProducerService/Produce"
    )
    bomb = b"\0" * (LIMITS.body_bytes_max * 50)
    with pytest.raises(aio.AioRpcError) as refused:
        await produce_compressed(request(greeting(bomb)).SerializeToString(), compression=Compression.Gzip)
    assert StatusCode.RESOURCE_EXHAUSTED is refused.value.code()
    assert 1 == len(await produce(gateway, greeting()))
