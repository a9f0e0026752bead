"""Raw: the Kafka client that twinpost stands on, in a loop that does nothing else."""

from __future__ import annotations

import sys

import confluent_kafka
import msgspec

from bench.case import Case
from bench.load_program import Load, Timing
from bench.systems.raw_producer import RawOrder

__all__ = ["Raw"]


class Raw:
    """A producer in a process of its own: it is load and system in one.

    A case of one record a request and one caller is one record at a time, its report awaited before the next. Any other
    is as many records as the client takes. There is no rate.
    """

    stores = True

    def __init__(self, *, bootstrap_servers: str, topic: str) -> None:
        """Produce to `topic` of the cluster at `bootstrap_servers`."""
        self._bootstrap_servers = bootstrap_servers
        self._topic = topic

    parts = None
    start_s = 0.0

    @property
    def version(self) -> str:
        """What it is, exactly."""
        return f"confluent-kafka {confluent_kafka.version()}, librdkafka {confluent_kafka.libversion()[0]}"

    def load(self, case: Case, timing: Timing, *, rate_per_s: float | None) -> Load:
        """Return the program that produces values as long as those of `case`; see `System`."""
        assert rate_per_s is None
        order = RawOrder(
            bootstrap_servers=self._bootstrap_servers,
            topic=self._topic,
            value_bytes=case.value_bytes,
            one_at_a_time=case.records == case.connections == 1,
            warm_up_s=timing.warm_up_s,
            measure_s=timing.measure_s,
        )
        return Load(
            command=[sys.executable, "-m", "bench.systems.raw_producer"],
            told=msgspec.json.encode(order),
            lasts_s=timing.warm_up_s + timing.measure_s,
        )

    def close(self) -> None:
        """Do nothing: each load has ended its process."""
