"""A worker without Kafka, as a process of its own: it answers what it received, or misbehaves as it is told.

Run as `python stub_worker.py SOCKET`. It prints `serving` once it listens. The query parameter `stub` of a REST
request, and the metadata `stub` of a native call, choose a behaviour, as `name` or
`name:argument`. A line `SERVICE STATUS` on
standard input sets a health status; the end of standard input ends the process.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
from google.api.httpbody_pb2 import HttpBody
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from twinpost.v1.producer_rest_service_pb2 import RestProduceRequest

METADATA_BYTES_MAX = 256 * 1024
MESSAGE_BYTES_MAX = 64 * 1024 * 1024
SERVICES = ("", "twinpost.routing", "twinpost.v1.ProducerService")

Context = grpc.aio.ServicerContext[Any, Any]


def _received(context: Context) -> dict[str, Any]:
    """The metadata as it came, bytes as base64."""
    pairs = [
        [key, base64.b64encode(value).decode() if isinstance(value, bytes) else value]
        for key, value in context.invocation_metadata() or ()
    ]
    return {"pid": os.getpid(), "metadata": pairs}


async def _rest(request: bytes, context: Context) -> HttpBody:
    """Answer what arrived as JSON, or do as `stub` says: `name` or `name:argument`."""
    received = _received(context)
    metadata = dict(received["metadata"])
    body = RestProduceRequest.FromString(request).body
    received["target"] = metadata.get("x-envoy-original-path")
    received["method"] = metadata.get("x-envoy-original-method")
    received["content_type"] = body.content_type
    received["body"] = base64.b64encode(body.data).decode()
    query = parse_qs(urlsplit(received["target"] or "").query)
    name, _, argument = query.get("stub", [""])[0].partition(":")
    match name:
        case "die":
            os._exit(9)
        case "hang":
            await asyncio.sleep(float(argument or 3600))
        case "abort":
            await context.abort(grpc.StatusCode[argument], "an internal text about 10.0.0.1:9092")
        case "abort-late":
            await context.send_initial_metadata((("x-http-status", "200"),))
            await context.abort(grpc.StatusCode[argument], "an internal text about 10.0.0.1:9092")
        case "raise":
            msg = "an internal text about 10.0.0.1:9092"
            raise RuntimeError(msg)
        case "bytes":
            return HttpBody(content_type="application/json", data=b"x" * int(argument))
        case "status":
            await context.send_initial_metadata(
                (
                    ("x-http-status", argument),
                    ("www-authenticate", 'Basic realm="twinpost"'),
                    ("retry-after", "7"),
                    ("allow", "GET, POST"),
                )
            )
    return HttpBody(content_type="application/json", data=json.dumps(received).encode())


async def _unary(request: bytes, context: Context) -> bytes:
    """Answer the metadata and the size that arrived as JSON, or do as `stub` says."""
    received = _received(context)
    received["bytes"] = len(request)
    received["remaining_s"] = context.time_remaining()
    name, _, argument = dict(received["metadata"]).get("stub", "").partition(":")
    match name:
        case "die":
            os._exit(9)
        case "hang":
            await asyncio.sleep(float(argument or 3600))
        case "abort":
            await context.abort(grpc.StatusCode[argument], "said the worker", (("x-detail", "kept"),))
    return json.dumps(received).encode()


async def _stream(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
    """Echo each message; with `stub: eager`, send the initial metadata before the first one comes."""
    if dict(context.invocation_metadata() or ()).get("stub") == "eager":
        await context.send_initial_metadata(())
    async for request in requests:
        yield request


class _Handlers(grpc.GenericRpcHandler):
    """Every method the configuration may route to."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        match handler_call_details.method.split("/")[1:]:
            case ["twinpost.v1.ProducerRestService", "Produce"]:
                return grpc.unary_unary_rpc_method_handler(_rest, None, HttpBody.SerializeToString)
            case ["twinpost.v1.ProducerService", "ProduceStream"]:
                return grpc.stream_stream_rpc_method_handler(_stream)
            case ["grpc.health.v1.Health", _]:
                return None
            case _:
                return grpc.unary_unary_rpc_method_handler(_unary)


async def _main(socket: str) -> None:
    health = HealthServicer()
    server = grpc.aio.server(
        options=(
            ("grpc.max_metadata_size", METADATA_BYTES_MAX),
            ("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX),
            ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        )
    )
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    server.add_generic_rpc_handlers((_Handlers(),))
    server.add_insecure_port(f"unix:{socket}")
    for service in SERVICES:
        await health.set(service, health_pb2.HealthCheckResponse.SERVING)
    await server.start()
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := (await commands.readline()).decode():
        service, status = line.rstrip("\n").split(" ")
        await health.set(service, health_pb2.HealthCheckResponse.ServingStatus.Value(status))
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
