"""Records to Protobuf, and Protobuf to outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from google.protobuf.message import DecodeError

from twinpost.client.errors import Delivered, RecordError
from twinpost.client.record import Header, Payload, Record, RecordMetadata
from twinpost.v1 import producer_service_pb2, record_pb2

__all__ = [
    "FIXED_BYTES_MAX",
    "NOTHING",
    "PRODUCE",
    "PRODUCE_STREAM",
    "Outcome",
    "add_record",
    "as_bytes",
    "check_headers",
    "check_text",
    "decode_response",
    "decode_step_answer",
    "encode_request",
    "headers_bytes_max",
    "outcomes_from",
    "record_bytes_max",
    "unreadable",
]

Outcome = RecordMetadata | RecordError
"""What became of a record."""

_SERVICE: Final = producer_service_pb2.DESCRIPTOR.services_by_name["ProducerService"].full_name
PRODUCE: Final = f"/{_SERVICE}/Produce"
PRODUCE_STREAM: Final = f"/{_SERVICE}/ProduceStream"

NOTHING: Final = producer_service_pb2.ProduceRequest().SerializeToString()
"""A request without records, which writes nothing."""

FIXED_BYTES_MAX: Final = 48
"""What a record takes on the wire at most, beside its topic, key, value and headers: tags, lengths, partition, time."""

_HEADER_BYTES_MAX: Final = 96
"""What a header takes in memory beside its name and value (measured); on the wire it takes at most 18."""

_REASON_PREFIX: Final = "ERROR_REASON_"


def as_bytes(payload: Payload) -> bytes | None:
    """Return `payload` as it is stored.

    Raises:
        UnicodeEncodeError: text with a lone surrogate, which has no UTF-8.
    """
    return payload.encode() if isinstance(payload, str) else payload


def check_text(what: str, text: object) -> None:
    """Check that `text` is text: Protobuf takes bytes as well, and `None` for nothing.

    Raises:
        TypeError: it is not; `what` says what it would have been.
    """
    if not isinstance(text, str):
        msg = f"{what} is of type {type(text).__name__}: expected str"
        raise TypeError(msg)


def check_headers(headers: object) -> None:
    """Check that `headers` can be gone through more than once, and have names.

    Raises:
        TypeError: they are an iterator, or a mapping, whose names would be taken for pairs; a name is no text.
    """
    if not isinstance(headers, Sequence):
        msg = f"headers are of type {type(headers).__name__}: expected a list of pairs, each a name and a value"
        raise TypeError(msg)
    for name, _ in headers:
        check_text("a header's name", name)


def add_record(
    records: RepeatedCompositeFieldContainer[record_pb2.Record],
    topic: str,
    value: bytes | None,
    key: bytes | None,
    partition: int | None,
    timestamp: int | None,
    headers: Sequence[Header],
) -> None:
    """Add a record to `records`, in full or, where it raises, perhaps in part.

    Raises:
        TypeError: a part is of the wrong type.
        ValueError: a number does not fit, or text has a lone surrogate.
    """
    added = records.add(topic=topic, value=value, key=key, partition=partition, timestamp=timestamp)
    if headers:
        for name, content in headers:
            added.headers.add(key=name, value=as_bytes(content))


def record_bytes_max(record: record_pb2.Record) -> int:
    """Return what `record` takes on the wire at most."""
    headers = sum(len(header.key.encode()) + len(header.value) + _HEADER_BYTES_MAX for header in record.headers)
    return FIXED_BYTES_MAX + len(record.topic.encode()) + len(record.key) + len(record.value) + headers


def headers_bytes_max(headers: Iterable[Header]) -> int:
    """Return what `headers` take on the wire at most."""
    return sum(len(name.encode()) + len(as_bytes(content) or b"") + _HEADER_BYTES_MAX for name, content in headers)


def encode_request(records: Iterable[Record]) -> tuple[bytes, int]:
    """Return the serialized `ProduceRequest` for `records`, and how many they are.

    Raises:
        TypeError: a part of a record is of the wrong type.
        ValueError: a number does not fit, or text has a lone surrogate.
    """
    request = producer_service_pb2.ProduceRequest()
    for record in records:
        check_text("topic", record.topic)
        if record.headers:
            check_headers(record.headers)
        add_record(
            request.records,
            record.topic,
            as_bytes(record.value),
            as_bytes(record.key),
            record.partition,
            record.timestamp,
            record.headers,
        )
    return request.SerializeToString(), len(request.records)


def decode_response(data: bytes, count: int) -> list[Outcome]:
    """Return the outcomes of a serialized `ProduceResponse` to a request with `count` records.

    An answer that tells of another number of records, or cannot be read, leaves the fate of all of them open.
    """
    try:
        results: Sequence[record_pb2.RecordResult] = producer_service_pb2.ProduceResponse.FromString(data).results
    except DecodeError:
        results = ()
    if len(results) != count:
        return [unreadable(f"{len(results)} results for {count} records")] * count
    return outcomes_from(results)[0]


def decode_step_answer(data: bytes) -> tuple[int, Sequence[record_pb2.RecordResult]]:
    """Return the sequence and the results of a serialized `ProduceStreamResponse`.

    Raises:
        RecordError: it is none.
    """
    try:
        answer = producer_service_pb2.ProduceStreamResponse.FromString(data)
    except DecodeError:
        error = unreadable("not a twinpost.v1.ProduceStreamResponse")
        raise error from None
    return answer.sequence, answer.results


def outcomes_from(results: Iterable[record_pb2.RecordResult], topic: str | None = None) -> tuple[list[Outcome], int]:
    """Return what `results` say of each record, and how many were not stored.

    Args:
        results: one for each record, in order.
        topic: the topic that all records were for, where there is but one: it need not be read again and again.
    """
    failures = 0
    outcomes: list[Outcome] = []
    add = outcomes.append
    for result in results:
        stored = result.metadata
        timestamp = stored.timestamp
        # A time that is not 0 says as well that there is metadata, and costs less to ask for.
        if timestamp or result.HasField("metadata"):
            place = (topic or stored.topic, stored.partition, stored.offset, timestamp, False)
            # As `RecordMetadata(*place)`, without a call of its own for each record.
            add(tuple.__new__(RecordMetadata, place))
        else:
            failures += 1
            add(_failure_from(result))
    return outcomes, failures


def _failure_from(result: record_pb2.RecordResult) -> RecordError:
    if not result.HasField("error"):
        return unreadable("a result with neither metadata nor an error")
    error = result.error
    return RecordError(
        _reason_name(error.reason),
        error.message,
        retriable=error.retriable,
        delivered=Delivered.NO if error.delivered == record_pb2.DELIVERED_NO else Delivered.UNKNOWN,
    )


def unreadable(what: str) -> RecordError:
    """Return the error of records whose answer breaks the contract."""
    return RecordError(
        "INTERNAL",
        f"the gateway's answer breaks the contract ({what}): update the client, or report it",
        delivered=Delivered.UNKNOWN,
    )


def _reason_name(number: record_pb2.ErrorReason.ValueType) -> str:
    """Return the name of a reason; one that a newer gateway has made up is named by its number."""
    try:
        return record_pb2.ErrorReason.Name(number).removeprefix(_REASON_PREFIX)
    except ValueError:
        return str(number)
