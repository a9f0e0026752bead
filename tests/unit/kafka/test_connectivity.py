"""Whether the cluster answers, with a cluster that answers as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from twinpost_server.kafka import connectivity
from twinpost_server.kafka.cluster_admin import ClusterAdmin
from twinpost_server.kafka.connectivity import ClusterState, Connectivity

TIMED_OUT = KafkaError(KafkaError._TIMED_OUT)
REFUSED_PASSWORD = KafkaError(KafkaError._AUTHENTICATION)


@pytest.fixture(autouse=True)
def short_probe_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probe often: the length of the pause between probes is nothing these tests are about."""
    monkeypatch.setattr(connectivity, "_PROBE_INTERVAL_S", 0.02)


class Cluster:
    """Answers probes, or fails them.

    Attributes:
        failure: what the next probes fail with; `None` for an answer.
        complaints: what the client tells besides, once.
        probes: how many there were.
    """

    def __init__(self) -> None:
        """Answer from the start."""
        self.failure: KafkaError | None = None
        self.complaints: list[KafkaError] = []
        self.probes = 0

    async def probe(self) -> None:
        """Answer, or fail."""
        await asyncio.sleep(0)
        self.probes += 1
        if self.failure is not None:
            raise KafkaException(self.failure)

    def take_errors(self) -> list[KafkaError]:
        """Return the complaints, once."""
        complaints, self.complaints = self.complaints, []
        return complaints


class Watched:
    """A connectivity under watch.

    Attributes:
        states: what it told, in order.
    """

    def __init__(self, cluster: Cluster) -> None:
        """Watch `cluster`."""
        self.cluster = cluster
        self.states: list[ClusterState] = []
        self.connectivity = Connectivity(cast("ClusterAdmin", cluster), on_change=self.states.append)

    @classmethod
    @asynccontextmanager
    async def running(cls, cluster: Cluster) -> AsyncIterator[Watched]:
        """Probe inside the block."""
        watched = cls(cluster)
        task = asyncio.create_task(watched.connectivity.run())
        try:
            yield watched
        finally:
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()

    async def until(self, *states: ClusterState) -> None:
        """Return once exactly these states were told."""
        async with asyncio.timeout(10):
            while list(states) != self.states:
                await asyncio.sleep(0.01)
        assert states[-1] is self.connectivity.state

    async def probed(self) -> None:
        """Have a probe made now, and return once it is over."""
        probes = self.cluster.probes
        async with asyncio.timeout(10):
            while probes == self.cluster.probes:
                self.connectivity.suspect()
                await asyncio.sleep(0.01)


async def test_nothing_is_known_before_the_first_probe() -> None:
    """A worker that has just started claims nothing."""
    watched = Watched(Cluster())
    assert (ClusterState.UNKNOWN, []) == (watched.connectivity.state, watched.states)


async def test_answering_cluster_is_up() -> None:
    """One answer is enough, and it is told once."""
    async with Watched.running(Cluster()) as watched:
        await watched.until(ClusterState.UP)
        await watched.probed()
        assert [ClusterState.UP] == watched.states


async def test_cluster_that_was_never_there_is_down_at_once() -> None:
    """At the start nobody has to wait for a second failure."""
    cluster = Cluster()
    cluster.failure = TIMED_OUT
    async with Watched.running(cluster) as watched:
        await watched.until(ClusterState.DOWN)


async def test_one_lost_probe_is_not_an_outage() -> None:
    """A leader that moves may cost one probe."""

    class Unsteady(Cluster):
        async def probe(self) -> None:
            self.failure = TIMED_OUT if self.probes % 2 else None
            await super().probe()

    async with Watched.running(cluster := Unsteady()) as watched, asyncio.timeout(10):
        while cluster.probes < 6:
            await asyncio.sleep(0.01)
    assert [ClusterState.UP] == watched.states


async def test_cluster_that_stays_away_is_down_and_comes_back_up() -> None:
    """An outage is told, and so is its end."""
    async with Watched.running(cluster := Cluster()) as watched:
        await watched.until(ClusterState.UP)
        cluster.failure = TIMED_OUT
        await watched.until(ClusterState.UP, ClusterState.DOWN)
        cluster.failure = None
        await watched.until(ClusterState.UP, ClusterState.DOWN, ClusterState.UP)


async def test_trouble_of_a_producer_makes_the_next_failure_count() -> None:
    """Who has already met trouble needs no second probe to believe it."""
    async with Watched.running(cluster := Cluster()) as watched:
        await watched.until(ClusterState.UP)
        cluster.failure = TIMED_OUT
        await watched.probed()
        assert [ClusterState.UP, ClusterState.DOWN] == watched.states


@pytest.mark.parametrize("state", [ClusterState.UNKNOWN, ClusterState.DOWN])
async def test_trouble_tells_nothing_new_of_a_cluster_that_is_not_up(state: ClusterState) -> None:
    """Producers repeat themselves for as long as an outage lasts; nobody is probed more often for that."""
    watched = Watched(cluster := Cluster())
    watched.connectivity.state = state
    for _ in range(100):
        watched.connectivity.suspect()
    await asyncio.sleep(0)
    assert 0 == cluster.probes


@pytest.mark.parametrize(
    ("failure", "complaints"),
    [
        pytest.param(REFUSED_PASSWORD, [], id="said by the answer"),
        pytest.param(TIMED_OUT, [REFUSED_PASSWORD], id="said besides"),
        pytest.param(TIMED_OUT, [REFUSED_PASSWORD, KafkaError(KafkaError._ALL_BROKERS_DOWN)], id="said among others"),
        pytest.param(KafkaError(KafkaError.SASL_AUTHENTICATION_FAILED), [], id="said by the broker"),
    ],
)
async def test_refused_password_is_told_as_such(failure: KafkaError, complaints: list[KafkaError]) -> None:
    """Wrong credentials of the gateway are no outage: the operator has to act."""
    cluster = Cluster()
    cluster.failure, cluster.complaints = failure, complaints
    async with Watched.running(cluster) as watched:
        await watched.until(ClusterState.AUTHENTICATION_FAILED)


async def test_refused_password_stays_the_cause_until_a_broker_answers() -> None:
    """A broker that hangs up says why only now and then; the answers to callers shall not change with that."""
    cluster = Cluster()
    cluster.failure, cluster.complaints = TIMED_OUT, [REFUSED_PASSWORD]
    async with Watched.running(cluster) as watched:
        await watched.until(ClusterState.AUTHENTICATION_FAILED)
        for _ in range(3):
            await watched.probed()
        cluster.failure = None
        await watched.until(ClusterState.AUTHENTICATION_FAILED, ClusterState.UP)


async def test_complaints_of_a_working_connection_are_forgotten() -> None:
    """What was said before the cluster answered does not name the cause of the next outage."""
    cluster = Cluster()
    cluster.complaints = [REFUSED_PASSWORD]
    async with Watched.running(cluster) as watched:
        await watched.until(ClusterState.UP)
        cluster.failure = TIMED_OUT
        await watched.until(ClusterState.UP, ClusterState.DOWN)


async def test_probing_survives_what_it_did_not_expect() -> None:
    """A state that freezes because a probe broke would have readiness lie for ever."""

    class Broken(Cluster):
        async def probe(self) -> None:
            await super().probe()
            if self.probes == 1:
                raise RuntimeError

    async with Watched.running(Broken()) as watched:
        await watched.until(ClusterState.UP)
