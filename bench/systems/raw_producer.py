"""The program that `Raw` runs: it reads a `RawOrder` and speaks as the load generator does."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from typing import Any

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from bench.load_program import Outcome
from bench.requests import value

__all__ = ["RawOrder"]

_FLUSH_TIMEOUT_S = 20.0
_POLL_EVERY = 200


class RawOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What to produce, and for how long."""

    bootstrap_servers: str
    topic: str
    value_bytes: int
    one_at_a_time: bool
    warm_up_s: float
    measure_s: float


class _Loop:
    """A producer, and what its reports say."""

    def __init__(self, order: RawOrder) -> None:
        config: dict[str, Any] = {
            "bootstrap.servers": order.bootstrap_servers,
            "acks": "all",
            "enable.idempotence": True,
            # One at a time there is nothing to gather; else gathering is what makes the client fast.
            "linger.ms": 0 if order.one_at_a_time else 5,
        }
        self.producer = Producer(config)
        self.order = order
        self.value = value(order.value_bytes).encode()
        self.delivered = 0
        self.errors: list[str] = []

    def report(self, error: KafkaError | None, _message: Message) -> None:
        """Count one delivery report."""
        if error is None:
            self.delivered += 1
        else:
            self.errors.append(str(error))

    def produce_many(self, until: float) -> None:
        """Produce as fast as the client takes records, until the time `until`."""
        produce, poll, topic, value, report = self.producer.produce, self.producer.poll, *self._arguments()
        while time.perf_counter() < until:
            for _ in range(_POLL_EVERY):
                while True:
                    try:
                        produce(topic, value, on_delivery=report)
                    except BufferError:
                        poll(0.01)
                    else:
                        break
            poll(0)

    def produce_singly(self, until: float) -> Iterator[float]:
        """Produce one record after the other until the time `until`, and yield how long each took, in seconds."""
        topic, value, report = self._arguments()
        while (start := time.perf_counter()) < until:
            expected = self.delivered + len(self.errors) + 1
            self.producer.produce(topic, value, on_delivery=report)
            while self.delivered + len(self.errors) < expected:
                self.producer.poll(1)
            yield time.perf_counter() - start

    def _arguments(self) -> tuple[str, bytes, Any]:
        return self.order.topic, self.value, self.report


def main() -> None:
    """Do what standard input says, and write events and the outcome to standard output."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=RawOrder)
    loop = _Loop(order)
    latencies_s: list[float] = []
    warm_until = time.perf_counter() + order.warm_up_s
    _drive(loop, warm_until, [])
    _tell({"event": "begin"})
    begin, before = time.perf_counter(), loop.delivered
    _drive(loop, begin + order.measure_s, latencies_s)
    seconds, delivered = time.perf_counter() - begin, loop.delivered - before
    _tell({"event": "end"})
    if loop.producer.flush(_FLUSH_TIMEOUT_S):
        loop.errors.append("records without a report")
    outcome = Outcome(
        requests=delivered,
        records=delivered,
        seconds=seconds,
        latency_us=_percentiles_us(latencies_s),
        errors=len(loop.errors),
        error=loop.errors[0] if loop.errors else "",
    )
    _tell({"event": "result"} | msgspec.to_builtins(outcome))


def _drive(loop: _Loop, until: float, latencies_s: list[float]) -> None:
    if loop.order.one_at_a_time:
        latencies_s.extend(loop.produce_singly(until))
    else:
        loop.produce_many(until)


def _tell(event: dict[str, Any]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(event) + b"\n")
    sys.stdout.buffer.flush()


def _percentiles_us(latencies_s: list[float]) -> dict[str, float]:
    if not latencies_s:
        return {}
    ordered = sorted(latencies_s)
    quantiles = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1.0}
    return {
        name: round(ordered[max(0, math.ceil(quantile * len(ordered)) - 1)] * 1e6)
        for name, quantile in quantiles.items()
    }


if __name__ == "__main__":
    main()
