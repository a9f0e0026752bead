"""Callers without good credentials, and callers whose streams are never read."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event

import grpc
import pytest

from tests.faults.processes import memory_bytes
from tests.gateway.rest import RestClient
from tests.gateway.users import MYUSER, User
from tests.hostile.besieged import TOPIC, Besieged
from tests.hostile.wire import assert_refused
from twinpost.v1 import producer_service_pb2, producer_service_pb2_grpc, record_pb2

MIB = 1024 * 1024
TARGET = f"/produce/{TOPIC}"

_GUESSERS = 16
_GUESSES = 2


@pytest.mark.parametrize("name", [MYUSER.name, "nobody"])
def test_guessing_passwords_holds_up_no_one_else(besieged: Besieged, name: str) -> None:
    """Each guess costs the guesser time and the gateway memory, both bounded; known callers notice nothing."""
    workers = besieged.workers()
    before = memory_bytes(workers)

    def guess(number: int) -> None:
        client = RestClient(besieged.port, User(name, f"guess {number}"))
        # A guess that waits for too long is turned away.
        assert_refused(client.send("POST", TARGET, body=b"[]"), 401, 429, 503, 504)

    peak = before
    waits = []
    with ThreadPoolExecutor(_GUESSERS) as guessers:
        guesses = [guessers.submit(guess, number) for number in range(_GUESSERS * _GUESSES)]
        while not all(done.done() for done in guesses):
            began = time.monotonic()
            assert 200 == besieged.produce().status
            waits.append(time.monotonic() - began)
            peak = max(peak, memory_bytes(workers))
        for done in guesses:
            done.result()

    assert statistics.median(waits) < 0.5, waits
    assert peak - before < 400 * MIB


BAD_CREDENTIALS = {
    "no scheme": "bXl1c2VyOm15cGFzcw==",
    "another scheme": "Bearer eyJhbGciOiJub25lIn0..",
    "not base64": "Basic !!!!",
    "no colon": "Basic bXl1c2Vy",
    "not utf-8": "Basic /zo=",
    "NUL in the name": "Basic AG15dXNlcjpteXBhc3M=",
    "a line break in the name": "Basic bXl1c2VyDQo6bXlwYXNz",
    "an empty name": "Basic Om15cGFzcw==",
    "an empty password": "Basic bXl1c2VyOg==",
    "60 000 characters": "Basic " + "QUFB" * 15_000,
    "a long password": "Basic bXl1c2VyOm" + "QUFB" * 1500,
    "two of them": "Basic eDp5, Basic bXl1c2VyOm15cGFzcw==",
    "a parameter": 'Basic realm="x", bXl1c2VyOm15cGFzcw==',
    "spaces": "Basic" + " " * 1000 + "x",
    "a name like a path": "Basic Li4vLi4vZXRjL3Bhc3N3ZDp4",
}


@pytest.mark.parametrize("authorization", BAD_CREDENTIALS.values(), ids=BAD_CREDENTIALS.keys())
def test_odd_credentials_are_401(besieged: Besieged, authorization: str) -> None:
    """With the challenge, and without a word of what they were."""
    client = RestClient(besieged.port, None)
    response = client.send("POST", TARGET, body=b"[]", headers={"Authorization": authorization})

    assert "UNAUTHENTICATED" == assert_refused(response, 401)["reason"]
    assert 'Basic realm="twinpost"' == response.headers["www-authenticate"]
    assert authorization.removeprefix("Basic ")[:40].encode() not in response.body


def endless(ended: Event) -> Iterator[producer_service_pb2.ProduceStreamRequest]:
    """Yield large steps until `ended` is set."""
    record = record_pb2.Record(topic=TOPIC, value=b"x" * 1000)
    step = producer_service_pb2.ProduceStreamRequest(records=[record] * 100)
    while not ended.is_set():
        yield step


def test_streams_whose_answers_are_not_read_are_slowed_down(besieged: Besieged) -> None:
    """What they send waits on their side: memory stays, and others are served."""
    processes = [*besieged.workers(), besieged.envoy()]
    before = memory_bytes(processes)
    ended = Event()
    with ExitStack() as stack:
        # Without this, the generators would feed on after the streams are cancelled.
        stack.callback(ended.set)
        for _ in range(10):
            channel = stack.enter_context(grpc.insecure_channel(besieged.gateway.address))
            stub = producer_service_pb2_grpc.ProducerServiceStub(channel)
            answers = stub.ProduceStream(endless(ended), metadata=(("authorization", MYUSER.authorization),))
            stack.callback(answers.cancel)
        served = besieged.produce_for(4)
        peak = memory_bytes(processes)

    assert {200} <= {response.status for response, _ in served} <= {200, 429}
    assert peak - before < 400 * MIB
