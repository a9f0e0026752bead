"""A gRPC-Web client over HTTP/1.1, as a browser's is.

The protocol: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence

import grpc
from google.rpc import status_pb2

from tests.gateway.native import NativeAnswer
from tests.gateway.rest import RestClient
from tests.gateway.users import User
from twinpost.v1 import producer_service_pb2, record_pb2

__all__ = ["WebClient"]

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_FRAME = struct.Struct(">BI")
_TRAILERS = 0x80
_OK = 200


class WebClient:
    """Calls `twinpost.v1.ProducerService/Produce`."""

    def __init__(self, port: int, user: User | None) -> None:
        """Call the gateway on `port` as `user`."""
        self._client = RestClient(port, user)

    def produce(self, records: Sequence[record_pb2.Record]) -> NativeAnswer:
        """Call Produce and return how it ended."""
        message = producer_service_pb2.ProduceRequest(records=records).SerializeToString()
        response = self._client.send(
            "POST",
            "/twinpost.v1.ProducerService/Produce",
            body=_FRAME.pack(0, len(message)) + message,
            headers={"Content-Type": "application/grpc-web+proto", "X-Grpc-Web": "1"},
        )
        assert _OK == response.status, response
        # Where there is no message the status is among the headers.
        ended: Mapping[str, str] = {key.lower(): value for key, value in response.headers.items()}
        results: Sequence[record_pb2.RecordResult] = ()
        body = response.body
        while body:
            flags, length = _FRAME.unpack_from(body)
            content, body = body[_FRAME.size : _FRAME.size + length], body[_FRAME.size + length :]
            if flags & _TRAILERS:
                ended = dict(line.split(":", 1) for line in content.decode().strip().split("\r\n"))
            else:
                results = producer_service_pb2.ProduceResponse.FromString(content).results
        details = ended.get("grpc-status-details-bin", "").strip()
        status = status_pb2.Status.FromString(base64.b64decode(details + "=" * (-len(details) % 4)))
        return NativeAnswer(_CODES[int(ended["grpc-status"])], results, status)
