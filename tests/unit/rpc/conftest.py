"""A gateway for each test that asks for one."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.unit.rpc.served import Gateway


@pytest.fixture
def socket_directory() -> Iterator[Path]:
    """A directory whose name is short enough for a unix socket's address."""
    with tempfile.TemporaryDirectory(prefix="tp-") as directory:
        yield Path(directory)


@pytest.fixture
async def gateway(socket_directory: Path) -> AsyncIterator[Gateway]:
    """A gateway with the usual topics and limits."""
    async with Gateway.opened(socket_directory) as gateway:
        yield gateway
