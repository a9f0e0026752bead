"""Protobuf to records, and outcomes to Protobuf."""

from __future__ import annotations

import dataclasses
import tracemalloc

import pytest

from tests.unit.rpc.served import LIMITS
from twinpost.v1 import producer_service_pb2, record_pb2
from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason, RequestFailed
from twinpost_server.core.records import Header, Record, RecordMetadata
from twinpost_server.rpc.codec import decode_request, decode_step, encode_response, encode_step

FULL = Record(b"v", "t", b"k", 3, 4, [Header("h", b"\xff"), Header("h", None), Header("", b"")])
BARE = Record(None, "t")
FULL_MESSAGE = record_pb2.Record(
    topic="t",
    partition=3,
    timestamp=4,
    key=b"k",
    value=b"v",
    headers=[record_pb2.Header(key="h", value=b"\xff"), record_pb2.Header(key="h"), record_pb2.Header(value=b"")],
)


def test_request_is_decoded_field_by_field() -> None:
    """Absent stays absent."""
    request = producer_service_pb2.ProduceRequest(records=[FULL_MESSAGE, record_pb2.Record(topic="t")])
    assert [FULL, BARE] == decode_request(request.SerializeToString(), LIMITS)


def test_zeroes_and_empties_are_not_absent() -> None:
    """Presence is told apart from content."""
    message = record_pb2.Record(partition=0, timestamp=0, key=b"", value=b"")
    data = producer_service_pb2.ProduceRequest(records=[message]).SerializeToString()
    assert [Record(b"", "", b"", 0, 0, None)] == decode_request(data, LIMITS)


def test_step_is_decoded_with_its_sequence() -> None:
    """Which may be any of 64 bits."""
    request = producer_service_pb2.ProduceStreamRequest(sequence=2**64 - 1, records=[FULL_MESSAGE])
    assert (2**64 - 1, [FULL], []) == decode_step(request.SerializeToString(), LIMITS)


def test_step_over_a_limit_is_refused_by_its_sequence() -> None:
    """The stream goes on, and the answer is no longer than the limit."""
    request = producer_service_pb2.ProduceStreamRequest(sequence=7, records=[FULL_MESSAGE] * 1001)
    sequence, records, refused = decode_step(request.SerializeToString(), LIMITS)
    assert (7, [], 1000) == (sequence, records, len(refused))
    assert {Reason.REQUEST_TOO_LARGE} == {outcome.reason for outcome in refused if isinstance(outcome, Failure)}


def test_step_over_the_size_is_refused_by_its_sequence() -> None:
    """As a request of that size is, and for each of its records."""
    records = [record_pb2.Record(topic="t", value=b"x" * 9000)] * (LIMITS.body_bytes_max // 9000 + 1)
    request = producer_service_pb2.ProduceStreamRequest(sequence=7, records=records)
    sequence, decoded, refused = decode_step(request.SerializeToString(), LIMITS)
    assert (7, [], len(records)) == (sequence, decoded, len(refused))
    assert {Reason.REQUEST_TOO_LARGE} == {outcome.reason for outcome in refused if isinstance(outcome, Failure)}


@pytest.mark.parametrize("decode", [decode_request, decode_step])
def test_what_is_no_message_is_malformed(decode: object) -> None:
    """By either door."""
    assert callable(decode)
    with pytest.raises(RequestFailed) as refused:
        decode(b"\xff", LIMITS)
    assert Reason.MALFORMED_REQUEST is refused.value.failure.reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"\n\x00" * 500_000, Reason.REQUEST_TOO_LARGE, id="empty records"),
        pytest.param(
            b"\n\xc0\x84\x3d" + b"2\x00" * 500_000, Reason.REQUEST_TOO_LARGE, id="empty headers of one record"
        ),
        pytest.param((b"\n\x0a" + b"2\x00" * 5) * 99_999, Reason.REQUEST_TOO_LARGE, id="empty headers of many"),
        pytest.param(b"\n\xd0\x0f" + b"2\x00" * 1000, Reason.INVALID_RECORD, id="a few of one record"),
    ],
)
def test_a_million_bytes_of_nothing_are_counted_before_anything_is_made_of_them(data: bytes, reason: Reason) -> None:
    """Two bytes on the wire must not become hundreds in memory, nor the time it takes to make them."""
    limits = dataclasses.replace(LIMITS, request_records_max=100_000)
    tracemalloc.start()
    try:
        with pytest.raises(RequestFailed) as refused:
            decode_request(data, limits)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reason is refused.value.failure.reason
    assert most_bytes < 100_000


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("delivered", Delivered)
def test_every_failure_has_its_place_in_the_contract(reason: Reason, delivered: Delivered) -> None:
    """No reason is lost between the core and the wire."""
    failure = Failure(reason=reason, message="why", delivered=delivered)
    (result,) = producer_service_pb2.ProduceResponse.FromString(encode_response([failure])).results
    told = result.error
    expected = (f"ERROR_REASON_{reason}", f"DELIVERED_{delivered.name}", "why", failure.retriable)
    names = (record_pb2.ErrorReason.Name(told.reason), record_pb2.Delivered.Name(told.delivered))
    assert expected == (*names, told.message, told.retriable)


def test_outcomes_are_encoded_in_order() -> None:
    """Metadata exact to the last of 64 bits."""
    largest = 2**63 - 1
    outcomes: list[Outcome] = [
        RecordMetadata("t", 2**31 - 1, largest, largest),
        Failure(reason=Reason.INTERNAL, message="x"),
    ]
    answer = producer_service_pb2.ProduceStreamResponse.FromString(encode_step(5, outcomes))
    expected = record_pb2.RecordMetadata(topic="t", partition=2**31 - 1, offset=largest, timestamp=largest)
    assert (5, ["metadata", "error"]) == (answer.sequence, [result.WhichOneof("result") for result in answer.results])
    assert expected == answer.results[0].metadata


@pytest.mark.parametrize("first", [0, 100, 2**7, 2**63 - 300])
def test_records_stored_together_are_told_byte_for_byte(first: int) -> None:
    """As messages would tell of them, though none is made for each."""
    outcomes = [RecordMetadata("t", 1, first + index, 1_700_000_000_000) for index in range(300)]
    expected = producer_service_pb2.ProduceResponse()
    for stored in outcomes:
        metadata = record_pb2.RecordMetadata(topic="t", partition=1, offset=stored.offset, timestamp=stored.timestamp)
        expected.results.add(metadata=metadata)
    assert expected.SerializeToString(deterministic=True) == encode_response(outcomes)


def test_no_outcomes_are_an_empty_answer() -> None:
    """Nothing in, nothing out."""
    assert [] == list(producer_service_pb2.ProduceResponse.FromString(encode_response([])).results)
