"""The requests that twinpost's two faces, and the floor behind the same contract, are loaded with."""

from __future__ import annotations

import json

from bench.case import Case, Protocol
from bench.load_program import Order, Timing
from twinpost.v1 import producer_service_pb2, record_pb2

__all__ = ["STREAM_WINDOW", "rest_body", "twinpost_order", "value"]

STREAM_WINDOW = 32
"""How many steps of one stream are sent before the first of them is answered."""

_SERVICE = "/twinpost.v1.ProducerService"


def value(length: int) -> str:
    """Return a value of `length` bytes that JSON need not escape."""
    pattern = "The quick brown fox jumps over the lazy dog 0123456789. "
    return (pattern * (length // len(pattern) + 1))[:length]


def rest_body(case: Case) -> bytes:
    """Return the body of a REST request: one message, or an array of them."""
    message = {"value": value(case.value_bytes)}
    document = message if case.records == 1 else [message] * case.records
    return json.dumps(document, separators=(",", ":")).encode()


def twinpost_order(
    case: Case, timing: Timing, *, rate_per_s: float | None, address: str, topic: str, authorization: str
) -> Order:
    """Return what the load generator is told for `case` at `address`."""
    target, body, needle, results_field = _request(case, topic)
    return Order(
        protocol=case.protocol,
        address=address,
        target=target,
        bodies=(body,),
        records=case.records,
        connections=case.connections,
        warm_up_s=timing.warm_up_s,
        measure_s=timing.measure_s,
        headers=(("authorization", authorization),),
        needle=needle,
        results_field=results_field,
        window=STREAM_WINDOW,
        rate_per_s=rate_per_s or 0.0,
    )


def _request(case: Case, topic: str) -> tuple[str, bytes, str, int]:
    """Return the target, the body, what answers hold once per record, and the field of the results."""
    records = [record_pb2.Record(topic=topic, value=value(case.value_bytes).encode())] * case.records
    match case.protocol:
        case Protocol.REST:
            return f"/produce/{topic}", rest_body(case), '"offset":', 0
        case Protocol.GRPC_UNARY:
            unary = producer_service_pb2.ProduceRequest(records=records)
            field = producer_service_pb2.ProduceResponse.RESULTS_FIELD_NUMBER
            return f"{_SERVICE}/Produce", unary.SerializeToString(), "", field
        case Protocol.GRPC_STREAM:
            step = producer_service_pb2.ProduceStreamRequest(sequence=1, records=records)
            field = producer_service_pb2.ProduceStreamResponse.RESULTS_FIELD_NUMBER
            return f"{_SERVICE}/ProduceStream", step.SerializeToString(), "", field
