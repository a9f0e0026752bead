"""The gateway under attack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.users import write_users_file
from tests.hostile.besieged import BODY_TIMEOUT_S, Besieged

_HERE = "tests/hostile/"


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give all tests of this folder to one worker of pytest-xdist, so that the shared gateway is started once."""
    for item in items:
        if item.nodeid.startswith(_HERE):
            item.add_marker(pytest.mark.xdist_group("hostile"))


@pytest.fixture(scope="session")
def users_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The users of every gateway here."""
    return write_users_file(tmp_path_factory.mktemp("users"))


@pytest.fixture(scope="session")
def shared_gateway(users_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    """One gateway with default limits and little patience with bodies."""
    with Besieged.running(tmp_path_factory.mktemp("besieged"), users_file, {}) as running:
        yield running


@pytest.fixture
def besieged(shared_gateway: Besieged) -> Iterator[Besieged]:
    """The gateway to attack; afterwards it must be as well as before."""
    yield shared_gateway
    shared_gateway.assert_unharmed()


@pytest.fixture(scope="session")
def shared_brisk_gateway(users_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    """One gateway with little patience altogether."""
    settings = {"timeouts": {"body_timeout_s": BODY_TIMEOUT_S, "request_timeout_s": 1}}
    with Besieged.running(tmp_path_factory.mktemp("brisk"), users_file, settings) as running:
        yield running


@pytest.fixture
def brisk(shared_brisk_gateway: Besieged) -> Iterator[Besieged]:
    """The impatient gateway to attack; afterwards it must be as well as before."""
    yield shared_brisk_gateway
    shared_brisk_gateway.assert_unharmed()
