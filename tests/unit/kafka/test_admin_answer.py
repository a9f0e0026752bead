"""Awaiting an admin client."""

from __future__ import annotations

import asyncio
import gc
from concurrent.futures import Future
from typing import Any

import pytest

from twinpost_server.kafka.admin_answer import admin_answer


async def test_what_the_client_answers_is_returned() -> None:
    """Once it is there."""
    future: Future[str] = Future()
    waiting = asyncio.create_task(admin_answer(future))
    future.set_result("three partitions")
    assert "three partitions" == await waiting


async def test_what_the_client_raises_is_raised() -> None:
    """For whoever waits."""
    future: Future[str] = Future()
    future.set_exception(ConnectionError("destroyed"))
    with pytest.raises(ConnectionError):
        await admin_answer(future)


async def test_a_failure_after_the_cancellation_disturbs_nobody() -> None:
    """The client's future lives on, and that it fails when the client is closed is not news."""
    told: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: told.append(context))
    future: Future[str] = Future()
    waiting = asyncio.create_task(admin_answer(future))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not future.cancelled()
    future.set_exception(ConnectionError("destroyed"))
    for _ in range(3):
        await asyncio.sleep(0)
    del future, waiting
    gc.collect()
    assert [] == told
