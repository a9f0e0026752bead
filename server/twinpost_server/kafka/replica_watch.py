"""Which partitions have too few replicas in sync to be written."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from confluent_kafka import KafkaException

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Failure, Reason, RequestFailed
from twinpost_server.kafka.cluster_admin import ClusterAdmin

__all__ = ["ReplicaWatch"]

_CHECK_INTERVAL_S: Final = 0.5
_WATCHED_MAX: Final = 256
"""Topics watched at once; more troubled ones than that are told by their time-outs."""

_log = structlog.get_logger(__name__)


class ReplicaWatch:
    """Finds out why a record is not acknowledged, and spares later records the wait. Lives on the loop's thread.

    librdkafka keeps trying for as long as a broker answers NOT_ENOUGH_REPLICAS, and in the end says only that time ran
    out (measured). So when a record takes long, the topic is looked at; while it lacks replicas it is watched, and
    records that could only wait are refused before they are sent, which makes their `delivered` a certain `no`.
    """

    def __init__(self, admin: ClusterAdmin) -> None:
        """Look at topics through `admin`."""
        self._admin = admin
        self._short: dict[str, frozenset[int]] = {}
        self._whole: dict[str, bool] = {}
        self._watching: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    def suspect(self, topic: str) -> None:
        """Look at `topic`: a record for it has not been acknowledged for a while."""
        if topic not in self._watching and len(self._watching) < _WATCHED_MAX and not self._closed:
            task = asyncio.get_running_loop().create_task(self._watch(topic))
            self._watching[topic] = task
            task.add_done_callback(lambda _: self._watching.pop(topic, None))

    def is_short(self, topic: str) -> bool:
        """Return whether `topic` is known to have a partition that cannot be written now."""
        return topic in self._short

    def check(self, batch: RecordBatch) -> None:
        """Return unless a record of `batch` could only wait.

        Raises:
            RequestFailed: NOT_ENOUGH_REPLICAS; nothing was written.
        """
        if not self._short:
            return
        for record in batch.records:
            short = self._short.get(record.topic)
            if short is None:
                continue
            # Where the partitioner may still choose a partition that can be written, the record has its chance.
            if record.partition in short or (record.partition is None and self._whole[record.topic]):
                raise RequestFailed(
                    Failure(
                        reason=Reason.NOT_ENOUGH_REPLICAS,
                        message=(
                            f"topic {record.topic} has fewer replicas in sync than its min.insync.replicas demands: "
                            "send again once the cluster has healed; nothing was written"
                        ),
                    )
                )

    def close(self) -> None:
        """Stop watching, for good."""
        self._closed = True
        for task in self._watching.values():
            task.cancel()

    async def _watch(self, topic: str) -> None:
        try:
            while True:
                replicas = await self._admin.replicas(topic)
                short = frozenset(
                    partition for partition, in_sync in replicas.in_sync.items() if in_sync < replicas.in_sync_min
                )
                if not short:
                    break
                if topic not in self._short:
                    _log.error("topic lacks in-sync replicas", topic=topic, partitions=sorted(short))
                self._short[topic] = short
                self._whole[topic] = len(short) == len(replicas.in_sync)
                await asyncio.sleep(_CHECK_INTERVAL_S)
        except KafkaException as exception:
            _log.debug("topic could not be looked at", topic=topic, code=exception.args[0].name())
        except Exception:  # noqa: BLE001 - whatever it was, nothing may be refused on what nobody watches any more
            _log.exception("topic could not be looked at", topic=topic)
        finally:
            if self._short.pop(topic, None) is not None:
                self._whole.pop(topic, None)
                _log.info("topic is no longer taken to lack in-sync replicas", topic=topic)
