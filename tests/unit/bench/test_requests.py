"""The requests that loads are made of."""

from __future__ import annotations

import json

import pytest

from bench.case import Case, Protocol
from bench.load_program import Timing
from bench.requests import rest_body, twinpost_order, value
from twinpost.v1 import producer_service_pb2

TIMING = Timing(warm_up_s=1, measure_s=2)


@pytest.mark.parametrize("length", [1, 100, 102_400])
def test_value_has_its_length_in_json_too(length: int) -> None:
    """Nothing in it needs escaping, so that a value of 100 bytes is one on every way."""
    assert length == len(value(length).encode()) == len(json.dumps(value(length))) - 2


@pytest.mark.parametrize(("records", "kind"), [(1, dict), (3, list)])
def test_body_is_one_message_or_an_array(records: int, kind: type) -> None:
    """As the REST contract has it."""
    assert isinstance(json.loads(rest_body(case(Protocol.REST, records))), kind)


def test_grpc_requests_are_those_of_the_contract() -> None:
    """Each decodes to as many records as the case has, and answers are counted in the field that holds results."""
    unary, step = (
        twinpost_order(
            case(protocol, 3), TIMING, rate_per_s=None, address="127.0.0.1:1", topic="t", authorization="Basic x"
        )
        for protocol in (Protocol.GRPC_UNARY, Protocol.GRPC_STREAM)
    )
    assert 3 == len(producer_service_pb2.ProduceRequest.FromString(unary.bodies[0]).records)
    assert 3 == len(producer_service_pb2.ProduceStreamRequest.FromString(step.bodies[0]).records)
    assert (1, 2) == (unary.results_field, step.results_field)


def case(protocol: Protocol, records: int) -> Case:
    """Return a case of `records` records a request."""
    return Case(name="case", systems=(), protocol=protocol, records=records)
