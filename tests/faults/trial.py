"""A trial: one gateway, the topics and callers of one test, and the judgement at its end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from pprint import pformat
from typing import Any

import pytest

from tests.brokers.ledger import read_topic
from tests.faults.callers import Caller, NativeCaller, RestCaller
from tests.faults.fault_cluster import FaultCluster
from tests.faults.journal import Attempt, Journal, SentRecord
from tests.faults.judge import judged
from tests.faults.load import Load, LoadShape
from tests.faults.table import Row, worst_gap_s
from tests.gateway.process import Gateway

__all__ = ["REQUEST_TIMEOUT_S", "Trial"]

REQUEST_TIMEOUT_S = 10.0
"""The gateway's deadline in trials: shorter than the default, so that outages are told sooner."""

_PATIENT_S = 15.0
"""A caller's own deadline: above the gateway's, so that it is the gateway's answer that comes."""


class Trial:
    """What one test works with.

    Attributes:
        cluster: the brokers and the network.
        journal: of every caller of the trial.
    """

    def __init__(
        self, cluster: FaultCluster, directory: Path, settings: Mapping[str, Mapping[str, Any]], stem: str
    ) -> None:
        """Prepare; `settings` are those of every gateway, `stem` begins the names of topics."""
        self.cluster = cluster
        self.journal = Journal()
        self.directory = directory
        self._settings = settings
        self._stem = stem
        self._topics: list[str] = []
        self._gateways: list[Gateway] = []
        self._load: Load | None = None
        self._over_at: float | None = None
        self._numbers = count()

    def start_gateway(self, *, ready: bool = True, **sections: Mapping[str, Any]) -> Gateway:
        """Start a gateway with the trial's settings and, section by section, those of `sections` above them."""
        settings = {**self._settings}
        for section, values in sections.items():
            settings[section] = {**settings.get(section, {}), **values}
        directory = self.directory / f"gateway-{len(self._gateways)}"
        directory.mkdir()
        gateway = Gateway.serve(directory, settings, ready=ready)
        self._gateways.append(gateway)
        return gateway

    def create_topic(self, *, partitions: int = 6, config: Mapping[str, str] | None = None) -> str:
        """Create a topic that will be judged, replicated three times, and return its name."""
        name = self.new_name()
        self.cluster.kafka.create_topic(name, partitions=partitions, config=config)
        self.cluster.wait_until_whole([name])
        return name

    def new_name(self) -> str:
        """Return the name of a topic that will be judged, for the caller to create."""
        self._topics.append(f"{self._stem}-{len(self._topics)}")
        return self._topics[-1]

    @contextmanager
    def load(self, gateway: Gateway, topic: str, **shape: Any) -> Iterator[Load]:  # noqa: ANN401 - LoadShape's fields
        """Run load on `topic`; its service is what the table tells of."""
        with Load.running(gateway, topic, self.journal, LoadShape(**shape)) as load:
            self._load = load
            yield load

    @contextmanager
    def load_beside(self, gateway: Gateway, topic: str, **shape: Any) -> Iterator[Load]:  # noqa: ANN401 - as `load`
        """Run load on `topic` that is judged, and whose service the table does not tell of."""
        with Load.running(gateway, topic, self.journal, LoadShape(**shape)) as load:
            yield load

    @contextmanager
    def load_aside(self, gateway: Gateway, topic: str) -> Iterator[Load]:
        """Run load that is not judged, unless `also_judge` is told of it."""
        with Load.running(gateway, topic, Journal(), LoadShape()) as load:
            yield load

    def also_judge(self, topic: str, attempts: Sequence[Attempt]) -> None:
        """Have `topic` judged, with `attempts` as all that was sent to it."""
        self._topics.append(topic)
        for attempt in attempts:
            self.journal.add(attempt)

    @contextmanager
    def callers(self, gateway: Gateway) -> Iterator[tuple[Caller, Caller]]:
        """Open a caller of REST and one of gRPC."""
        callers = RestCaller("one-rest", gateway.port), NativeCaller("one-grpc", gateway.address)
        try:
            yield callers
        finally:
            for caller in callers:
                caller.close()

    def record(self, topic: str, *, key: bytes | None = b"one", value_bytes: int = 0) -> SentRecord:
        """Return a record that no other is like, of `value_bytes` bytes or a few."""
        return SentRecord(topic, key, f"{next(self._numbers)}/".encode().ljust(value_bytes, b"."))

    def send(self, caller: Caller, records: Sequence[SentRecord], *, timeout_s: float = _PATIENT_S) -> Attempt:
        """Send one request and note it in the journal."""
        attempt = caller.send(records[0].topic, records, timeout_s=timeout_s)
        self.journal.add(attempt)
        return attempt

    def fault_is_over(self) -> float:
        """Note that from now on the gateway is to recover; return the time."""
        self._over_at = time.monotonic()
        return self._over_at

    def judge(self, fault: str, tell: Callable[[Row], None]) -> Row:
        """Compare every answer with the log, tell the row of the table, and fail unless they agree."""
        attempts = self.journal.attempts()
        bootstrap = self.cluster.kafka.bootstrap_servers
        log = [record for topic in self._topics for record in read_topic(bootstrap, topic)]
        verdict = judged(attempts, log)
        under_load = [] if self._load is None else self._load.steady_attempts()
        row = Row(
            fault,
            attempts,
            verdict,
            worst_gap_s(under_load) if under_load else None,
            None if self._over_at is None else _recovery_s(under_load, self._over_at),
        )
        tell(row)
        if verdict.disagreements:
            pytest.fail(f"answers and log disagree:\n{pformat(verdict.disagreements, width=200)}")
        return row

    def close(self) -> None:
        """Stop what still runs."""
        for gateway in self._gateways:
            gateway.stop()


def _recovery_s(attempts: Sequence[Attempt], over_at: float) -> float:
    """Return how long after `over_at` the last caller was served again, and from then on."""
    served_at = {}
    for caller in {attempt.caller for attempt in attempts}:
        of_caller = [attempt for attempt in attempts if attempt.caller == caller and attempt.ended_at > over_at]
        failed_at = max((attempt.ended_at for attempt in of_caller if not attempt.acknowledged), default=over_at)
        served_at[caller] = min(
            (attempt.ended_at for attempt in of_caller if attempt.ended_at > failed_at), default=math.inf
        )
    return max(served_at.values()) - over_at
