"""The life of a worker."""

from __future__ import annotations

import asyncio
from itertools import product

import pytest

from twinpost_server.lifecycle import Lifecycle, Phase


def life_at(phase: Phase) -> Lifecycle:
    """Return a life that has come to `phase`."""
    lifecycle = Lifecycle()
    for earlier in Phase:
        if Phase.STARTING < earlier <= phase:
            lifecycle.enter(earlier)
    return lifecycle


def test_life_begins_with_starting() -> None:
    """A worker serves nobody before it says so."""
    assert Phase.STARTING is Lifecycle().phase


@pytest.mark.parametrize(("present", "following"), [pair for pair in product(Phase, Phase) if pair[0] < pair[1]])
def test_life_goes_forward(present: Phase, following: Phase) -> None:
    """Any later phase may be entered; a worker that never served may stop."""
    lifecycle = life_at(present)
    lifecycle.enter(following)
    assert following is lifecycle.phase


@pytest.mark.parametrize(("present", "following"), [pair for pair in product(Phase, Phase) if pair[0] >= pair[1]])
def test_life_never_goes_back(present: Phase, following: Phase) -> None:
    """A stopped worker does not serve again, and no phase is entered twice."""
    lifecycle = life_at(present)
    with pytest.raises(ValueError, match=f"{present.name} cannot become {following.name}"):
        lifecycle.enter(following)
    assert present is lifecycle.phase


async def test_drain_wakes_everyone_who_waits() -> None:
    """However many wait, one request to drain reaches all, and asking twice does no harm."""
    lifecycle = Lifecycle()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waiting = [group.create_task(lifecycle.drain_asked()) for _ in range(3)]
        await asyncio.sleep(0)
        assert [False] * 3 == [task.done() for task in waiting]
        lifecycle.ask_drain()
        lifecycle.ask_drain()


async def test_end_of_streams_is_no_drain() -> None:
    """A worker goes on with its other requests."""
    lifecycle = Lifecycle()
    draining = asyncio.create_task(lifecycle.drain_asked())
    lifecycle.ask_streams_end()
    async with asyncio.timeout(5):
        await lifecycle.streams_end_asked()
    assert not draining.done()
    draining.cancel()


async def test_drain_asked_for_beforehand_is_not_lost() -> None:
    """A signal may come while the worker still starts."""
    lifecycle = Lifecycle()
    lifecycle.ask_drain()
    async with asyncio.timeout(5):
        await lifecycle.drain_asked()
