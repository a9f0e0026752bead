"""Protobuf to records, and outcomes to Protobuf."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.message import DecodeError

from twinpost.v1 import producer_service_pb2, record_pb2
from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason, RequestFailed
from twinpost_server.core.records import Header, Record

__all__ = ["decode_request", "encode_response", "to_record_error"]

_DELIVERED = {
    Delivered.NO: record_pb2.DELIVERED_NO,
    Delivered.UNKNOWN: record_pb2.DELIVERED_UNKNOWN,
    Delivered.PARTIAL: record_pb2.DELIVERED_PARTIAL,
}


def decode_request(data: bytes) -> list[Record]:
    """Return the records of a serialized `ProduceRequest`.

    Raises:
        RequestFailed: MALFORMED_REQUEST: not such a message, or text in it that is not UTF-8.
    """
    try:
        request = producer_service_pb2.ProduceRequest.FromString(data)
    except DecodeError:
        raise RequestFailed(
            Failure(
                reason=Reason.MALFORMED_REQUEST,
                message="the request is not a twinpost.v1.ProduceRequest, or a string in it is not UTF-8: "
                "generate the client from the published proto; nothing was written",
            )
        ) from None
    return [_record(record) for record in request.records]


def _record(record: record_pb2.Record) -> Record:
    has = record.HasField
    return Record(
        record.value if has("value") else None,
        record.topic,
        record.key if has("key") else None,
        record.partition if has("partition") else None,
        record.timestamp if has("timestamp") else None,
        [Header(header.key, header.value if header.HasField("value") else None) for header in record.headers] or None,
    )


def encode_response(outcomes: Sequence[Outcome]) -> bytes:
    """Return the serialized `ProduceResponse` with one result per outcome, in order."""
    response = producer_service_pb2.ProduceResponse()
    add = response.results.add
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            add().error.CopyFrom(to_record_error(outcome))
        else:
            metadata = add().metadata
            metadata.topic = outcome.topic
            metadata.partition = outcome.partition
            metadata.offset = outcome.offset
            metadata.timestamp = outcome.timestamp
    return response.SerializeToString()


def to_record_error(failure: Failure) -> record_pb2.RecordError:
    """Return `failure` as the contract's per-record error."""
    return record_pb2.RecordError(
        reason=record_pb2.ErrorReason.Value(f"ERROR_REASON_{failure.reason}"),
        message=failure.message,
        retriable=failure.retriable,
        delivered=_DELIVERED[failure.delivered],
    )
