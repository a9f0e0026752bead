"""The program that the floor runs: grpc.aio and uvloop, and answers that are there before the request comes.

`python -m bench.systems.floor_server SOCKET`.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import uvloop
from google.api import httpbody_pb2
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from twinpost.v1 import producer_rest_service_pb2, producer_service_pb2, record_pb2

_MESSAGE_BYTES_MAX = 64 * 1024 * 1024
_METADATA: dict[str, Any] = {"topic": "bench", "partition": 3, "offset": 123_456_789, "timestamp": 1_763_987_654_321}
_HEALTH_NAMES = ("", "twinpost.routing", "twinpost.v1.ProducerService")

Context = aio.ServicerContext[bytes, bytes]


class _Answers:
    """The answers, by the length of the request: each load's requests are all the same."""

    def __init__(self, make: Callable[[bytes], bytes]) -> None:
        """Have an answer made by `make` for the first request of each length."""
        self._make = make
        self._known: dict[int, bytes] = {}

    def to(self, request: bytes) -> bytes:
        """Return the answer to `request`."""
        answer = self._known.get(len(request))
        if answer is None:
            answer = self._known[len(request)] = self._make(request)
        return answer


def _rest_answer(request: bytes) -> bytes:
    document = json.loads(producer_rest_service_pb2.RestProduceRequest.FromString(request).body.data)
    results = [_METADATA] * (len(document) if isinstance(document, list) else 1)
    body = json.dumps(results, separators=(",", ":")).encode()
    return httpbody_pb2.HttpBody(content_type="application/json", data=body).SerializeToString()


def _unary_answer(request: bytes) -> bytes:
    records = producer_service_pb2.ProduceRequest.FromString(request).records
    return producer_service_pb2.ProduceResponse(results=[_result()] * len(records)).SerializeToString()


def _step_answer(request: bytes) -> bytes:
    step = producer_service_pb2.ProduceStreamRequest.FromString(request)
    answer = producer_service_pb2.ProduceStreamResponse(sequence=step.sequence, results=[_result()] * len(step.records))
    return answer.SerializeToString()


def _result() -> record_pb2.RecordResult:
    return record_pb2.RecordResult(metadata=record_pb2.RecordMetadata(**_METADATA))


def _handlers() -> tuple[grpc.GenericRpcHandler, ...]:
    rest, unary, steps = _Answers(_rest_answer), _Answers(_unary_answer), _Answers(_step_answer)

    async def answer_rest(request: bytes, _context: Context) -> bytes:
        return rest.to(request)

    async def answer_unary(request: bytes, _context: Context) -> bytes:
        return unary.to(request)

    async def answer_steps(requests: AsyncIterator[bytes], _context: Context) -> AsyncIterator[bytes]:
        async for request in requests:
            yield steps.to(request)

    return (
        grpc.method_handlers_generic_handler(
            "twinpost.v1.ProducerRestService", {"Produce": grpc.unary_unary_rpc_method_handler(answer_rest)}
        ),
        grpc.method_handlers_generic_handler(
            "twinpost.v1.ProducerService",
            {
                "Produce": grpc.unary_unary_rpc_method_handler(answer_unary),
                "ProduceStream": grpc.stream_stream_rpc_method_handler(answer_steps),
            },
        ),
    )


async def _serve(socket: str) -> None:
    server = aio.server(options=(("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX), ("grpc.so_reuseport", 0)))
    server.add_generic_rpc_handlers(_handlers())
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    for name in _HEALTH_NAMES:
        await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await stopping.wait()
    await server.stop(0)


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))
