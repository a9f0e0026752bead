"""What callers see when the cluster, the caller or the gateway is not at its best: a clear answer, in time."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from tests.brokers.apache_kafka import ApacheKafka
from tests.brokers.ledger import read_topic
from tests.brokers.ports import LOOPBACK, ReservedPort
from tests.brokers.waiting import wait_for
from tests.conformance.doors import checked_error
from tests.gateway.native import NativeClient
from tests.gateway.process import Gateway
from tests.gateway.users import MYUSER, write_users_file
from twinpost.v1 import record_pb2

HELLO = b'{"value": "hello"}'


@pytest.fixture(scope="class")
def cut_off(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose cluster is a port where nobody listens."""
    directory = tmp_path_factory.mktemp("cut-off")
    nobody = ReservedPort()
    settings = {
        "kafka": {"bootstrap_servers": f"{LOOPBACK}:{nobody.number}"},
        "auth": {"users_file": str(write_users_file(directory))},
    }
    gateway = Gateway.serve(directory, settings, ready=False)
    yield gateway
    assert 0 == gateway.stop()
    nobody.release()


@pytest.fixture(scope="class")
def narrow(apache_kafka: ApacheKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that holds ten records, and waits a second for a body."""
    directory = tmp_path_factory.mktemp("narrow")
    settings: dict[str, dict[str, Any]] = {
        "kafka": {"bootstrap_servers": apache_kafka.bootstrap_servers},
        "auth": {"users_file": str(write_users_file(directory))},
        "limits": {"in_flight_records_max": 10, "request_records_max": 10},
        "timeouts": {"body_timeout_s": 1},
        "rest": {"unknown_fields": "ignore"},
    }
    gateway = Gateway.serve(directory, settings)
    yield gateway
    assert 0 == gateway.stop()


class TestBrokersDown:
    """No broker has ever answered."""

    def test_it_is_live_but_not_ready(self, cut_off: Gateway) -> None:
        """An orchestrator keeps it running, and a balancer leaves it out."""
        cut_off.wait_until_not_ready()
        assert 200 == cut_off.rest.send("GET", "/livez").status
        error = checked_error(cut_off.rest.send("GET", "/readyz"))
        assert 503 == error["status"]

    @pytest.mark.parametrize(
        ("method", "path", "body"), [("POST", "", HELLO), ("GET", "", HELLO), ("GET", "/hello", None)]
    )
    def test_rest_says_503_within_the_deadline(
        self, cut_off: Gateway, method: str, path: str, body: bytes | None
    ) -> None:
        """Nothing was written, and the answer says when to come back."""
        began = time.monotonic()
        response = cut_off.rest.send(method, f"/produce/any{path}", body=body, headers={"Request-Timeout": "5"})
        took_s = time.monotonic() - began

        error = checked_error(response)
        assert (503, "BROKERS_UNAVAILABLE") == (response.status, error["reason"])
        assert ("no", True) == (error["delivered"], error["retriable"])
        assert int(response.headers["Retry-After"]) >= 1
        assert took_s < 5.5

    def test_once_known_the_503_comes_at_once(self, cut_off: Gateway) -> None:
        """Callers do not wait for what is known to be down."""
        cut_off.wait_until_not_ready()
        cut_off.rest.send("POST", "/produce/any", body=HELLO)
        began = time.monotonic()
        response = cut_off.rest.send("POST", "/produce/any", body=HELLO)
        took_s = time.monotonic() - began

        assert 503 == response.status
        assert took_s < 0.5

    def test_grpc_says_unavailable(self, cut_off: Gateway) -> None:
        """The same reason, with a retry delay."""
        with NativeClient.opened(cut_off.address) as client:
            answer = client.produce([record_pb2.Record(topic="any", value=b"v")], MYUSER, timeout_s=5)

        assert grpc.StatusCode.UNAVAILABLE is answer.code
        assert "BROKERS_UNAVAILABLE" == answer.error_info.reason
        assert answer.retry_delay_s is not None

    def test_an_invalid_request_is_told_so_all_the_same(self, cut_off: Gateway) -> None:
        """What only the caller can mend is not hidden behind an outage."""
        assert 400 == cut_off.rest.send("POST", "/produce/any", body=b"{}").status
        assert 401 == cut_off.rest.send("POST", "/produce/any", headers={"Authorization": "Basic eDp5"}).status


class TestSlowBroker:
    """The broker holds its answers back."""

    def test_deadline_passed_is_504_and_unknown(
        self, gateway: Gateway, apache_kafka: ApacheKafka, topic_name: Callable[[], str]
    ) -> None:
        """The caller's own deadline counts, and no `no` is claimed for what was sent."""
        topic = topic_name()
        apache_kafka.create_topic(topic)
        assert 200 == gateway.rest.send("POST", f"/produce/{topic}", body=HELLO).status
        with apache_kafka.paused():
            began = time.monotonic()
            response = gateway.rest.send("POST", f"/produce/{topic}", body=HELLO, headers={"Request-Timeout": "1"})
            took_s = time.monotonic() - began
        gateway.wait_until_ready()

        error = checked_error(response)
        assert (504, "DEADLINE_EXCEEDED", "unknown") == (response.status, error["reason"], error["delivered"])
        assert took_s < 2.0

    def test_grpc_deadline_reaches_the_gateway(
        self, gateway: Gateway, apache_kafka: ApacheKafka, topic_name: Callable[[], str]
    ) -> None:
        """The answer is the gateway's own, with its details, a little before the caller's library gives up.

        A tenth of a second before: on a busy machine one answer may come too late for that, but not every one.
        """
        topic = topic_name()
        apache_kafka.create_topic(topic)
        assert 200 == gateway.rest.send("POST", f"/produce/{topic}", body=HELLO).status
        record = record_pb2.Record(topic=topic, value=b"v")
        with (
            apache_kafka.paused(),
            NativeClient.opened(gateway.address) as client,
            ThreadPoolExecutor(max_workers=8) as callers,
        ):
            answers = list(callers.map(lambda n: client.produce([record], MYUSER, timeout_s=1 + n / 10), range(8)))
        gateway.wait_until_ready()

        assert {grpc.StatusCode.DEADLINE_EXCEEDED} == {answer.code for answer in answers}
        infos = [answer.error_info for answer in answers if answer.status.details]
        assert {("DEADLINE_EXCEEDED", "unknown")} == {(info.reason, info.metadata["delivered"]) for info in infos}

    def test_a_caller_who_hangs_up_recalls_nothing(
        self, gateway: Gateway, apache_kafka: ApacheKafka, topic_name: Callable[[], str]
    ) -> None:
        """The record is stored once, though nobody waits for the answer."""
        topic = topic_name()
        apache_kafka.create_topic(topic, partitions=1)
        assert 200 == gateway.rest.send("POST", f"/produce/{topic}", body=HELLO).status
        with apache_kafka.paused(), pytest.raises(TimeoutError):
            gateway.rest.send("POST", f"/produce/{topic}", body=b'{"value": "left"}', timeout_s=0.5)
        gateway.wait_until_ready()
        assert 200 == gateway.rest.send("POST", f"/produce/{topic}", body=HELLO).status

        values = [record.value for record in read_topic(apache_kafka.bootstrap_servers, topic)]
        assert [b"hello", b"left", b"hello"] == values


class TestNarrowGateway:
    """Small budgets and short patience."""

    def test_over_budget_is_429_at_once(
        self, narrow: Gateway, apache_kafka: ApacheKafka, topic_name: Callable[[], str]
    ) -> None:
        """With a delay to wait, on both protocols; what was admitted before is not harmed."""
        topic = topic_name()
        apache_kafka.create_topic(topic)
        assert 200 == narrow.rest.send("POST", f"/produce/{topic}", body=HELLO).status
        with apache_kafka.paused():
            # Each of these holds its place after its caller's deadline, until the broker tells its fate.
            for _ in range(10):
                held = narrow.rest.send("POST", f"/produce/{topic}", body=HELLO, headers={"Request-Timeout": "0.1"})
                assert 504 == held.status, held.body
            began = time.monotonic()
            refused = narrow.rest.send("POST", f"/produce/{topic}", body=HELLO)
            took_s = time.monotonic() - began
            with NativeClient.opened(narrow.address) as client:
                native = client.produce([record_pb2.Record(topic=topic, value=b"v")], MYUSER)
        wait_for(lambda: narrow.rest.send("POST", f"/produce/{topic}", body=HELLO).status == 200, "room", timeout_s=10)

        error = checked_error(refused)
        assert (429, "OVERLOADED", "no", True) == (
            refused.status,
            error["reason"],
            error["delivered"],
            error["retriable"],
        )
        assert int(refused.headers["Retry-After"]) >= 1
        assert took_s < 0.5
        assert grpc.StatusCode.RESOURCE_EXHAUSTED is native.code
        assert "OVERLOADED" == native.error_info.reason
        assert native.retry_delay_s is not None
        assert [b"hello"] * 12 == [record.value for record in read_topic(apache_kafka.bootstrap_servers, topic)]

    def test_a_body_that_does_not_come_is_408(self, narrow: Gateway) -> None:
        """The connection is answered, not just dropped."""
        headers = f"Host: x\r\nAuthorization: {MYUSER.authorization}\r\nContent-Length: 100\r\n"
        with socket.create_connection((LOOPBACK, narrow.port), timeout=10) as connection:
            connection.sendall(f'POST /produce/t HTTP/1.1\r\n{headers}\r\n{{"value"'.encode())
            answer = connection.makefile("rb").read()

        status_line, _, rest = answer.partition(b"\r\n")
        assert b"408" in status_line
        assert b'"BODY_TIMEOUT"' in rest
        assert b"content-type: application/json" in rest.lower()

    def test_unknown_fields_are_ignored_where_the_settings_say_so(
        self, narrow: Gateway, apache_kafka: ApacheKafka, topic_name: Callable[[], str]
    ) -> None:
        """For callers who send more than the contract has."""
        topic = topic_name()
        apache_kafka.create_topic(topic)

        response = narrow.rest.post_json(f"/produce/{topic}", {"value": "v", "trace": {"id": 1}})

        assert 200 == response.status, response.body
        assert [b"v"] == [record.value for record in read_topic(apache_kafka.bootstrap_servers, topic)]


def test_one_port_serves_both_protocols(gateway: Gateway) -> None:
    """Callers of gRPC and of REST share it."""
    with NativeClient.opened(gateway.address) as client:
        assert grpc.StatusCode.OK is client.produce([], MYUSER).code
    response = gateway.rest.send("POST", "/produce", body=b"[]")
    assert (200, []) == (response.status, response.json())
