"""The last catch of a call: a fault of ours is logged whole and answered as INTERNAL, without its text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import structlog
from grpc.aio import AbortError

from twinpost_server.core.errors import Delivered, Failure, Reason, RequestFailed
from twinpost_server.rpc.call import Call, Handler, StreamHandler
from twinpost_server.rpc.rich_error import abort

__all__ = ["recovered", "recovered_stream"]


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


def recovered_stream(handler: StreamHandler) -> StreamHandler:
    """Return `handler`, a stream's, with the same last catch."""

    async def handle(requests: AsyncIterator[bytes], context: Call) -> AsyncIterator[bytes]:
        try:
            async for answer in handler(requests, context):
                yield answer
        except AbortError:
            raise
        except Exception:  # noqa: BLE001 - as above
            _log.exception("stream failed", request_id=dict(context.invocation_metadata() or ()).get("x-request-id"))
            await abort(context, _FAULT)

    return handle
