"""Protobuf: any bytes, and any records there and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twinpost.v1 import producer_service_pb2, record_pb2
from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason, RequestFailed
from twinpost_server.core.limits import Limits
from twinpost_server.core.records import Header, Payload, Record, RecordMetadata
from twinpost_server.rpc.codec import decode_request, decode_step, encode_response, encode_step

LIMITS = Limits(record_bytes_max=2**20, record_headers_max=5, request_records_max=8, body_bytes_max=2**24)
INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=10)
BYTES = st.one_of(st.none(), st.binary(max_size=10))
RECORDS = st.builds(
    Record,
    BYTES,
    TEXT,
    BYTES,
    st.one_of(st.none(), INT32),
    st.one_of(st.none(), INT64),
    st.one_of(st.none(), st.lists(st.builds(Header, TEXT, BYTES), min_size=1, max_size=5)),
)
OUTCOMES = st.one_of(
    st.builds(RecordMetadata, TEXT, INT32, INT64, INT64),
    st.builds(Failure, reason=st.sampled_from(Reason), message=TEXT, delivered=st.sampled_from(Delivered)),
)

BASES = st.sampled_from([0, 2**7, 2**14, 2**31, 2**63 - 301, -(2**63)])
"""Offsets from which the next ones take a byte more, or the sign."""


@st.composite
def stored_together(draw: st.DrawFn) -> list[Outcome]:
    """Draw the outcomes of records that share a few places, and offsets that follow each other or not."""
    topic = st.sampled_from([draw(TEXT), draw(st.text("t", min_size=100, max_size=249))])
    timestamp = st.sampled_from([draw(INT64), 0])
    base = draw(BASES)
    offset = st.integers(0, 300).map(base.__add__)
    return draw(st.lists(st.builds(RecordMetadata, topic, st.integers(0, 1), offset, timestamp), max_size=80))


def message(record: Record) -> record_pb2.Record:
    """Return `record` as a client would write it."""
    return record_pb2.Record(
        topic=record.topic,
        partition=record.partition,
        timestamp=record.timestamp,
        key=in_bytes(record.key),
        value=in_bytes(record.value),
        headers=[record_pb2.Header(key=header.key, value=in_bytes(header.value)) for header in record.headers or ()],
    )


def in_bytes(payload: Payload) -> bytes | None:
    """Return `payload`, which is no text here."""
    assert not isinstance(payload, str)
    return payload


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a request with a few bytes changed, put in or left out."""
    records = draw(st.lists(RECORDS, max_size=10))
    data = bytearray(producer_service_pb2.ProduceRequest(records=map(message, records)).SerializeToString())
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data)


@given(st.lists(RECORDS, max_size=8))
def test_records_arrive_as_they_were_sent(records: list[Record]) -> None:
    """Field by field, absent and empty kept apart."""
    data = producer_service_pb2.ProduceRequest(records=map(message, records)).SerializeToString()
    assert records == decode_request(data, LIMITS)


@given(st.one_of(st.binary(), damaged()))
def test_any_bytes_are_records_or_refused(data: bytes) -> None:
    """Nothing else ever comes of it, by either door."""
    try:
        records = decode_request(data, LIMITS)
    except RequestFailed as refused:
        assert Delivered.NO is refused.failure.delivered
    else:
        assert len(records) <= LIMITS.request_records_max
        assert all(len(record.headers or ()) <= LIMITS.record_headers_max for record in records)
    try:
        sequence, records, outcomes = decode_step(data, LIMITS)
    except RequestFailed as refused:
        assert Reason.MALFORMED_REQUEST is refused.failure.reason
    else:
        assert 0 <= sequence < 2**64
        assert not (records and outcomes)


@given(st.one_of(st.lists(OUTCOMES, max_size=20), stored_together()), st.integers(0, 2**64 - 1))
def test_outcomes_are_told_exactly(outcomes: list[Outcome], sequence: int) -> None:
    """Each in its place, to the last bit, and the same by either door."""
    results = producer_service_pb2.ProduceResponse.FromString(encode_response(outcomes)).results
    step = producer_service_pb2.ProduceStreamResponse.FromString(encode_step(sequence, outcomes))
    assert (sequence, list(results)) == (step.sequence, list(step.results))
    for outcome, result in zip(outcomes, results, strict=True):
        if isinstance(outcome, Failure):
            told = result.error
            assert (outcome.message, outcome.retriable) == (told.message, told.retriable)
            assert f"ERROR_REASON_{outcome.reason}" == record_pb2.ErrorReason.Name(told.reason)
        else:
            at = result.metadata
            assert outcome == RecordMetadata(at.topic, at.partition, at.offset, at.timestamp)
