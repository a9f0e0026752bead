"""What an admin client answers, awaited on the loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["admin_answer"]

Answer = TypeVar("Answer")


async def admin_answer(future: Future[Answer]) -> Answer:
    """Return the result of `future`, which a thread of the client's sets; whoever waits may be cancelled.

    Raises:
        KafkaException: what the client raises.
    """
    answer = asyncio.wrap_future(future)
    # A failure that comes after the cancellation is nobody's any more; asyncio would log it as never retrieved.
    answer.add_done_callback(lambda done: done.cancelled() or done.exception())
    # Shielded, since the client's thread would stumble over a future that was cancelled under it.
    return await asyncio.shield(answer)
