"""`twinpost.v1.ProducerService`: the native gRPC face of the produce use-case."""

from __future__ import annotations

import asyncio
from typing import cast

from twinpost_server.app.produce import Produce
from twinpost_server.core.errors import Failure, RequestFailed
from twinpost_server.core.outcomes import summary
from twinpost_server.rpc.call import Call
from twinpost_server.rpc.codec import decode_request, encode_response
from twinpost_server.rpc.deadline import budget_s
from twinpost_server.rpc.guard import CallGuard
from twinpost_server.rpc.rich_error import abort

__all__ = ["ProducerService"]


class ProducerService:
    """Decodes, asks the use-case, encodes. Runs on the worker's loop."""

    def __init__(self, produce: Produce, guard: CallGuard, *, request_timeout_s: float) -> None:
        """Serve `produce` to whom `guard` admits, each call within `request_timeout_s`."""
        self._produce = produce
        self._guard = guard
        self._request_timeout_s = request_timeout_s

    async def produce(self, data: bytes, context: Call) -> bytes:
        """Answer `Produce`: a serialized ProduceRequest in, a serialized ProduceResponse out."""
        deadline = asyncio.get_running_loop().time() + budget_s(context.time_remaining(), self._request_timeout_s)
        try:
            principal = await self._guard.admit(dict(context.invocation_metadata() or ()), len(data))
            outcomes = await self._produce(principal, decode_request(data), deadline=deadline)
            if outcomes and all(outcome.__class__ is Failure for outcome in outcomes):
                # Nothing was written: the call as a whole has failed.
                raise RequestFailed(  # noqa: TRY301 - the same way out as every other failure
                    cast("Failure", summary(outcomes)), outcomes
                )
        except RequestFailed as failed:
            await abort(context, failed.failure)
        return encode_response(outcomes)
