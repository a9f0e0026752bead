"""`twinpost.v1.ProducerService`: the native gRPC face of the produce use-cases."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import cast

from twinpost_server.app.produce import Produce
from twinpost_server.app.produce_stream import ProduceStream
from twinpost_server.core.errors import Failure, RequestFailed
from twinpost_server.core.limits import Limits
from twinpost_server.core.outcomes import summary
from twinpost_server.rpc.call import Call
from twinpost_server.rpc.codec import check_size, decode_request, encode_response
from twinpost_server.rpc.deadline import budget_s
from twinpost_server.rpc.guard import CallGuard
from twinpost_server.rpc.rich_error import abort
from twinpost_server.rpc.step_pipeline import StepPipeline

__all__ = ["ProducerService"]


class ProducerService:
    """Decodes, asks the use-case, encodes. Runs on the worker's loop."""

    def __init__(
        self,
        produce: Produce,
        open_stream: Callable[[], ProduceStream],
        guard: CallGuard,
        limits: Limits,
        *,
        request_timeout_s: float,
        stream_age_max_s: float,
    ) -> None:
        """Serve `produce`, and streams of `open_stream`, to whom `guard` admits.

        `request_timeout_s` is the most that a call, or a step of a stream, may take. A stream older than about
        `stream_age_max_s` is ended, for its caller to connect anew.
        """
        self._produce = produce
        self._open_stream = open_stream
        self._guard = guard
        self._limits = limits
        self._request_timeout_s = request_timeout_s
        self._stream_age_max_s = stream_age_max_s
        self._pipelines: set[StepPipeline] = set()
        self._draining = False

    async def produce(self, data: bytes, context: Call) -> bytes:
        """Answer `Produce`: a serialized ProduceRequest in, a serialized ProduceResponse out."""
        deadline = asyncio.get_running_loop().time() + budget_s(context.time_remaining(), self._request_timeout_s)
        try:
            metadata = dict(context.invocation_metadata() or ())
            principal = await self._guard.admit(metadata, len(data), deadline=deadline)
            check_size(data, self._limits)
            outcomes = await self._produce(principal, decode_request(data, self._limits), deadline=deadline)
            if outcomes and all(outcome.__class__ is Failure for outcome in outcomes):
                # Nothing was written: the call as a whole has failed.
                failure = cast("Failure", summary(outcomes))
                raise RequestFailed(failure, outcomes)  # noqa: TRY301 - the same way out as every other failure
        except RequestFailed as failed:
            await abort(context, failed.failure)
        return encode_response(outcomes)

    async def produce_stream(self, requests: AsyncIterator[bytes], context: Call) -> AsyncIterator[bytes]:
        """Answer `ProduceStream`: serialized ProduceStreamRequests in, serialized ProduceStreamResponses out."""
        metadata = dict(context.invocation_metadata() or ())
        pipeline = StepPipeline(self._open_stream(), self._guard, metadata, self._limits, self._request_timeout_s)
        self._pipelines.add(pipeline)
        # Spread, so that streams that were opened together are not opened again together.
        age_s = self._stream_age_max_s * random.uniform(0.9, 1.1)  # noqa: S311 - nothing to guess
        retirement = asyncio.get_running_loop().call_later(age_s, pipeline.retire)
        try:
            deadline = asyncio.get_running_loop().time() + self._request_timeout_s
            await self._guard.authenticated(metadata, deadline=deadline)
            # Envoy limits how long a request may take to arrive, up to the first byte of its answer. A stream that is
            # opened and then stays quiet must have answered something by then.
            await context.send_initial_metadata(())
            if self._draining:
                pipeline.drain()
            async for answer in pipeline.answers(requests):
                yield answer
        except RequestFailed as failed:
            await abort(context, failed.failure)
        finally:
            retirement.cancel()
            self._pipelines.discard(pipeline)

    def drain(self) -> None:
        """End every stream once what it has sent is answered; the callers connect again, elsewhere."""
        self._draining = True
        for pipeline in self._pipelines:
            pipeline.drain()
