"""A client for threads: one call for each request."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from typing import Self

import grpc

from twinpost.client.codec import NOTHING, PRODUCE, Outcome, decode_response, encode_request
from twinpost.client.connection import CALL_S_MAX, TIMEOUT_S, Tls, channel, credentials
from twinpost.client.deadline import deadline_after
from twinpost.client.errors import Delivered, RecordError
from twinpost.client.record import Record, RecordMetadata
from twinpost.client.retry import RETRY, RetryPolicy, Tries
from twinpost.client.status import call_error, channel_closed, no_time_left

__all__ = ["Client"]


class Client:
    """Produces records, each call answered before the next thing is done. Safe for threads; use it as a context.

    A call that is refused as a whole, nothing being written, is tried again where that may help, until its time is
    over. What may be in the log is never sent again.
    """

    def __init__(
        self,
        target: str | grpc.Channel,
        *,
        user: str | None = None,
        password: str | None = None,
        tls: Tls | None = None,
        retry: RetryPolicy | None = RETRY,
    ) -> None:
        """Call the gateway at `target`; the first call opens the connection.

        Args:
            target: `host:port`, or a channel, which stays the caller's to close.
            user: who calls, where the gateway asks for that.
            password: that user's.
            tls: TLS, where `target` is an address.
            retry: when to try again; `None` tries once.
        """
        self._metadata = credentials(user, password)
        opened = channel(target, tls) if isinstance(target, str) else target
        self._own_channel = opened if isinstance(target, str) else None
        self._produce: grpc.UnaryUnaryMultiCallable[bytes, bytes] = opened.unary_unary(PRODUCE)
        self._retry = retry
        self._greeted = False

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection; calls under way fail."""
        if self._own_channel is not None:
            self._own_channel.close()

    def produce(self, record: Record, *, timeout_s: float = TIMEOUT_S) -> RecordMetadata:
        """Write `record` and return where it is stored.

        Raises:
            RecordError: it was not acknowledged within `timeout_s`; what is known of it is told.
            TypeError: a part of the record is of the wrong type.
            ValueError: a number does not fit, or text has a lone surrogate.
        """
        [outcome] = self.produce_many((record,), timeout_s=timeout_s)
        if isinstance(outcome, RecordError):
            raise outcome
        return outcome

    def produce_many(self, records: Iterable[Record], *, timeout_s: float = TIMEOUT_S) -> list[Outcome]:
        """Write `records` in one request, and return what became of each, in their order, after at most `timeout_s`.

        Records for the same partition are stored in this order. If one of them breaks a rule, none is written, and all
        get the same error, whose `violations` say where.

        Raises:
            TypeError: a part of a record is of the wrong type.
            ValueError: a number does not fit, or text has a lone surrogate.
        """
        data, count = encode_request(records)
        deadline = deadline_after(timeout_s, time.monotonic())
        tries = Tries(self._retry, deadline, random.random)
        while True:
            try:
                return decode_response(self._answer(data, deadline), count)
            except RecordError as error:
                delay_s = tries.next_after_s(error, time.monotonic())
                if delay_s is None:
                    return [error] * count
            time.sleep(delay_s)

    def _answer(self, data: bytes, deadline: float) -> bytes:
        if not self._greeted:
            # An empty request writes nothing. Once it is answered, a failure to connect is no longer among what may go
            # wrong with the records themselves.
            try:
                self._call(NOTHING, deadline)
            except RecordError as error:
                raise error.of_unsent() from error.__cause__
            self._greeted = True
        try:
            return self._call(data, deadline)
        except RecordError as error:
            # What the gateway refuses it has answered; else the connection may be gone.
            self._greeted = error.delivered is Delivered.NO
            raise

    def _call(self, data: bytes, deadline: float) -> bytes:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise no_time_left()
        try:
            return self._produce(data, timeout=min(left_s, CALL_S_MAX), metadata=self._metadata)
        except grpc.RpcError as failed:
            raise call_error(failed) from failed
        except ValueError:
            raise channel_closed() from None
