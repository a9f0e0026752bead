"""The order of a stream between two producers."""

from __future__ import annotations

import asyncio

import pytest

from twinpost_server.core.errors import Delivered, Reason, RequestFailed
from twinpost_server.kafka.stream_order import StreamOrder


def within(seconds: float) -> float:
    """Return the deadline so many seconds from now."""
    return asyncio.get_running_loop().time() + seconds


ONE, TWO = frozenset({"one"}), frozenset({"two"})


async def test_way_is_open_once_the_topic_is_settled_on_the_other() -> None:
    """Not before the last delivery has its reports, and whatever other topics do."""
    order = StreamOrder()
    order.handed_over(ONE, alone=False)
    order.handed_over(ONE, alone=False)
    order.handed_over(TWO, alone=False)
    for opens in (False, True):
        assert not order.is_open(ONE, alone=True)
        progress = asyncio.create_task(order.progress(deadline=within(10)))
        await asyncio.sleep(0)
        assert not progress.done()
        order.settled(ONE, alone=False)
        await progress
        assert opens is order.is_open(ONE, alone=True)
    assert [True, False, False] == [order.is_open(topics, alone=True) for topics in (ONE, TWO, ONE | TWO)]
    assert order.is_open(ONE | TWO, alone=False)


async def test_both_ways_are_counted() -> None:
    """After a try alone a topic may have records on either way, and then none is open."""
    order = StreamOrder()
    order.handed_over(ONE, alone=False)
    order.handed_over(ONE, alone=True)
    assert [False, False] == [order.is_open(ONE, alone=alone) for alone in (False, True)]
    order.settled(ONE, alone=True)
    assert [True, False] == [order.is_open(ONE, alone=alone) for alone in (False, True)]


async def test_wait_ends_at_the_deadline() -> None:
    """The step is refused, for certain, and may come again."""
    with pytest.raises(RequestFailed) as refusal:
        await StreamOrder().progress(deadline=within(0))
    failure = refusal.value.failure
    assert (Reason.DEADLINE_EXCEEDED, Delivered.NO, True) == (failure.reason, failure.delivered, failure.retriable)
