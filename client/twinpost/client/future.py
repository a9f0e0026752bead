"""The future of a published record, for threads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from twinpost.client.codec import Outcome
from twinpost.client.errors import RecordError
from twinpost.client.record import RecordMetadata

__all__ = ["RecordFuture", "settle"]

_LOG: Final = logging.getLogger(__name__)

Callback = Callable[["RecordFuture"], object]


class RecordFuture:
    """What becomes of a record; its methods are those of `concurrent.futures.Future`, safe for threads.

    That class itself would cost several times as much as everything else that is done for a record, and 1.7 kB. A
    record cannot be called back, so there is no `cancel`.
    """

    __slots__ = ("_callbacks", "_outcome", "_told")

    def __init__(self, told: threading.Condition) -> None:
        """Begin without an outcome; `told` is notified when there is one, for this or for another future."""
        self._told = told
        self._outcome: Outcome | None = None
        self._callbacks: list[Callback] | None = None

    def done(self) -> bool:
        """Return whether the record is settled."""
        return self._outcome is not None

    def result(self, timeout_s: float | None = None) -> RecordMetadata:
        """Return where the record is stored, waiting at most `timeout_s` for it.

        Raises:
            RecordError: it was not acknowledged.
            TimeoutError: it is not settled yet.
        """
        outcome = self._settled(timeout_s)
        if isinstance(outcome, RecordError):
            # Records that failed together share an error, whose traceback would grow with each that is asked for.
            raise outcome.with_traceback(None)
        return outcome

    def exception(self, timeout_s: float | None = None) -> RecordError | None:
        """Return why the record was not acknowledged, or `None` where it was, waiting at most `timeout_s`.

        Raises:
            TimeoutError: it is not settled yet.
        """
        outcome = self._settled(timeout_s)
        return outcome if isinstance(outcome, RecordError) else None

    def add_done_callback(self, callback: Callback) -> None:
        """Call `callback` with this future once the record is settled; at once where it is.

        It is called on a thread of the publisher's, which does nothing else meanwhile, or on that of `close`: it must
        not wait for anything.
        What it raises is logged, `SystemExit` included; that is the caller's where it is called at once.
        """
        with self._told:
            if self._outcome is None:
                self._callbacks = [*(self._callbacks or ()), callback]
                return
        _call(callback, self, (Exception,))

    def _settled(self, timeout_s: float | None) -> Outcome:
        outcome = self._outcome
        if outcome is None:
            with self._told:
                self._told.wait_for(self.done, None if timeout_s is None else min(timeout_s, threading.TIMEOUT_MAX))
            outcome = self._outcome
            if outcome is None:
                msg = f"the record is not settled after {timeout_s:g} s"
                raise TimeoutError(msg)
        return outcome


def settle(settled: list[tuple[RecordFuture, Outcome]], told: threading.Condition) -> None:
    """Tell each future its outcome, then wake who waits, then call back."""
    with_callbacks = []
    with told:
        for future, outcome in settled:
            future._outcome = outcome  # noqa: SLF001 - the two belong together
            if future._callbacks:  # noqa: SLF001
                with_callbacks.append(future)
        told.notify_all()
    for future in with_callbacks:
        for callback in future._callbacks or ():  # noqa: SLF001
            # Even `SystemExit`: the publisher's thread must go on, and call the other callbacks.
            _call(callback, future, (Exception, SystemExit))
        future._callbacks = None  # noqa: SLF001


def _call(
    callback: Callback, future: RecordFuture, caught: type[BaseException] | tuple[type[BaseException], ...]
) -> None:
    try:
        callback(future)
    except caught:
        _LOG.exception("a callback of a published record failed")
