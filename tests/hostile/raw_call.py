"""Native calls whose message is any bytes, over a library that minds flow control."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2, status_pb2

from tests.gateway.users import MYUSER
from tests.hostile.streams import PRODUCE

__all__ = ["RawEnd", "produce_raw"]


@dataclass(frozen=True, slots=True)
class RawEnd:
    """How a call ended.

    Attributes:
        code: its status.
        text: its message.
        info: the ErrorInfo of a failed call, which must have one.
        answer: the bytes of a good call's answer.
    """

    code: grpc.StatusCode
    text: str
    info: error_details_pb2.ErrorInfo
    answer: bytes


def produce_raw(channel: grpc.Channel, data: bytes, *, timeout_s: float) -> RawEnd:
    """Call Produce over `channel`, as a known user, with `data` in place of a message."""
    method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(PRODUCE.decode())
    call = method.future(data, metadata=(("authorization", MYUSER.authorization),), timeout=timeout_s)
    error = call.exception()
    info = error_details_pb2.ErrorInfo()
    if error is not None:
        trailers = dict(call.trailing_metadata() or ())
        details = trailers.get("grpc-status-details-bin")
        assert isinstance(details, bytes), (call.code(), call.details())
        assert any(detail.Unpack(info) for detail in status_pb2.Status.FromString(details).details)
    return RawEnd(call.code(), call.details() or "", info, b"" if error is not None else call.result())
