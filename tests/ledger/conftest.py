"""How much there is to do, and what is told at the end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

_LEDGERS = pytest.StashKey[list[str]]()
_TEST_TIMEOUT_S = 1200


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give these tests the time they take."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(_TEST_TIMEOUT_S))


def pytest_configure(config: pytest.Config) -> None:
    """Make room for what is told."""
    config.stash[_LEDGERS] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print it."""
    texts = config.stash[_LEDGERS]
    if texts:
        terminalreporter.section("ledger")
        terminalreporter.write_line("\n\n".join(texts))


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Prints a text at the end of the run."""
    return request.config.stash[_LEDGERS].append


@pytest.fixture(scope="session")
def records() -> int:
    """How many records there are to be."""
    return int(os.environ.get("TWINPOST_LEDGER_RECORDS", "1000000"))


@pytest.fixture(scope="session")
def samples_file() -> Path | None:
    """Where every sample of memory goes, if anybody wants it."""
    name = os.environ.get("TWINPOST_LEDGER_SAMPLES")
    return None if name is None else Path(name)
