"""The cluster under fault, and the table at the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.fault_cluster import GATEWAY_PASSWORD, GATEWAY_USER, FaultCluster
from tests.faults.table import Row, rendered
from tests.faults.trial import REQUEST_TIMEOUT_S, Trial
from tests.gateway.users import write_users_file

_ROWS = pytest.StashKey[list[Row]]()
_TEST_TIMEOUT_S = 240


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests of faults the time they take, and keep them on one worker of pytest-xdist."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(_TEST_TIMEOUT_S))
            item.add_marker(pytest.mark.xdist_group("faults"))


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the rows."""
    config.stash[_ROWS] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table."""
    rows = config.stash[_ROWS]
    if rows:
        terminalreporter.section("faults")
        terminalreporter.write_line(rendered(rows))


@pytest.fixture(scope="session")
def fault_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultCluster]:
    """Three brokers behind links that can be broken."""
    cluster = FaultCluster(tmp_path_factory.mktemp("faults"))
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def gateway_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the users file, and with the password that the gateway shows to the cluster."""
    directory = tmp_path_factory.mktemp("gateway-files")
    write_users_file(directory)
    (directory / "password").write_text(GATEWAY_PASSWORD, encoding="utf-8")
    return directory


@pytest.fixture
def trial(
    fault_cluster: FaultCluster, gateway_files: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Trial]:
    """The trial of this test; afterwards everything is whole again."""
    settings: dict[str, dict[str, Any]] = {
        "kafka": {
            "bootstrap_servers": fault_cluster.gateway_bootstrap_servers,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-256",
            "sasl_username": GATEWAY_USER,
            "sasl_password_file": str(gateway_files / "password"),
        },
        "auth": {"users_file": str(gateway_files / "users.toml")},
        "timeouts": {"request_timeout_s": REQUEST_TIMEOUT_S},
        "workers": {"count": 2},
    }
    trial = Trial(fault_cluster, tmp_path, settings, re.sub(r"[^a-z0-9]+", "-", request.node.name).strip("-"))
    try:
        yield trial
    finally:
        try:
            trial.close()
        finally:
            fault_cluster.heal()


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[Row], None]:
    """Puts a row into the table."""
    return request.config.stash[_ROWS].append
