"""A call as its handler sees it: bytes in, bytes out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from grpc.aio import ServicerContext

__all__ = ["Call", "Handler", "StreamHandler"]

Call = ServicerContext[bytes, bytes]
"""grpc's context of one call whose messages grpc neither decodes nor encodes."""

Handler = Callable[[bytes, Call], Awaitable[bytes]]
"""Answers a unary call; runs on the server's loop, a task per call."""

StreamHandler = Callable[[AsyncIterator[bytes], Call], AsyncIterator[bytes]]
"""Answers a stream of requests by a stream of answers; runs on the server's loop, a task per call."""
