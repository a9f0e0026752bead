"""Load: callers on both protocols that write keyed, numbered records at a bounded rate."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.brokers.waiting import wait_for
from tests.faults.callers import Caller, NativeCaller, RestCaller
from tests.faults.journal import Attempt, Journal, SentRecord
from tests.gateway.process import Gateway

__all__ = ["Load", "LoadShape"]

_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class LoadShape:
    """How much load.

    Attributes:
        callers: of each protocol.
        interval_s: between the beginnings of two requests of a caller, unless the answer takes longer.
        records: in each request.
        value_bytes: of each record, about.
        timeout_s: each request's deadline; above the gateway's own, so that it is the gateway's answer that comes.
    """

    callers: int = 8
    interval_s: float = 0.08
    records: int = 3
    value_bytes: int = 100
    timeout_s: float = 15.0


class Load:
    """Callers at work on one topic, each on a thread of its own and with a key of its own.

    Attributes:
        journal: what they sent and were told.
        callers: their names.
        steady_at: since when every caller is served: credentials are known and connections stand.
    """

    def __init__(self, gateway: Gateway, topic: str, journal: Journal, shape: LoadShape) -> None:
        """Prepare; `running` starts it."""
        self.journal = journal
        self._topic = topic
        self._shape = shape
        self.steady_at = 0.0
        self._ended = threading.Event()
        numbers = range(shape.callers)
        # The name says which load it is, so that several may write to one topic, one after the other.
        stamp = f"{time.monotonic_ns():x}"
        callers: list[Caller] = [RestCaller(f"rest-{number}-{stamp}", gateway.port) for number in numbers]
        callers += [NativeCaller(f"grpc-{number}-{stamp}", gateway.address) for number in numbers]
        self.callers = [caller.name for caller in callers]
        self._threads = [
            threading.Thread(target=self._call, args=(caller, number / len(callers)), name=caller.name)
            for number, caller in enumerate(callers)
        ]

    @classmethod
    @contextmanager
    def running(cls, gateway: Gateway, topic: str, journal: Journal, shape: LoadShape) -> Iterator[Load]:
        """Run load until the end of the block; every request has its answer then."""
        load = cls(gateway, topic, journal, shape)
        for thread in load._threads:
            thread.start()
        try:
            load.wait_until_served()
            load.steady_at = time.monotonic()
            yield load
        finally:
            load._ended.set()
            for thread in load._threads:
                thread.join()

    def attempts(self) -> list[Attempt]:
        """Return the attempts of this load's callers."""
        names = set(self.callers)
        return [attempt for attempt in self.journal.attempts() if attempt.caller in names]

    def steady_attempts(self) -> list[Attempt]:
        """Return the attempts that ended after `steady_at`."""
        return [attempt for attempt in self.attempts() if attempt.ended_at >= self.steady_at]

    def wait_until_served(self, times: int = 3, *, timeout_s: float = _WAIT_S) -> None:
        """Return once every caller has been acknowledged `times` times in a row, with requests that begin from now on.

        Raises:
            TimeoutError: it took longer than `timeout_s`.
        """
        self.wait_until_each(lambda attempt: attempt.acknowledged, times, "acknowledged", timeout_s=timeout_s)

    def wait_until_each(
        self, holds: Callable[[Attempt], bool], times: int, what: str, *, timeout_s: float = _WAIT_S
    ) -> None:
        """Return once `holds` is true of `times` attempts in a row of every caller, which begin from now on.

        Raises:
            TimeoutError: it took longer than `timeout_s`; the message has the last attempts.
        """
        moment = time.monotonic()

        def each_in_a_row() -> bool:
            counts = dict.fromkeys(self.callers, 0)
            for attempt in self.journal.since(moment):
                # A count that is reached stays.
                if attempt.caller in counts and counts[attempt.caller] < times:
                    counts[attempt.caller] = counts[attempt.caller] + 1 if holds(attempt) else 0
            return min(counts.values()) >= times

        def told() -> str:
            last = "\n".join(f"{item.caller} {item.status} {item.outcomes}" for item in self.journal.attempts()[-10:])
            return f"every caller {what} {times} times in a row; the last attempts:\n{last}"

        wait_for(each_in_a_row, told, timeout_s=timeout_s)

    def wait_until_any(self, holds: Callable[[Attempt], bool], what: str, *, timeout_s: float = _WAIT_S) -> None:
        """Return once `holds` is true of an attempt, however long ago.

        Raises:
            TimeoutError: it took longer than `timeout_s`.
        """
        wait_for(lambda: any(map(holds, self.attempts())), what, timeout_s=timeout_s)

    def _call(self, caller: Caller, offset: float) -> None:
        shape = self._shape
        begin_at = time.monotonic() + offset * shape.interval_s
        sequence = 0
        while not self._ended.wait(max(0.0, begin_at - time.monotonic())):
            records = [self._record(caller.name, number) for number in range(sequence, sequence + shape.records)]
            sequence += shape.records
            self.journal.add(caller.send(self._topic, records, timeout_s=shape.timeout_s))
            begin_at = max(begin_at + shape.interval_s, time.monotonic())
        caller.close()

    def _record(self, name: str, sequence: int) -> SentRecord:
        value = f"{name}/{sequence}/".encode().ljust(self._shape.value_bytes, b".")
        headers: Sequence[tuple[str, bytes | None]] = (("sequence", str(sequence).encode()), ("sequence", b""))
        if name.startswith("grpc"):
            # What only gRPC can say: bytes that are no text, and a null.
            value += b"\xff\x00"
            headers = (*headers, ("none", None))
        return SentRecord(self._topic, name.encode(), value, tuple(headers))
