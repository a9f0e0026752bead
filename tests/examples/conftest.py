"""The examples, built, and a gateway that slows its callers down."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.brokers.embedded import EmbeddedBroker
from tests.examples.example import LANGUAGES, Example
from tests.gateway.process import Gateway
from tests.gateway.users import MYUSER


@pytest.fixture(scope="session", params=LANGUAGES)
def example(request: pytest.FixtureRequest) -> Example:
    """Each example, built."""
    built = Example(request.param)
    built.build()
    return built


@pytest.fixture(scope="session")
def strict_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """The broker behind `strict_gateway`."""
    started = EmbeddedBroker(tmp_path_factory.mktemp("strict-broker"))
    for topic in ("greetings", "cities"):
        started.create_topic(topic)
    yield started
    started.close()


@pytest.fixture(scope="session")
def strict_gateway(strict_broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway where `myuser` may send ten records a second: after the first batch the second has to wait."""
    directory = tmp_path_factory.mktemp("strict-gateway")
    users_file = directory / "users.toml"
    options = ["--file", str(users_file), "--records-per-s", "10", "--password-stdin"]
    subprocess.run(
        [sys.executable, "-m", "twinpost_server", "user", "add", *options, MYUSER.name],
        input=f"{MYUSER.password}\n",
        encoding="utf-8",
        check=True,
        capture_output=True,
        timeout=30,
    )
    settings = {
        "kafka": {"bootstrap_servers": strict_broker.bootstrap_servers},
        "auth": {"users_file": str(users_file)},
    }
    running = Gateway.serve(directory, settings)
    yield running
    assert 0 == running.stop()
