"""The last catch of a call: a fault of ours is logged whole and answered as INTERNAL, without its text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from grpc.aio import AbortError

from twinpost_server.core.errors import Delivered, Failure, Reason, RequestFailed
from twinpost_server.rpc.call import Call, Handler

__all__ = ["recovered"]


_log = structlog.get_logger(__name__)
_FAULT = Failure(
    reason=Reason.INTERNAL,
    message="a fault inside the gateway: report it with the x-request-id of this answer; the record may be in the log",
    delivered=Delivered.UNKNOWN,
)


def recovered(handler: Handler, answer: Callable[[RequestFailed, Call], Awaitable[bytes]]) -> Handler:
    """Return `handler` with a last catch that lets `answer` tell the caller of a fault of ours.

    Cancellation and aborts pass through: the one is the caller's will, the other an answer already given.
    """

    async def handle(data: bytes, context: Call) -> bytes:
        try:
            return await handler(data, context)
        except AbortError:
            raise
        except Exception:  # noqa: BLE001 - the one place that may: it logs all and tells nothing
            _log.exception("call failed", request_id=dict(context.invocation_metadata() or ()).get("x-request-id"))
            return await answer(RequestFailed(_FAULT), context)

    return handle
