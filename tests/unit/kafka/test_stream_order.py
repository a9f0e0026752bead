"""The order of a stream between two producers."""

from __future__ import annotations

import asyncio

import pytest

from twinpost_server.core.errors import Delivered, Reason, RequestFailed
from twinpost_server.kafka.stream_order import StreamOrder


def within(seconds: float) -> float:
    """Return the deadline so many seconds from now."""
    return asyncio.get_running_loop().time() + seconds


async def test_way_changes_once_everything_is_settled() -> None:
    """Not before the last delivery has its reports."""
    order = StreamOrder()
    order.handed_over()
    order.handed_over()
    change = asyncio.create_task(order.change(alone=True, deadline=within(10)))
    order.settled()
    await asyncio.sleep(0)
    assert (False, False) == (change.done(), order.alone)
    order.settled()
    await change
    assert order.alone


async def test_way_stays_where_something_is_open_at_the_deadline() -> None:
    """The step is refused, for certain, and may come again."""
    order = StreamOrder()
    order.handed_over()
    with pytest.raises(RequestFailed) as refusal:
        await order.change(alone=True, deadline=within(0))
    failure = refusal.value.failure
    assert (Reason.DEADLINE_EXCEEDED, Delivered.NO, True) == (failure.reason, failure.delivered, failure.retriable)
    assert not order.alone
