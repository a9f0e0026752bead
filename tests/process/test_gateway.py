"""A whole gateway: real workers, a real Envoy, real signals."""

from __future__ import annotations

import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

import grpc
import pytest
from grpc_health.v1 import health_pb2

from tests.brokers.embedded import EmbeddedBroker
from tests.brokers.ledger import read_topic
from tests.brokers.liveness import alive
from tests.brokers.ports import LOOPBACK, free_port
from tests.brokers.waiting import wait_for
from tests.faults.bounds import within_s
from tests.process.load import Load
from tests.process.watched import WatchedGateway
from twinpost.v1 import producer_service_pb2, producer_service_pb2_grpc, record_pb2

READY_S = 20.0
"""Generous, since the machine may have other things to do; how long it does take is printed."""

OUTAGE_MAX_S = within_s(2 * 3.0)
"""Twice what is promised, since other tests run at the same time; `tests/faults`, alone, holds it to the promise."""


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedGateway]:
    """`twinpost dev` with two workers, for tests that leave it as they found it."""
    with WatchedGateway.dev(tmp_path_factory.mktemp("two-workers"), "--workers", "2") as gateway:
        gateway.wait_until_ready()
        yield gateway
        assert 0 == gateway.stop()


@pytest.fixture
def temporary_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory, of a short name for the sockets' sake, that gateways put their run directories into."""
    with tempfile.TemporaryDirectory(prefix="tp-") as root:
        monkeypatch.setenv("TMPDIR", root)
        yield Path(root)


def test_ctrl_c_ends_everything_within_five_seconds(tmp_path: Path, temporary_root: Path) -> None:
    """One Ctrl-C: exit code 0, no process and no file left."""
    with WatchedGateway.dev(tmp_path) as gateway:
        gateway.wait_until_ready()
        # Said a moment after requests are taken.
        hint = f"http://127.0.0.1:{gateway.port}/produce/greetings/hello_kafka -u myuser:mypass"
        wait_for(lambda: hint in gateway.log(), "what to try", timeout_s=READY_S)
        counts = [len(gateway.workers()), len(gateway.envoys()), len(gateway.brokers()), len(gateway.processes())]
        assert [1, 1, 1, 3] == counts
        gateway.send(signal.SIGINT)
        assert 0 == gateway.ended(within_s=5)
        assert [] == gateway.left()
        assert [] == list(temporary_root.iterdir())


@pytest.mark.parametrize("moment", ["processes", "brokers", "workers", "envoys"])
def test_ctrl_c_during_the_start_ends_everything(tmp_path: Path, moment: str) -> None:
    """The moment does not matter: a gateway that is still starting stops as well."""
    with WatchedGateway.dev(tmp_path) as gateway:
        wait_for(lambda: bool(getattr(gateway, moment)()), f"the first of {moment}", timeout_s=READY_S)
        gateway.send(signal.SIGINT)
        assert 0 == gateway.ended(within_s=5)
        assert [] == gateway.left()
        assert "Traceback" not in gateway.log()


@pytest.mark.xdist_group("two-workers")
def test_killed_worker_is_made_up_for_within_seconds(two_workers: WatchedGateway) -> None:
    """A worker that is killed is replaced, while the other one serves."""
    victim, other = two_workers.workers()
    victim.kill()
    assert two_workers.outage_s() < OUTAGE_MAX_S
    wait_for(lambda: len(two_workers.workers()) == 2, "the second worker", timeout_s=READY_S)
    assert victim not in two_workers.workers()
    assert other in two_workers.workers()


@pytest.mark.xdist_group("two-workers")
def test_killed_envoy_is_made_up_for_within_seconds(two_workers: WatchedGateway) -> None:
    """Envoy is started again at once, on the same port, and finds the workers that are there."""
    workers = two_workers.workers()
    (victim,) = two_workers.envoys()
    victim.kill()
    assert two_workers.outage_s() < OUTAGE_MAX_S
    assert workers == two_workers.workers()
    two_workers.wait_until_ready()


@pytest.mark.xdist_group("two-workers")
def test_wedged_worker_is_replaced(two_workers: WatchedGateway) -> None:
    """A worker that lives but does nothing is ended and replaced, after ten seconds of silence."""
    wedged = two_workers.workers()[0]
    wedged.suspend()
    wait_for(lambda: not alive(wedged), "the end of the wedged worker", timeout_s=15)
    wait_for(lambda: len(two_workers.workers()) == 2, "its replacement", timeout_s=READY_S)
    assert "was silent for 10 s and was killed" in two_workers.log()


@pytest.mark.xdist_group("two-workers")
def test_wedged_envoy_is_replaced(two_workers: WatchedGateway) -> None:
    """An Envoy that lives but does nothing is ended and replaced, after about ten seconds."""
    (wedged,) = two_workers.envoys()
    wedged.suspend()
    wait_for(lambda: not alive(wedged), "the end of the wedged Envoy", timeout_s=20)
    two_workers.wait_until_ready()
    assert "envoy did not answer 5 times in a row and was killed" in two_workers.log()


@pytest.mark.usefixtures("temporary_root")  # the one thing that stays is the run directory, until the next start
def test_killed_supervisor_leaves_nothing_running(tmp_path: Path) -> None:
    """Nobody has to look for orphans: Envoy and the broker die with it, workers drain and end."""
    with WatchedGateway.dev(tmp_path) as gateway:
        gateway.wait_until_ready()
        gateway.send(signal.SIGKILL)
        gateway.until_all_gone(within_s=10)


def test_lost_broker_ends_the_gateway_with_the_reason(tmp_path: Path) -> None:
    """The embedded broker's records are gone with it: a new one would hide that."""
    with WatchedGateway.dev(tmp_path) as gateway:
        gateway.wait_until_ready()
        gateway.brokers()[0].kill()
        assert 1 == gateway.ended(within_s=10)
        assert [] == gateway.left()
        assert "embedded broker was ended by SIGKILL: its records were in memory and are gone" in gateway.log()


def test_crash_loop_ends_the_gateway_with_the_reason(tmp_path: Path, embedded_broker: EmbeddedBroker) -> None:
    """The last allowed failure of a worker stops everything, with exit code 1."""
    settings = {"workers": {"restart_limit": 1}, "timeouts": {"drain_grace_s": 0}}
    with WatchedGateway.serving(tmp_path, embedded_broker.bootstrap_servers, settings) as gateway:
        gateway.wait_until_ready()
        gateway.workers()[0].kill()
        assert 1 == gateway.ended(within_s=10)
        assert [] == gateway.left()
        assert "worker 0 was ended by SIGKILL: that was failure 1 within 60 s" in gateway.log()


@pytest.mark.parametrize("flag", ["--port", "--kafka-port"])
def test_port_in_use_is_told_before_anything_starts(tmp_path: Path, flag: str) -> None:
    """Two gateways never share a port in silence; the message names the flag to change."""
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        ports = {"--port": str(free_port()), "--kafka-port": "0"} | {flag: str(port)}
        arguments = ["dev", *(word for pair in ports.items() for word in pair)]
        with WatchedGateway(arguments, directory=tmp_path, port=port) as gateway:
            assert 1 == gateway.ended(within_s=READY_S)
            message = f"twinpost: cannot listen on 127.0.0.1:{port}: another process listens there; stop it, or choose"
            assert f"{message} another port with {flag}\n" == gateway.log()


def test_configuration_that_envoy_refuses_is_shown(tmp_path: Path, embedded_broker: EmbeddedBroker) -> None:
    """Envoy's own words say what is wrong; nothing is tried a second time."""
    certificate = tmp_path / "certificate.pem"
    certificate.write_text("no certificate", encoding="utf-8")
    tls = {"cert_file": str(certificate), "key_file": str(certificate)}
    settings: dict[str, dict[str, object]] = {"listen": {"tls": tls}, "timeouts": {"drain_grace_s": 0}}
    with WatchedGateway.serving(tmp_path, embedded_broker.bootstrap_servers, settings) as gateway:
        assert 1 == gateway.ended(within_s=READY_S)
        assert [] == gateway.left()
        told = gateway.log().partition("envoy exited with code 1: it never got to work")[2]
        assert "Failed to load certificate chain" in told


def test_rolling_restart_fails_no_request(
    tmp_path: Path, embedded_broker: EmbeddedBroker, topic_name: Callable[[], str]
) -> None:
    """SIGHUP under load: a new worker, the same Envoy, and every request of both protocols acknowledged.

    With one worker the spare slot has to serve alone meanwhile; the fault suite does the same with two.
    """
    topic = topic_name()
    embedded_broker.create_topic(topic)
    with WatchedGateway.serving(tmp_path, embedded_broker.bootstrap_servers, {"workers": {"count": 1}}) as gateway:
        gateway.wait_until_ready()
        old, envoys = gateway.workers(), gateway.envoys()
        with Load.running(gateway.port, topic) as load:
            gateway.send(signal.SIGHUP)
            wait_for(lambda: not any(map(alive, old)), lambda: f"the end of {old}", timeout_s=30)
            wait_for(lambda: len(gateway.workers()) == 1, "the new worker", timeout_s=10)
        assert {} == load.failures
        assert envoys == gateway.envoys()
        assert sorted(load.acknowledged) == _stored(embedded_broker, topic)
        assert 0 == gateway.stop()


def test_stop_under_load_fails_no_accepted_request(
    tmp_path: Path, embedded_broker: EmbeddedBroker, topic_name: Callable[[], str]
) -> None:
    """SIGTERM under load: what reached Kafka was acknowledged, and what was not acknowledged never reached it."""
    topic = topic_name()
    embedded_broker.create_topic(topic)
    with WatchedGateway.serving(tmp_path, embedded_broker.bootstrap_servers, {"workers": {"count": 2}}) as gateway:
        gateway.wait_until_ready()
        with Load.running(gateway.port, topic) as load:
            wait_for(lambda: len(load.acknowledged) > 200, "two hundred records", timeout_s=10)
            gateway.send(signal.SIGTERM)
            gateway.wait_until_not_ready()
            before = len(load.acknowledged)
            assert 0 == gateway.ended(within_s=15)
        assert [] == gateway.left()
        assert len(load.acknowledged) > before  # the grace period is there for them
        assert set(load.failures) <= NOT_ACCEPTED
        assert sorted(load.acknowledged) == _stored(embedded_broker, topic)


def test_stop_waits_for_the_answers_of_slow_requests(
    tmp_path: Path, embedded_broker: EmbeddedBroker, topic_name: Callable[[], str]
) -> None:
    """Requests that wait for their acknowledgement while the gateway stops get it."""
    topic = topic_name()
    embedded_broker.create_topic(topic)
    settings = {"timeouts": {"drain_grace_s": 0}}
    with WatchedGateway.serving(tmp_path, embedded_broker.bootstrap_servers, settings) as gateway:
        gateway.wait_until_ready()
        with Load.running(gateway.port, topic, rest=4, grpc=2) as load:
            wait_for(lambda: len(load.acknowledged) > 50, "fifty records", timeout_s=10)
            with embedded_broker.paused():
                wait_for(lambda: load.under_way == 6, "a stuck request of each caller", timeout_s=10)
                gateway.send(signal.SIGTERM)
                wait_for(lambda: _refuses(gateway.port), "the closed port", timeout_s=5)
            assert 0 == gateway.ended(within_s=15)
        assert set(load.failures) <= NOT_ACCEPTED
        assert sorted(load.acknowledged) == _stored(embedded_broker, topic)


def test_stop_does_not_wait_for_callers_to_end_their_streams(
    tmp_path: Path, embedded_broker: EmbeddedBroker, topic_name: Callable[[], str]
) -> None:
    """What a stream has sent is answered, then it is told to leave, and a watcher that nothing serves any more."""
    topic = topic_name()
    embedded_broker.create_topic(topic)
    settings = {"timeouts": {"drain_grace_s": 0, "drain_timeout_s": 60}}
    with (
        WatchedGateway.serving(tmp_path, embedded_broker.bootstrap_servers, settings) as gateway,
        grpc.insecure_channel(gateway.address) as channel,
    ):
        gateway.wait_until_ready()
        steps: SimpleQueue[producer_service_pb2.ProduceStreamRequest | None] = SimpleQueue()
        stream = producer_service_pb2_grpc.ProducerServiceStub(channel).ProduceStream(iter(steps.get, None), timeout=60)
        watch = channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )(health_pb2.HealthCheckRequest(), timeout=60)
        records = [record_pb2.Record(topic=topic, value=b"hello")]
        try:
            steps.put(producer_service_pb2.ProduceStreamRequest(sequence=1, records=records))
            assert 1 == next(stream).sequence
            assert health_pb2.HealthCheckResponse.SERVING == next(watch).status
            gateway.send(signal.SIGTERM)
            with pytest.raises(grpc.RpcError):
                next(stream)
            assert grpc.StatusCode.UNAVAILABLE is stream.code()
            assert "the gateway is stopping: connect again and go on" in stream.details()
            assert [health_pb2.HealthCheckResponse.NOT_SERVING] == [answer.status for answer in watch]
            assert 0 == gateway.ended(within_s=15)
        finally:
            steps.put(None)
        assert "requests were still under way" not in gateway.log()


def test_workers_can_serve_without_envoy(tmp_path: Path, embedded_broker: EmbeddedBroker) -> None:
    """Where Envoy runs beside twinpost, the sockets are announced and no port is opened."""
    flags = ("--no-envoy", "--run-dir", str(tmp_path / "run"))
    with WatchedGateway.serving(tmp_path, embedded_broker.bootstrap_servers, {}, *flags) as gateway:
        wait_for(lambda: "worker-0.sock" in gateway.log(), "the announcement", timeout_s=READY_S)
        assert (tmp_path / "run" / "worker-0.sock").is_socket()
        assert _refuses(gateway.port)
        gateway.send(signal.SIGTERM)
        assert 0 == gateway.ended(within_s=15)
        assert not (tmp_path / "run").exists()


NOT_ACCEPTED = frozenset(
    {"ConnectionRefusedError", "ConnectionResetError", "RemoteDisconnected", "StatusCode.UNAVAILABLE"}
)
"""What callers see of a port that is closed; the ledger proves that it was no more than that."""


def _stored(broker: EmbeddedBroker, topic: str) -> list[str]:
    return sorted((record.value or b"").decode() for record in read_topic(broker.bootstrap_servers, topic))


def _refuses(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return False
    except OSError:
        return True
