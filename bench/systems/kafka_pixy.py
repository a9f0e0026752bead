"""kafka-pixy (https://github.com/mailgun/kafka-pixy): a gateway in Go that takes one record a request, without auth."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import yaml

from bench.case import Case, Protocol
from bench.go_program import GoMissing, built
from bench.load_generator import LoadGenerator
from bench.load_program import Load, Order, Timing
from bench.requests import value
from bench.systems.child import Child, answers
from bench.systems.system import Unavailable
from bench.usage import Parts
from tests.brokers.ports import LOOPBACK, free_port

__all__ = ["KafkaPixy"]

_MODULE: Final = Path(__file__).parents[1] / "peers" / "kafka-pixy"


class KafkaPixy:
    """kafka-pixy 0.18.0, tuned: by default it gathers records for half a second before it sends them."""

    stores = True
    version = "0.18.0"

    def __init__(self, generator: LoadGenerator, directory: Path, *, bootstrap_servers: str, topic: str) -> None:
        """Start it, with its files in the empty directory `directory`.

        Raises:
            Unavailable: it could not be built.
        """
        try:
            program = built(_MODULE, "github.com/mailgun/kafka-pixy", "kafka-pixy")
        except GoMissing as error:
            raise Unavailable(str(error)) from None
        self._generator = generator
        self._topic = topic
        self._ports = {Protocol.REST: free_port(), Protocol.GRPC_UNARY: free_port()}
        configuration = directory / "kafka-pixy.yaml"
        configuration.write_text(yaml.safe_dump(self._settings(bootstrap_servers)), encoding="utf-8")
        start = time.perf_counter()
        self._child = Child([program, "--config", configuration], log_file=directory / "kafka-pixy.log")
        try:
            self._child.wait_until(lambda: answers(self._ports[Protocol.REST], "/_ping"))
        except BaseException:
            self.close()
            raise
        self.start_s = time.perf_counter() - start

    def _settings(self, bootstrap_servers: str) -> dict[str, object]:
        return {
            "grpc_addr": f"{LOOPBACK}:{self._ports[Protocol.GRPC_UNARY]}",
            "tcp_addr": f"{LOOPBACK}:{self._ports[Protocol.REST]}",
            "proxies": {
                "default": {
                    # The newest version that it knows; its default speaks requests that Kafka 4 has left behind.
                    "kafka": {"seed_peers": bootstrap_servers.split(","), "version": "2.3.0"},
                    "consumer": {"disabled": True},
                    "producer": {
                        "required_acks": "wait_for_all",
                        "flush_frequency": "1ms",
                        "compression": "none",
                    },
                }
            },
            "logging": [{"name": "console", "severity": "warning"}],
        }

    @property
    def parts(self) -> Parts:
        """Its process."""
        return {"server": [self._child.process]}

    def load(self, case: Case, timing: Timing, *, rate_per_s: float | None) -> Load:
        """Return the load of `case`, which must be one record a request; see `System`."""
        assert case.records == 1
        text = value(case.value_bytes).encode()
        rest = case.protocol is Protocol.REST
        order = Order(
            protocol=case.protocol,
            address=f"{LOOPBACK}:{self._ports[case.protocol]}",
            target=f"/topics/{self._topic}/messages?sync" if rest else "/KafkaPixy/Produce",
            bodies=(text if rest else _message(self._topic.encode(), text),),
            records=1,
            connections=case.connections,
            warm_up_s=timing.warm_up_s,
            measure_s=timing.measure_s,
            headers=(("Content-Type", "text/plain"),) if rest else (),
            needle='"offset":' if rest else "",
            rate_per_s=rate_per_s or 0.0,
        )
        return self._generator.load(order)

    def close(self) -> None:
        """End its process."""
        self._child.stop()


def _message(topic: bytes, message: bytes) -> bytes:
    """Return a `ProdRq` of its contract: topic = 2, key_undefined = 4, message = 5."""
    return b"".join((b"\x12", _varint(len(topic)), topic, b"\x20\x01\x2a", _varint(len(message)), message))


def _varint(number: int) -> bytes:
    """Return `number` as Protocol Buffers write it: seven bits a byte, the lowest first."""
    high, low = divmod(number, 128)
    return bytes([128 + low]) + _varint(high) if high else bytes([low])
