"""The gRPC server of a worker."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection import SERVICE_NAME

from twinpost.v1 import producer_rest_service_pb2, producer_service_pb2
from twinpost_server.core.errors import RequestFailed
from twinpost_server.rpc.call import Call
from twinpost_server.rpc.health import Health
from twinpost_server.rpc.producer_service import ProducerService
from twinpost_server.rpc.recovery import recovered, recovered_stream
from twinpost_server.rpc.reflection import Reflection
from twinpost_server.rpc.rest_service import ProducerRestService
from twinpost_server.rpc.rich_error import abort

__all__ = ["open_server"]

_METADATA_BYTES_MAX: Final = 256 * 1024
"""The request target travels in metadata, and a target with a message in it may be 60 KiB long before coding."""

_ENVELOPE_BYTES: Final = 64 * 1024
"""What a message around a body of the allowed size may weigh on top. grpc itself refuses only at twice the size: its
RESOURCE_EXHAUSTED means 'try again later', where our own refusal names the limit."""

_C_INT_MAX: Final = 2**31 - 1


def open_server(
    socket: Path,
    *,
    native: ProducerService,
    rest: ProducerRestService,
    health: Health,
    reflection: Reflection | None,
    body_bytes_max: int,
) -> aio.Server:
    """Return a server that listens on the unix socket `socket` once started; must run on the loop that serves.

    A file there is replaced, and stays when the server stops.

    Requests reach the handlers as bytes: credentials are looked at before anything is decoded, and a message that
    cannot be decoded is answered as the contract says instead of by grpc's own UNKNOWN.
    """
    server = aio.server(
        options=(
            # grpc takes a C int and raises OverflowError past it, as twice the largest body that may be set is.
            ("grpc.max_receive_message_length", min(2 * body_bytes_max + _ENVELOPE_BYTES, _C_INT_MAX)),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_metadata_size", _METADATA_BYTES_MAX),
            ("grpc.absolute_max_metadata_size", _METADATA_BYTES_MAX),
            ("grpc.so_reuseport", 0),
            # No table of headers seen before: Envoy's one connection carries every caller's calls, and a header that
            # grpc cannot parse would stay in the table and fail whichever calls name it next.
            ("grpc.http2.hpack_table_size.decoder", 0),
        )
    )
    native_name = producer_service_pb2.DESCRIPTOR.services_by_name["ProducerService"].full_name
    rest_name = producer_rest_service_pb2.DESCRIPTOR.services_by_name["ProducerRestService"].full_name
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                native_name,
                {
                    "Produce": grpc.unary_unary_rpc_method_handler(recovered(native.produce, _abort)),
                    "ProduceStream": grpc.stream_stream_rpc_method_handler(recovered_stream(native.produce_stream)),
                },
            ),
            grpc.method_handlers_generic_handler(
                rest_name, {"Produce": grpc.unary_unary_rpc_method_handler(recovered(rest.produce, rest.fail))}
            ),
            _health_handler(health),
            *(() if reflection is None else (_reflection_handler(reflection),)),
        )
    )
    # Opened under a name of its own, since grpc removes the file of that name when the server stops. Where this
    # worker's gateway was killed, the worker of another one may be at `socket` by then.
    own = socket.with_name(f".{os.getpid()}")
    server.add_insecure_port(f"unix:{own}")
    own.rename(socket)
    return server


def _health_handler(health: Health) -> grpc.GenericRpcHandler:
    read, write = health_pb2.HealthCheckRequest.FromString, health_pb2.HealthCheckResponse.SerializeToString
    return grpc.method_handlers_generic_handler(
        health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
        {
            "Check": grpc.unary_unary_rpc_method_handler(health.check, read, write),
            "Watch": grpc.unary_stream_rpc_method_handler(health.watch, read, write),
        },
    )


def _reflection_handler(reflection: Reflection) -> grpc.GenericRpcHandler:
    info = grpc.stream_stream_rpc_method_handler(
        reflection.info,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(SERVICE_NAME, {"ServerReflectionInfo": info})


async def _abort(failed: RequestFailed, context: Call) -> bytes:
    await abort(context, failed.failure)
