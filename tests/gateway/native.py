"""A native gRPC client, with stubs made from the published contract."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2, status_pb2

from tests.gateway.users import User
from twinpost.v1 import producer_service_pb2, producer_service_pb2_grpc, record_pb2

__all__ = ["NativeAnswer", "NativeClient"]

_TIMEOUT_S = 40.0
_MESSAGE_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class NativeAnswer:
    """How a call ended.

    Attributes:
        code: the call's status.
        results: the results, where the status is OK.
        status: the rich status, where the call carries one.
    """

    code: grpc.StatusCode
    results: Sequence[record_pb2.RecordResult]
    status: status_pb2.Status

    @property
    def error_info(self) -> error_details_pb2.ErrorInfo:
        """The ErrorInfo of a failed call, which must have one."""
        info = error_details_pb2.ErrorInfo()
        assert any(detail.Unpack(info) for detail in self.status.details), self
        return info

    @property
    def violations(self) -> list[str]:
        """The fields that the call's BadRequest names, if it has one."""
        request = error_details_pb2.BadRequest()
        for detail in self.status.details:
            detail.Unpack(request)
        return [violation.field for violation in request.field_violations]

    @property
    def retry_delay_s(self) -> float | None:
        """The delay of the call's RetryInfo, if it has one."""
        info = error_details_pb2.RetryInfo()
        if any(detail.Unpack(info) for detail in self.status.details):
            return info.retry_delay.ToTimedelta().total_seconds()
        return None


class NativeClient:
    """Calls `twinpost.v1.ProducerService` over one channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        """Call over `channel`."""
        self._stub = producer_service_pb2_grpc.ProducerServiceStub(channel)

    @classmethod
    @contextmanager
    def opened(cls, address: str) -> Iterator[NativeClient]:
        """Call the gateway at `address`, until the end of the block."""
        options = [
            ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
            ("grpc.max_send_message_length", _MESSAGE_BYTES_MAX),
        ]
        with grpc.insecure_channel(address, options=options) as channel:
            yield cls(channel)

    def produce(
        self, records: Sequence[record_pb2.Record], user: User | None, *, timeout_s: float = _TIMEOUT_S
    ) -> NativeAnswer:
        """Call Produce and return how it ended."""
        metadata = () if user is None else (("authorization", user.authorization),)
        request = producer_service_pb2.ProduceRequest(records=records)
        call = self._stub.Produce.future(request, metadata=metadata, timeout=timeout_s)
        error = call.exception()
        trailers = {key: value for key, value in call.trailing_metadata() or () if isinstance(value, bytes)}
        status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
        return NativeAnswer(call.code(), () if error is not None else call.result().results, status)

    def produce_step(
        self, records: Sequence[record_pb2.Record], user: User | None, *, timeout_s: float = _TIMEOUT_S
    ) -> NativeAnswer:
        """Send one step over a stream of its own, half-close, and return its results and how the stream ended."""
        metadata = () if user is None else (("authorization", user.authorization),)
        step = producer_service_pb2.ProduceStreamRequest(sequence=7, records=records)
        call = self._stub.ProduceStream(iter([step]), metadata=metadata, timeout=timeout_s)
        results: list[record_pb2.RecordResult] = []
        try:
            for answer in call:
                assert 7 == answer.sequence
                results.extend(answer.results)
        except grpc.RpcError:
            # How it ended is asked for below.
            assert not results
        trailers = {key: value for key, value in call.trailing_metadata() or () if isinstance(value, bytes)}
        status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
        return NativeAnswer(call.code(), results, status)
