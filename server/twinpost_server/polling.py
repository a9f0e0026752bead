"""Asking again and again, where nobody tells."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

__all__ = ["until"]

_INTERVAL_S: Final = 0.02


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return once `condition` holds, asked every 20 ms; the caller sets the deadline."""
    while True:
        if await condition():
            return
        await asyncio.sleep(_INTERVAL_S)
