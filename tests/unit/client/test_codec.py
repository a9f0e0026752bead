"""Records to Protobuf, and Protobuf to outcomes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinpost.client import Delivered, Record, RecordError, RecordMetadata
from twinpost.client.codec import (
    FIXED_BYTES_MAX,
    add_record,
    as_bytes,
    decode_response,
    encode_request,
    headers_bytes_max,
    outcomes_from,
    record_bytes_max,
)
from twinpost.v1 import producer_service_pb2, record_pb2

PAYLOADS = st.none() | st.binary(max_size=300) | st.text(st.characters(codec="utf-8"), max_size=300)
RECORDS = st.builds(
    Record,
    topic=st.text(st.characters(codec="utf-8"), max_size=300),
    value=PAYLOADS,
    key=PAYLOADS,
    partition=st.none() | st.integers(-(2**31), 2**31 - 1),
    timestamp=st.none() | st.integers(-(2**63), 2**63 - 1),
    headers=st.lists(st.tuples(st.text(st.characters(codec="utf-8"), max_size=20), PAYLOADS), max_size=3),
)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (Record("t", b"x", headers={"id": b"1"}), "headers are of type dict: expected a list of pairs"),  # type: ignore[arg-type]
        (Record("t", b"x", headers=iter([("h", b"1")])), "headers are of type list_iterator: expected a list"),  # type: ignore[arg-type]
        (Record("t", b"x", headers=[(b"h", b"1")]), "a header's name is of type bytes: expected str"),  # type: ignore[list-item]
        (Record(None, b"x"), "topic is of type NoneType: expected str"),  # type: ignore[arg-type]
        (Record(b"t", b"x"), "topic is of type bytes: expected str"),  # type: ignore[arg-type]
    ],
)
def test_wrong_type_is_refused(record: Record, problem: str) -> None:
    """Though Protobuf would make something of it."""
    with pytest.raises(TypeError, match=problem):
        encode_request([record])


@given(RECORDS)
def test_encoded_record_is_what_was_handed_over(record: Record) -> None:
    """Null, empty and absent stay three different things; text becomes its UTF-8."""
    data, count = encode_request([record])
    [encoded] = producer_service_pb2.ProduceRequest.FromString(data).records
    assert 1 == count
    assert (record.topic, as_bytes(record.value), as_bytes(record.key), record.partition, record.timestamp) == (
        encoded.topic,
        *(
            getattr(encoded, name) if encoded.HasField(name) else None
            for name in ("value", "key", "partition", "timestamp")
        ),
    )
    assert [(name, as_bytes(value)) for name, value in record.headers] == [
        (header.key, header.value if header.HasField("value") else None) for header in encoded.headers
    ]


@given(RECORDS)
def test_record_is_never_larger_on_the_wire_than_counted(record: Record) -> None:
    """What bounds a step is counted before it is encoded; encoded, it counts the same."""
    request = producer_service_pb2.ProduceStreamRequest()
    value, key = as_bytes(record.value), as_bytes(record.key)
    add_record(request.records, record.topic, value, key, record.partition, record.timestamp, record.headers)
    counted = (
        FIXED_BYTES_MAX
        + len(record.topic.encode())
        + len(value or b"")
        + len(key or b"")
        + headers_bytes_max(record.headers)
    )
    assert request.ByteSize() <= counted
    assert record_bytes_max(request.records[0]) == counted


def test_results_become_outcomes() -> None:
    """A place at the very beginning is a place, and a reason of a newer gateway has a number."""
    results = [
        record_pb2.RecordResult(metadata=record_pb2.RecordMetadata(topic="a", partition=3, offset=4, timestamp=5)),
        record_pb2.RecordResult(metadata=record_pb2.RecordMetadata()),
        record_pb2.RecordResult(
            error=record_pb2.RecordError(
                reason=record_pb2.ERROR_REASON_OVERLOADED,
                message="full",
                retriable=True,
                delivered=record_pb2.DELIVERED_NO,
            )
        ),
        record_pb2.RecordResult(error=record_pb2.RecordError(reason=999)),  # type: ignore[arg-type]
    ]
    outcomes, failures = outcomes_from(results)
    assert 2 == failures
    assert [RecordMetadata("a", 3, 4, 5), RecordMetadata("", 0, 0, 0)] == outcomes[:2]
    assert [("OVERLOADED", "full", True, Delivered.NO), ("999", "", False, Delivered.UNKNOWN)] == [
        (error.reason, error.message, error.retriable, error.delivered)
        for error in outcomes[2:]
        if isinstance(error, RecordError)
    ]


def test_topic_that_is_known_is_not_read_again() -> None:
    """A step has one."""
    results = [record_pb2.RecordResult(metadata=record_pb2.RecordMetadata(topic="other", timestamp=1))]
    assert [RecordMetadata("mine", 0, 0, 1)] == outcomes_from(results, "mine")[0]


def test_response_that_cannot_be_read_leaves_everything_open() -> None:
    """It came, so the records were handled somehow."""
    outcomes = decode_response(b"\xff", 2)
    assert [("INTERNAL", Delivered.UNKNOWN)] * 2 == [
        (outcome.reason, outcome.delivered) for outcome in outcomes if isinstance(outcome, RecordError)
    ]
