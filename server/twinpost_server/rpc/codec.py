"""Protobuf to records, and outcomes to Protobuf."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from google.protobuf.message import DecodeError

from twinpost.v1 import producer_service_pb2, record_pb2
from twinpost_server.core.errors import Failure, Outcome, Reason, RequestFailed, Violation
from twinpost_server.core.limits import Limits
from twinpost_server.core.outcomes import all_failed
from twinpost_server.core.records import Header, Record
from twinpost_server.core.rules import headers_problem
from twinpost_server.rpc.results import encode_results

__all__ = ["check_size", "decode_request", "decode_step", "encode_response", "encode_step"]


def decode_request(data: bytes, limits: Limits) -> list[Record]:
    """Return the records of a serialized `ProduceRequest`.

    Raises:
        RequestFailed: MALFORMED_REQUEST: not such a message, or text in it that is not UTF-8; REQUEST_TOO_LARGE or
            INVALID_RECORD: more records or headers than `limits` allow.
    """
    try:
        request = producer_service_pb2.ProduceRequest.FromString(data)
    except DecodeError:
        raise RequestFailed(_undecodable("ProduceRequest")) from None
    return _records(request.records, len(data), limits)


def decode_step(data: bytes, limits: Limits) -> tuple[int, list[Record], list[Outcome]]:
    """Return the sequence of a serialized `ProduceStreamRequest`, and its records.

    Where the step is over a limit there are none, and the third part has the refusal, for each record but not for more
    than the limit: the sequence must be answered all the same.

    Raises:
        RequestFailed: MALFORMED_REQUEST: not such a message, or text in it that is not UTF-8.
    """
    try:
        request = producer_service_pb2.ProduceStreamRequest.FromString(data)
    except DecodeError:
        raise RequestFailed(_undecodable("ProduceStreamRequest")) from None
    try:
        check_size(data, limits)
        return request.sequence, _records(request.records, len(data), limits), []
    except RequestFailed as failed:
        return request.sequence, [], all_failed(failed.failure, min(len(request.records), limits.request_records_max))


def check_size(data: bytes, limits: Limits) -> None:
    """Return if `data`, a serialized request, is no larger than it may be.

    Raises:
        RequestFailed: REQUEST_TOO_LARGE.
    """
    if len(data) > limits.body_bytes_max:
        raise RequestFailed(
            Failure(
                reason=Reason.REQUEST_TOO_LARGE,
                message=(
                    f"the request is {len(data)} bytes, more than the limit of {limits.body_bytes_max} "
                    "(limits.body_bytes_max): split it; nothing was written"
                ),
            )
        )


def _undecodable(message: str) -> Failure:
    return Failure(
        reason=Reason.MALFORMED_REQUEST,
        message=(
            f"the request is not a twinpost.v1.{message}, or a string in it is not UTF-8: "
            "generate the client from the published proto; nothing was written"
        ),
    )


def _records(messages: Sequence[record_pb2.Record], size_bytes: int, limits: Limits) -> list[Record]:
    # Counted before anything is built: a record or a header of two bytes on the wire would become hundreds here.
    if len(messages) > limits.request_records_max:
        raise RequestFailed(
            Failure(
                reason=Reason.REQUEST_TOO_LARGE,
                message=(
                    f"the request holds {len(messages)} records, more than the limit of {limits.request_records_max} "
                    "(limits.request_records_max): split it; nothing was written"
                ),
            )
        )
    request_headers_max = limits.body_bytes_max // _HEADER_BYTES_MIN
    if size_bytes > _EMPTY_HEADER_BYTES * request_headers_max:
        count = sum(len(message.headers) for message in messages)
        if count > request_headers_max:
            raise RequestFailed(
                Failure(
                    reason=Reason.REQUEST_TOO_LARGE,
                    message=(
                        f"the request holds {count} headers, more than {request_headers_max}, which is one for each "
                        f"{_HEADER_BYTES_MIN} bytes that a request may have (limits.body_bytes_max): split it; nothing "
                        "was written"
                    ),
                )
            )
    headers_max = limits.record_headers_max
    records = []
    for index, message in enumerate(messages):
        # Each access costs a tenth of a microsecond, and most fields of most records are absent.
        has = message.HasField
        headers = message.headers
        records.append(
            Record(
                message.value or (b"" if has("value") else None),
                message.topic,
                message.key if has("key") else None,
                message.partition if has("partition") else None,
                message.timestamp if has("timestamp") else None,
                _headers(index, headers, headers_max) if headers else None,
            )
        )
    return records


_EMPTY_HEADER_BYTES: Final = 2

_HEADER_BYTES_MIN: Final = 32
"""What headers must have on the average: millions of empty ones, of two bytes each, would take seconds to look at, in
which the worker does nothing else."""


def _headers(index: int, headers: Sequence[record_pb2.Header], headers_max: int) -> list[Header]:
    if problem := headers_problem(len(headers), headers_max):
        violation = Violation(f"[{index}].headers", problem)
        raise RequestFailed(Failure.of_violations(Reason.INVALID_RECORD, (violation,)))
    return [Header(header.key, header.value if header.HasField("value") else None) for header in headers]


def encode_response(outcomes: Sequence[Outcome]) -> bytes:
    """Return the serialized `ProduceResponse` with one result per outcome, in order."""
    return encode_results(producer_service_pb2.ProduceResponse, outcomes)


def encode_step(sequence: int, outcomes: Sequence[Outcome]) -> bytes:
    """Return the serialized `ProduceStreamResponse` for the step `sequence`."""
    head = producer_service_pb2.ProduceStreamResponse(sequence=sequence).SerializeToString()
    return head + encode_results(producer_service_pb2.ProduceStreamResponse, outcomes)
