"""The replacement of a producer that fails for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException

from twinpost_server.kafka import pool
from twinpost_server.kafka.pool import ProducerPool


class Producers:
    """Makes producers that do nothing.

    Attributes:
        made: how each was told that it failed, oldest first.
        refusals: how many more are not to be made.
    """

    def __init__(self) -> None:
        """Make every one that is asked for."""
        self.made: list[Callable[[], None]] = []
        self.refusals = 0

    def __call__(self, _config: object, *, on_failed: Callable[[object], None], **_callbacks: object) -> object:
        """Make one, or raise."""
        if self.refusals:
            self.refusals -= 1
            raise KafkaException(KafkaError(KafkaError._CRIT_SYS_RESOURCE))
        producer = _Producer()
        self.made.append(lambda: on_failed(producer))
        return producer


class _Producer:
    in_flight = 0

    async def drained(self) -> None:
        """Return at once."""

    async def close(self) -> None:
        """Return at once."""


@pytest.fixture
def producers(monkeypatch: pytest.MonkeyPatch) -> Producers:
    """What the pool makes its producers with."""
    producers = Producers()
    monkeypatch.setattr(pool, "Producer", producers)
    monkeypatch.setattr(pool, "_REPLACE_RETRY_S", 0.01)
    return producers


async def made(producers: Producers, count: int) -> None:
    """Wait until so many were made."""
    async with asyncio.timeout(5):
        while len(producers.made) < count:
            await asyncio.sleep(0)


def opened() -> ProducerPool:
    """Start a pool."""
    return ProducerPool({}, on_settled=lambda _delivery: None, on_trouble=lambda _error: None)


async def test_failed_producer_is_replaced_once(producers: Producers) -> None:
    """However often it says that it failed."""
    started = opened()
    producers.made[0]()
    producers.made[0]()
    assert 2 == len(producers.made)
    await started.close(timeout_s=1)


async def test_replacement_that_cannot_be_made_is_made_later(producers: Producers) -> None:
    """The system may lack descriptors or threads for a moment."""
    started = opened()
    producers.refusals = 3
    producers.made[0]()
    await made(producers, 2)
    assert 0 == producers.refusals
    await started.close(timeout_s=1)


async def test_closed_pool_replaces_nothing(producers: Producers) -> None:
    """Also where a replacement was still to be made."""
    started = opened()
    producers.refusals = 1
    producers.made[0]()
    await started.close(timeout_s=1)
    await asyncio.sleep(0.05)  # longer than the pause before the next try: nothing must come of it
    assert 1 == len(producers.made)
