"""grpcurl, which learns the contract from the gateway: the README's line, reflection and health."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.brokers.ledger import read_topic
from tests.brokers.prerequisites import needs_program
from tests.gateway.process import DevGateway

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
ADDRESS = "127.0.0.1:8080"
VERSION = "v1.9.3"
PRODUCER_SERVICE = "twinpost.v1.ProducerService"
BUILD_TIMEOUT_S = 600
NOT_FOUND = 64 + 5


@pytest.fixture(scope="module")
def grpcurl(pytestconfig: pytest.Config) -> Path:
    """The directory of the program, which Go builds once for each version."""
    directory = Path(pytestconfig.cache.mkdir(f"grpcurl-{VERSION}"))
    if not (directory / "grpcurl").exists():
        go = needs_program("go", "build grpcurl")
        subprocess.run(
            [go, "install", f"github.com/fullstorydev/grpcurl/cmd/grpcurl@{VERSION}"],
            check=True,
            env={**os.environ, "GOBIN": str(directory)},
            timeout=BUILD_TIMEOUT_S,
        )
    return directory


def run(grpcurl: Path, line: str) -> subprocess.CompletedProcess[str]:
    """Run `line` in a shell that finds grpcurl."""
    return subprocess.run(
        ["bash", "-c", line],  # noqa: S607 - the developer's bash
        check=False,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PATH": f"{grpcurl}{os.pathsep}{os.environ['PATH']}"},
        timeout=30,
    )


def answer(grpcurl: Path, line: str) -> Any:  # noqa: ANN401 - JSON is anything
    """Run `line`, which must succeed, and return the JSON that it prints."""
    ran = run(grpcurl, line)
    assert (0, "") == (ran.returncode, ran.stderr)
    return json.loads(ran.stdout)


def test_readme_line_produces(grpcurl: Path, dev_gateway: DevGateway) -> None:
    """It prints where the record is, and there it is."""
    [line] = [line for line in README.splitlines() if line.startswith("grpcurl ")]

    told = answer(grpcurl, line.replace(ADDRESS, dev_gateway.address))

    [result] = told["results"]
    place = result["metadata"]
    held = read_topic(dev_gateway.bootstrap_servers, place["topic"])
    # Protobuf's JSON leaves out what is zero, and has 64-bit numbers as text.
    [record] = [
        record
        for record in held
        if (record.partition, record.offset) == (place.get("partition", 0), int(place.get("offset", 0)))
    ]
    assert ("greetings", b"hello", int(place["timestamp"])) == (record.topic, record.value, record.timestamp)


def test_services_are_listed(grpcurl: Path, dev_gateway: DevGateway) -> None:
    """Those that callers can reach, and no other."""
    listed = run(grpcurl, f"grpcurl -plaintext {dev_gateway.address} list").stdout.split()

    assert {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection", PRODUCER_SERVICE} == set(listed)


def test_both_methods_are_described(grpcurl: Path, dev_gateway: DevGateway) -> None:
    """As the contract has them."""
    described = run(grpcurl, f"grpcurl -plaintext {dev_gateway.address} describe {PRODUCER_SERVICE}").stdout

    assert "rpc Produce ( .twinpost.v1.ProduceRequest ) returns ( .twinpost.v1.ProduceResponse );" in described
    assert (
        "rpc ProduceStream ( stream .twinpost.v1.ProduceStreamRequest ) "
        "returns ( stream .twinpost.v1.ProduceStreamResponse );"
    ) in described


@pytest.mark.parametrize("service", ["", PRODUCER_SERVICE])
def test_health_of_a_service_is_told(grpcurl: Path, dev_gateway: DevGateway, service: str) -> None:
    """Of the gateway as a whole, and of the one service it has."""
    request = json.dumps({"service": service})

    told = answer(grpcurl, f"grpcurl -plaintext -d '{request}' {dev_gateway.address} grpc.health.v1.Health/Check")

    assert {"status": "SERVING"} == told


def test_health_of_an_unknown_service_is_not_found(grpcurl: Path, dev_gateway: DevGateway) -> None:
    """As the health protocol has it."""
    request = json.dumps({"service": "twinpost.v1.NoSuchService"})

    ran = run(grpcurl, f"grpcurl -plaintext -d '{request}' {dev_gateway.address} grpc.health.v1.Health/Check")

    assert NOT_FOUND == ran.returncode
    assert "Code: NotFound" in ran.stderr


def test_details_of_an_error_are_shown(grpcurl: Path, dev_gateway: DevGateway) -> None:
    """grpcurl knows the types of `google.rpc` without being told."""
    request = json.dumps({"records": [{"topic": "greetings", "partition": -1}]})
    credentials = '-H "authorization: Basic $(printf myuser:mypass | base64)"'

    ran = run(
        grpcurl,
        f"grpcurl -plaintext {credentials} -d '{request}' {dev_gateway.address} {PRODUCER_SERVICE}/Produce",
    )

    assert 64 + 3 == ran.returncode
    for detail in ('"reason": "INVALID_RECORD"', '"delivered": "no"', '"field": "records[0].partition"'):
        assert detail in ran.stderr
