"""More than the gateway can take: who is refused learns it at once, who is admitted waits no longer, memory is flat.

Set HOSTILE_OVERLOAD_S for a longer run, such as 600, of each kind of overload.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.brokers.ledger import read_topic
from tests.brokers.waiting import wait_for
from tests.faults.network import Network
from tests.faults.processes import memory_bytes
from tests.gateway.rest import RestResponse
from tests.hostile.besieged import Besieged
from tests.hostile.load_client import Answer, LoadClient, Request, percentile
from tests.hostile.wire import assert_refused, request

MIB = 1024 * 1024
_TOPIC = "overload"
OVERLOAD_S = float(os.environ.get("HOSTILE_OVERLOAD_S", "8"))

_BROKER_DELAY_S = 0.04
"""With a broker that takes its time, what the gateway can take does not depend on the machine."""

_AT_ONCE = 8
_OVERLOAD = 4
_SATURATED_S = 3
_WARM_UP = 0.3
"""The part of a run after which memory must be flat."""

LIMITS: Mapping[str, Mapping[str, Mapping[str, int]]] = {
    "records in flight": {"limits": {"in_flight_records_max": _AT_ONCE, "request_records_max": _AT_ONCE}},
    "requests at once": {"limits": {"concurrent_requests_max": _AT_ONCE}},
}


@pytest.fixture(params=LIMITS.values(), ids=[*LIMITS])
def narrow(request: pytest.FixtureRequest, users_file: Path, tmp_path: Path) -> Iterator[Besieged]:
    """A gateway with room for eight, and a broker that answers late."""
    network = Network()
    try:

        def detour(port: int) -> int:
            link = network.link(port)
            link.delay(_BROKER_DELAY_S)
            return link.port

        with Besieged.running(tmp_path, users_file, request.param, detour=detour) as running:
            # One partition: all that wait go together in one batch.
            running.broker.create_topic(_TOPIC, partitions=1)
            assert 200 == running.gateway.rest.send("GET", f"/produce/{_TOPIC}/first").status
            yield running
            running.assert_unharmed()
    finally:
        network.close()


class _Memory:
    """The resident memory of a gateway's workers and Envoy, looked at during a run."""

    def __init__(self, besieged: Besieged) -> None:
        self._processes = [*besieged.workers(), besieged.envoy()]
        self.samples: list[int] = []

    async def watch(self) -> None:
        """Look twice a second."""
        while True:
            self.samples.append(memory_bytes(self._processes))
            await asyncio.sleep(0.5)

    def growth(self) -> int:
        """Return by how much memory grew after the warm-up, in bytes."""
        settled = self.samples[int(len(self.samples) * _WARM_UP) :]
        return max(settled) - settled[0]


@pytest.mark.timeout(2 * OVERLOAD_S + 90)
async def test_four_times_too_much_is_refused_at_once(
    narrow: Besieged, record_property: Callable[[str, object], None]
) -> None:
    """Refused within 50 ms with a delay to wait, admitted as fast as ever, memory flat, and well again afterwards.

    What was measured is in the report of `--junitxml`.
    """
    good = request(f"/produce/{_TOPIC}".encode(), body=b'{"value": "' + b"x" * 1000 + b'"}')
    alive = Request(request(b"/livez", method=b"GET"), rate_per_s=20)
    memory = _Memory(narrow)
    client = LoadClient(narrow.port)
    try:
        full = await client.saturate(good, _AT_ONCE, _SATURATED_S)
        capacity_per_s = len(full) / _SATURATED_S
        loaded, living = await client.offer(
            [Request(good, _OVERLOAD * capacity_per_s), alive], OVERLOAD_S, meanwhile=memory.watch
        )
        afterwards = await client.saturate(good, _AT_ONCE // 2, 1)
    finally:
        client.close()

    admitted = [answer for answer in loaded if answer.status == 200]
    refused = [answer for answer in loaded if answer.status == 429]
    assert {200} == {answer.status for answer in full}
    assert len(admitted) + len(refused) == len(loaded), Counter(answer.status for answer in loaded)
    assert len(refused) > len(loaded) / 2
    assert all(int(answer.retry_after or 0) >= 1 for answer in refused)
    figures = told(full, admitted, refused, living)
    record_property("offered, admitted, refused", (len(loaded), len(admitted), len(refused)))
    record_property("50th, 99th percentile in ms at capacity, admitted, refused, /livez", figures)
    record_property("memory in MiB before, after", (memory.samples[0] // MIB, max(memory.samples) // MIB))
    # How long this machine lets a process wait is nobody's fault: /livez waits for one, a refusal for three.
    noise_s = 3 * percentile(living, 99)
    assert percentile(refused, 99) < 0.05 + noise_s, figures
    assert percentile(admitted, 50) < 1.5 * percentile(full, 50) + noise_s, figures
    assert percentile(admitted, 99) < 2 * percentile(full, 99) + noise_s, figures
    assert len(admitted) > OVERLOAD_S * capacity_per_s / 2
    assert memory.growth() < 16 * MIB, memory.samples
    assert {200} == {answer.status for answer in afterwards}


def told(*kinds: list[Answer]) -> str:
    """Return medians and 99th percentiles, in ms, for a message."""
    return "; ".join(f"{percentile(kind, 50) * 1000:.0f}, {percentile(kind, 99) * 1000:.0f}" for kind in kinds)


@pytest.mark.timeout(OVERLOAD_S + 120)
async def test_more_than_the_processors_can_do_is_refused(users_file: Path, tmp_path: Path) -> None:
    """Batches that keep every core busy: callers over the limit are told so, memory is flat, nothing is lost."""
    settings = {"limits": {"concurrent_requests_max": 8}}
    records = 2000
    body = b"[" + b",".join([b'{"value": "' + b"x" * 100 + b'"}'] * records) + b"]"
    with Besieged.running(tmp_path, users_file, settings) as besieged:
        besieged.broker.create_topic("busy")
        besieged.assert_unharmed()
        batch = Request(request(b"/produce/busy", body=body), rate_per_s=100)
        memory = _Memory(besieged)
        client = LoadClient(besieged.port)
        try:
            [answers] = await client.offer([batch], OVERLOAD_S / 2, meanwhile=memory.watch)
        finally:
            client.close()
        besieged.assert_unharmed()
        stored = len(await asyncio.to_thread(read_topic, besieged.broker.bootstrap_servers, "busy"))

    counts = Counter(answer.status for answer in answers)
    assert {200, 429} == counts.keys()
    assert counts[200] * records == stored
    assert memory.growth() < 150 * MIB, memory.samples


@contextmanager
def full(besieged: Besieged, places: int) -> Iterator[list[RestResponse]]:
    """Freeze the broker and fill the `places` there are; yield what the callers were told who got them."""
    with besieged.broker.paused(), ThreadPoolExecutor(places) as callers:

        def hold(number: int) -> RestResponse:
            body = b'{"value": "held %d"}' % number
            headers = {"Request-Timeout": "0.5"}
            return besieged.gateway.rest.send("POST", "/produce/held", body=body, headers=headers)

        yield list(callers.map(hold, range(places)))


def test_a_frozen_broker_fills_the_room_and_no_more(users_file: Path, tmp_path: Path) -> None:
    """Who is refused then learns it at once, though nobody knows when it ends; once it does, all is as before."""
    places = 50
    settings = {"limits": {"in_flight_records_max": places, "request_records_max": places}}
    with Besieged.running(tmp_path, users_file, settings) as besieged:
        besieged.broker.create_topic("held")
        warm = besieged.gateway.rest.send("POST", "/produce/held", body=b'{"value": "warm"}')
        assert 200 == warm.status
        with full(besieged, places) as held:
            refused = []
            for _ in range(100):
                began = time.monotonic()
                refused.append(besieged.gateway.rest.send("POST", "/produce/held", body=b'{"value": "refused"}'))
                assert time.monotonic() - began < 0.5
        wait_for(lambda: 200 == besieged.produce().status, "service after the thaw", timeout_s=10)
        # Every place is free again: as many as before fit at once.
        body = b"[" + b",".join([b'{"value": "after"}'] * places) + b"]"
        after = besieged.gateway.rest.send("POST", "/produce/held", body=body)
        besieged.assert_unharmed()
        values = Counter(record.value for record in read_topic(besieged.broker.bootstrap_servers, "held"))

    assert {(504, "unknown")} == {(response.status, response.json()["delivered"]) for response in held}
    for response in refused:
        assert_refused(response, 429, 503)
    assert 429 == refused[0].status
    assert 200 == after.status
    # What was unknown is written once at most, in truth once; what was refused, never.
    assert values == {b"warm": 1, b"after": places} | {b"held %d" % number: 1 for number in range(places)}
