"""`twinpost.v1.ProducerRestService`: the REST face of the produce use-case, behind Envoy's transcoder."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Final

from google.api import httpbody_pb2
from google.protobuf.message import DecodeError

from twinpost.v1 import producer_rest_service_pb2
from twinpost_server.app.produce import Produce
from twinpost_server.core.errors import Failure, Reason, RequestFailed
from twinpost_server.core.outcomes import summary
from twinpost_server.core.records import Record
from twinpost_server.rpc.call import Call
from twinpost_server.rpc.deadline import REQUEST_TIMEOUT_HEADER, budget_s, parse_timeout_s
from twinpost_server.rpc.guard import CallGuard
from twinpost_server.rpc.rest_body import inflated
from twinpost_server.rpc.rest_json import RestDecoder, encode_failure, encode_outcome, encode_outcomes
from twinpost_server.rpc.rest_target import parse_target
from twinpost_server.rpc.status import STATUSES

__all__ = ["ProducerRestService"]

_JSON: Final = "application/json"
_INFLATE_INLINE_BYTES_MAX: Final = 16 * 1024
"""Compressed bodies up to this size are inflated on the loop: cheaper than the way to a thread and back. At zlib's
highest ratio (1:1032) that is 16 MiB, a few milliseconds."""


class ProducerRestService:
    """Reads the target and the body, asks the use-case, answers in JSON. Runs on the worker's loop."""

    def __init__(
        self,
        produce: Produce,
        guard: CallGuard,
        decoder: RestDecoder,
        *,
        request_timeout_s: float,
        body_bytes_max: int,
    ) -> None:
        """Serve `produce` to whom `guard` admits, each request within `request_timeout_s`."""
        self._produce = produce
        self._guard = guard
        self._decoder = decoder
        self._request_timeout_s = request_timeout_s
        self._body_bytes_max = body_bytes_max

    async def produce(self, data: bytes, context: Call) -> bytes:
        """Answer `Produce`: a serialized RestProduceRequest in, a serialized HttpBody out."""
        try:
            answer = await self._answer(data, dict(context.invocation_metadata() or ()))
        except RequestFailed as failed:
            return await self.fail(failed, context)
        return _http_body(answer)

    async def fail(self, failed: RequestFailed, context: Call) -> bytes:
        """Answer a request that failed: the JSON error, with the status in the initial metadata."""
        await context.send_initial_metadata(_headers(failed.failure))
        return _http_body(encode_failure(failed.failure, failed.outcomes))

    async def _answer(self, data: bytes, metadata: Mapping[str, str | bytes]) -> bytes:
        loop = asyncio.get_running_loop()
        arrived_at = loop.time()
        principal = await self._guard.admit(metadata, len(data))
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
            encoding = metadata.get("content-encoding")
            if encoding is not None:
                body = await self._inflated(body, str(encoding))
            records = self._decoder.decode(body, target.topic)
        else:
            records = [Record(target.message, str(target.topic), target.key)]
        outcomes = await self._produce(principal, records, deadline=deadline)
        failure = summary(outcomes)
        if failure is not None:
            raise RequestFailed(failure, outcomes)
        return encode_outcomes(outcomes) if target.message is None else encode_outcome(outcomes[0])

    async def _inflated(self, body: bytes, encoding: str) -> bytes:
        if len(body) <= _INFLATE_INLINE_BYTES_MAX:
            return inflated(body, encoding, bytes_max=self._body_bytes_max)
        return await asyncio.to_thread(inflated, body, encoding, bytes_max=self._body_bytes_max)


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
