"""A call as its handler sees it: bytes in, bytes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from grpc.aio import ServicerContext

__all__ = ["Call", "Handler"]

Call = ServicerContext[bytes, bytes]
"""grpc's context of one call whose messages grpc neither decodes nor encodes."""

Handler = Callable[[bytes, Call], Awaitable[bytes]]
"""Answers a unary call; runs on the server's loop, a task per call."""
