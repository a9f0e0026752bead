"""Bento (https://github.com/warpstreamlabs/bento): stream processing in Go, here as a gateway from HTTP to Kafka."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import yaml

from bench.case import Case, Protocol
from bench.go_program import GoMissing, built
from bench.load_generator import LoadGenerator
from bench.load_program import Load, Order, Timing
from bench.requests import rest_body
from bench.systems.child import Child, answers
from bench.systems.system import Unavailable
from bench.usage import Parts
from tests.brokers.ports import LOOPBACK, free_port

__all__ = ["Bento"]

_MODULE: Final = Path(__file__).parents[1] / "peers" / "bento"


class Bento:
    """Bento 1.20.0 with an `http_server` before a `kafka_franz`, tuned: by default it has ten writes under way at most.

    A request is answered with 200, and nothing else, once its records are acknowledged by all in-sync replicas. An
    array's elements become the records, as JSON.
    """

    stores = True
    version = "1.20.0"

    def __init__(self, generator: LoadGenerator, directory: Path, *, bootstrap_servers: str, topic: str) -> None:
        """Start it, with its files in the empty directory `directory`.

        Raises:
            Unavailable: it could not be built.
        """
        try:
            program = built(_MODULE, ".", "bento")
        except GoMissing as error:
            raise Unavailable(str(error)) from None
        self._generator = generator
        self._port = free_port()
        configuration = directory / "bento.yaml"
        configuration.write_text(yaml.safe_dump(self._settings(bootstrap_servers, topic)), encoding="utf-8")
        start = time.perf_counter()
        self._child = Child([program, "-c", configuration], log_file=directory / "bento.log")
        try:
            self._child.wait_until(lambda: answers(self._port, "/ready"))
        except BaseException:
            self.close()
            raise
        self.start_s = time.perf_counter() - start

    def _settings(self, bootstrap_servers: str, topic: str) -> dict[str, object]:
        return {
            "http": {"address": f"{LOOPBACK}:{self._port}"},
            "input": {
                "broker": {
                    "inputs": [
                        {"http_server": {"path": "/record"}},
                        {
                            "http_server": {"path": "/array"},
                            "processors": [{"unarchive": {"format": "json_array"}}],
                        },
                    ]
                }
            },
            "output": {
                "kafka_franz": {
                    "seed_brokers": bootstrap_servers.split(","),
                    "topic": topic,
                    # With this the client asks for the acknowledgement of all replicas.
                    "idempotent_write": True,
                    "compression": "none",
                    "max_in_flight": 1024,
                }
            },
            "logger": {"level": "ERROR"},
        }

    @property
    def parts(self) -> Parts:
        """Its process."""
        return {"server": [self._child.process]}

    def load(self, case: Case, timing: Timing, *, rate_per_s: float | None) -> Load:
        """Return the load of `case`, which must be REST; see `System`."""
        assert case.protocol is Protocol.REST
        order = Order(
            protocol=case.protocol,
            address=f"{LOOPBACK}:{self._port}",
            target="/record" if case.records == 1 else "/array",
            bodies=(rest_body(case),),
            records=case.records,
            connections=case.connections,
            warm_up_s=timing.warm_up_s,
            measure_s=timing.measure_s,
            rate_per_s=rate_per_s or 0.0,
        )
        return self._generator.load(order)

    def close(self) -> None:
        """End its process."""
        self._child.stop()
