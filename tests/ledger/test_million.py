"""A million records over one publisher, through two workers, one of which is killed half-way."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.brokers.apache_kafka import ApacheKafka
from tests.faults.processes import workers
from tests.gateway.process import Gateway
from tests.gateway.users import write_users_file
from tests.ledger.account import Account
from tests.ledger.judge import judged, read_log
from tests.ledger.memory import MemoryCurve

ROOT = Path(__file__).resolve().parents[2]
SAMPLED_EVERY_S = 0.2
GROWTH_BYTES_MAX = 32 * 1024 * 1024
"""What a process may grow after it has warmed up: the slack of its allocator, a small part of what it handles."""

SAMPLES_MIN = 30
"""A process that was there for less has not warmed up."""


@pytest.fixture(scope="module")
def two_workers(apache_kafka: ApacheKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """`twinpost serve` with two workers, before Apache Kafka."""
    directory = tmp_path_factory.mktemp("ledger")
    settings: dict[str, dict[str, Any]] = {
        "kafka": {"bootstrap_servers": apache_kafka.bootstrap_servers},
        "auth": {"users_file": str(write_users_file(directory))},
        "workers": {"count": 2},
    }
    gateway = Gateway.serve(directory, settings)
    yield gateway
    assert 0 == gateway.stop()


class Writing:
    """The program that publishes, and how far it has come."""

    def __init__(self, *arguments: str) -> None:
        """Start it."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.ledger.writer", *arguments], cwd=ROOT, stdout=subprocess.PIPE
        )
        self.published = 0
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def ended(self, within_s: float) -> bool:
        """Return whether it has ended, waiting so long for that."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(within_s)
            self._reader.join()
            return True
        return False

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as told:
            for line in told:
                self.published = int(line)


@pytest.mark.parametrize("resend_unknown", [False, True], ids=["unknown is told", "unknown is sent again"])
def test_ledger_of_the_client_agrees_with_kafka(  # noqa: PLR0913 - fixtures
    apache_kafka: ApacheKafka,
    two_workers: Gateway,
    topic_name: Callable[[], str],
    tmp_path: Path,
    records: int,
    samples_file: Path | None,
    tell: Callable[[str], None],
    *,
    resend_unknown: bool,
) -> None:
    """Nothing acknowledged is lost, nothing is doubled without a word, keys keep their order, and memory stays flat."""
    topic = topic_name().replace(" ", "-")
    apache_kafka.create_topic(topic)
    path = tmp_path / "account"
    began = time.monotonic()
    used_s = {worker.pid: worker.cpu_times().user for worker in workers(two_workers)}
    writing = Writing(two_workers.address, topic, str(records), str(path), str(resend_unknown))
    client = psutil.Process(writing.process.pid)
    curve = MemoryCurve()
    killed: psutil.Process | None = None
    try:
        while not writing.ended(within_s=SAMPLED_EVERY_S):
            at_work = workers(two_workers)
            curve.sample({"client": client, **{f"worker {worker.pid}": worker for worker in at_work}})
            if killed is None and writing.published >= records // 2:
                # One of them has the stream: the one that has worked.
                killed = max(at_work, key=lambda worker: worker.cpu_times().user - used_s.get(worker.pid, 0.0))
                killed.kill()
    finally:
        writing.process.kill()
    took_s = time.monotonic() - began
    assert (0, True) == (writing.process.returncode, killed is not None)

    verdict = judged(Account.read(path, records), read_log(apache_kafka.bootstrap_servers, topic))
    tell(
        f"resend_unknown={resend_unknown}: {records} records in {took_s:.1f} s ({records / took_s:.0f} a second)\n"
        f"{verdict}\n{curve.table()}"
    )
    if samples_file is not None:
        curve.write(samples_file.with_stem(f"{samples_file.stem}-{'resent' if resend_unknown else 'told'}"))
    wrong = (verdict.lost, verdict.doubled, verdict.denied, verdict.strange, verdict.disordered, verdict.untold)
    assert (0, 0, 0, 0, 0, 0) == wrong, verdict
    assert records == verdict.acknowledged + verdict.unknown
    # Else it was no worker with records in flight that was killed, and nothing is proved.
    assert 0 < verdict.unknown + verdict.resent < records // 10
    if resend_unknown:
        assert 0 == verdict.unknown
    grown = {name: curve.growth_bytes(name) for name, samples in curve.samples.items() if len(samples) >= SAMPLES_MIN}
    assert "client" in grown or records < 1_000_000
    assert {} == {name: growth for name, growth in grown.items() if growth > GROWTH_BYTES_MAX}, curve.table()
