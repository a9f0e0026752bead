"""`twinpost.v1.ProducerRestService`: the REST face of the produce use-case, behind Envoy's transcoder."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeVar

from google.api import httpbody_pb2
from google.protobuf.message import DecodeError

from twinpost.v1 import producer_rest_service_pb2
from twinpost_server.app.produce import Produce
from twinpost_server.core.errors import Failure, Reason, RequestFailed
from twinpost_server.core.limits import Limits
from twinpost_server.core.outcomes import summary
from twinpost_server.core.records import Record
from twinpost_server.rpc.call import Call
from twinpost_server.rpc.deadline import REQUEST_TIMEOUT_HEADER, budget_s, parse_timeout_s
from twinpost_server.rpc.guard import CallGuard
from twinpost_server.rpc.rest_body import inflated, is_gzip, told_bytes
from twinpost_server.rpc.rest_json import Decoded, RestDecoder, encode_failure, encode_outcome, encode_outcomes
from twinpost_server.rpc.rest_target import parse_target
from twinpost_server.rpc.rest_violations import without_index
from twinpost_server.rpc.status import STATUSES

__all__ = ["ProducerRestService"]

_JSON: Final = "application/json"
_INLINE_BYTES_MAX: Final = 4 * 1024
"""Bodies up to this size are inflated, or explained, on the loop: cheaper than the way to a thread and back. At zlib's
highest ratio (1:1032) that is 4 MiB, a few milliseconds."""

_WAITING_BODIES_MAX: Final = 4
"""How many bodies of `limits.body_bytes_max` may wait for their turn to be inflated or explained, or as many bytes of
smaller ones: with the default limits more could not be explained before their deadline anyway."""

Result = TypeVar("Result")


class ProducerRestService:
    """Reads the target and the body, asks the use-case, answers in JSON. Runs on the worker's loop."""

    def __init__(
        self, produce: Produce, guard: CallGuard, decoder: RestDecoder, limits: Limits, *, request_timeout_s: float
    ) -> None:
        """Serve `produce` to whom `guard` admits, each request within `request_timeout_s`."""
        self._produce = produce
        self._guard = guard
        self._decoder = decoder
        self._limits = limits
        self._request_timeout_s = request_timeout_s
        # One at a time each. One thread inflates more than the loop can take; to explain is Python's work, and several
        # threads of it would take the loop's time.
        self._inflating = asyncio.Semaphore(1)
        self._explaining = asyncio.Semaphore(1)
        self._waiting_bytes = 0

    async def produce(self, data: bytes, context: Call) -> bytes:
        """Answer `Produce`: a serialized RestProduceRequest in, a serialized HttpBody out."""
        try:
            answer = await self._answer(data, dict(context.invocation_metadata() or ()))
        except RequestFailed as failed:
            return await self.fail(failed, context)
        return _http_body(answer)

    async def fail(self, failed: RequestFailed, context: Call) -> bytes:
        """Answer a request that failed: the JSON error, with the status in the initial metadata."""
        # In this order: once metadata is sent, a fault in encoding could not be answered any more.
        answer = _http_body(encode_failure(failed.failure, failed.outcomes))
        await context.send_initial_metadata(_headers(failed.failure))
        return answer

    async def _answer(self, data: bytes, metadata: Mapping[str, str | bytes]) -> bytes:
        arrived_at = asyncio.get_running_loop().time()
        principal = await self._guard.admit(metadata, len(data), deadline=arrived_at + self._request_timeout_s)
        asked = metadata.get(REQUEST_TIMEOUT_HEADER)
        deadline = arrived_at + budget_s(
            None if asked is None else parse_timeout_s(str(asked)), self._request_timeout_s
        )
        body = _body(data)
        target = parse_target(
            str(metadata.get("x-envoy-original-method", "")),
            str(metadata.get("x-envoy-original-path", "")),
            has_body=bool(body),
        )
        if target.message is None:
            records, single = await self._decoded(body, metadata.get("content-encoding"), target.topic, deadline)
            root = "body"
        else:
            records, single = [Record(target.message, str(target.topic), target.key)], True
            root = "path"
        try:
            outcomes = await self._produce(principal, records, deadline=deadline)
        except RequestFailed as failed:
            raise RequestFailed(without_index(failed.failure, root) if single else failed.failure) from None
        failure = summary(outcomes)
        if failure is not None:
            raise RequestFailed(failure, outcomes)
        return encode_outcomes(outcomes) if target.message is None else encode_outcome(outcomes[0])

    async def _decoded(self, body: bytes, encoding: str | bytes | None, topic: str | None, deadline: float) -> Decoded:
        if encoding is not None and is_gzip(str(encoding)):
            bytes_max = self._limits.body_bytes_max
            inflate = partial(inflated, body, bytes_max=bytes_max)
            held_bytes = max(len(body), min(told_bytes(body), bytes_max))
            body = await self._in_turn(self._inflating, inflate, len(body), held_bytes, deadline)
        decoded = self._decoder.decode(body, topic)
        if decoded is None:
            explain = partial(self._decoder.explain, body, topic)
            failure = await self._in_turn(self._explaining, explain, len(body), len(body), deadline)
            if failure is not None:
                raise RequestFailed(failure)
            decoded = self._decoder.decode(body, topic, names_checked=True)
        if decoded is None:
            raise RequestFailed(_UNREADABLE)
        return decoded

    async def _in_turn(
        self, turns: asyncio.Semaphore, work: Callable[[], Result], size_bytes: int, held_bytes: int, deadline: float
    ) -> Result:
        """Return what `work` makes of a body of `size_bytes`: on a thread, unless the way there would cost more.

        Raises:
            RequestFailed: OVERLOADED: there is no room for `held_bytes` more to wait; DEADLINE_EXCEEDED; what `work`
                raises.
        """
        if size_bytes <= _INLINE_BYTES_MAX:
            return work()
        waiting_bytes_max = _WAITING_BODIES_MAX * self._limits.body_bytes_max
        if self._waiting_bytes + held_bytes > waiting_bytes_max:
            raise RequestFailed(_too_many_waiting(waiting_bytes_max))
        self._waiting_bytes += held_bytes
        try:
            async with asyncio.timeout_at(deadline):
                # Who leaves while waiting takes the body along.
                await turns.acquire()
                # Shielded, so that the turn is held for as long as the thread works, and not for as long as the caller
                # waits.
                return await asyncio.shield(asyncio.create_task(_on_thread(turns, work)))
        except TimeoutError:
            raise RequestFailed(_NO_TIME_TO_READ) from None
        finally:
            self._waiting_bytes -= held_bytes


async def _on_thread(turns: asyncio.Semaphore, work: Callable[[], Result]) -> Result:
    """Return what `work` returns, and end the turn it was done in."""
    try:
        return await asyncio.to_thread(work)
    finally:
        turns.release()


_UNREADABLE: Final = Failure(
    reason=Reason.MALFORMED_REQUEST,
    message="the body is not JSON that can be read: check the names it escapes; nothing was written",
)

_NO_TIME_TO_READ: Final = Failure(
    reason=Reason.DEADLINE_EXCEEDED,
    message="the deadline passed while the body was read: send less at once, or allow more time; nothing was written",
)


def _too_many_waiting(bytes_max: int) -> Failure:
    return Failure(
        reason=Reason.OVERLOADED,
        message=(
            f"too many large bodies wait to be read, {bytes_max} bytes at most ({_WAITING_BODIES_MAX} times "
            "limits.body_bytes_max): send it again after the delay; nothing was written"
        ),
    )


def _http_body(answer: bytes) -> bytes:
    return httpbody_pb2.HttpBody(content_type=_JSON, data=answer).SerializeToString()


def _body(data: bytes) -> bytes:
    try:
        return producer_rest_service_pb2.RestProduceRequest.FromString(data).body.data
    except DecodeError:
        # The Content-Type is the one string in there that comes from the caller.
        raise RequestFailed(
            Failure(
                reason=Reason.MALFORMED_REQUEST,
                message="the Content-Type header is not UTF-8: send application/json; nothing was written",
            )
        ) from None


def _headers(failure: Failure) -> tuple[tuple[str, str], ...]:
    """Return the initial metadata of a failed request; Envoy turns `x-http-status` into the status."""
    headers = [("x-http-status", str(STATUSES[failure.reason].http))]
    if failure.reason is Reason.UNAUTHENTICATED:
        headers.append(("www-authenticate", 'Basic realm="twinpost"'))
    if failure.retry_delay_s is not None:
        headers.append(("retry-after", str(max(1, math.ceil(failure.retry_delay_s)))))
    if failure.allow:
        headers.append(("allow", ", ".join(failure.allow)))
    return tuple(headers)
