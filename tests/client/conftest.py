"""What the client's tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client.doors import AsyncioDoor, Door, ThreadsDoor
from tests.client.fake_gateway import FakeGateway


@pytest.fixture
def fake() -> Iterator[FakeGateway]:
    """A gateway that does what the test says."""
    with FakeGateway.running() as gateway:
        yield gateway


@pytest.fixture(params=[ThreadsDoor, AsyncioDoor], ids=["threads", "asyncio"])
def door(request: pytest.FixtureRequest) -> Door:
    """Each of the client's two interfaces."""
    made: Door = request.param()
    return made
