"""Tests side by side: those that share a broker or a gateway stay on one worker of pytest-xdist."""

from __future__ import annotations

import os

import pytest


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="only `make test` runs tests side by side")
def test_groups_reach_the_scheduler(request: pytest.FixtureRequest) -> None:
    """Each test with a group carries it in its name, which is where the scheduler looks.

    Otherwise nothing fails: every worker silently starts brokers of its own.
    """
    grouped = [item for item in request.session.items if item.get_closest_marker("xdist_group") is not None]
    assert [] == [item.nodeid for item in grouped if "@" not in item.nodeid.rpartition("]")[2]]
