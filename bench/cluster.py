"""The cluster that every system writes to: one Apache Kafka broker."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.brokers.apache_kafka import ApacheKafka

__all__ = ["cluster"]

_MIB: Final = 1024**2

# As in production rather than as in tests: both compiler tiers, and a heap that need not be collected all the time.
_JAVA_OPTIONS: Final = ("-Xms1g", "-Xmx1g", "-XX:+UseG1GC")

# What was written is soon of no use: the disk shall not fill up.
_SETTINGS: Final = {
    "log.segment.bytes": str(128 * _MIB),
    "log.retention.bytes": str(256 * _MIB),
    "log.retention.check.interval.ms": "5000",
    "log.segment.delete.delay.ms": "1000",
}


def cluster(directory: Path) -> ApacheKafka:
    """Start the broker with its files in `directory`, and return it once it answers.

    Raises:
        TimeoutError: it did not answer in time.
    """
    home = directory / "kafka"
    home.mkdir()
    return ApacheKafka(home, settings=_SETTINGS, java_options=_JAVA_OPTIONS)
