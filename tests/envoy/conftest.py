"""The Envoys that tests share: one per configuration, each with one stub worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.envoy.front import HTTP, ROUTES, Front
from twinpost_server.envoy.document import Document

_HERE = "tests/envoy/"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give all tests of this folder to one worker of pytest-xdist, so that the shared Envoys are started once."""
    for item in items:
        if item.nodeid.startswith(_HERE):
            item.add_marker(pytest.mark.xdist_group("envoy"))


@pytest.fixture(scope="session")
def front() -> Iterator[Front]:
    """Envoy as configured by default, except that it logs everything and allows one origin."""
    with (
        Front.started(envoy={"access_log": "all"}, rest={"cors_origins": ["http://console.example"]}) as started,
        started.worker(),
    ):
        yield started


@pytest.fixture(scope="session")
def plain_front() -> Iterator[Front]:
    """Envoy with the defaults of the settings, and without reflection."""
    with Front.started(grpc={"reflection": False}) as started, started.worker():
        yield started


@pytest.fixture(scope="session")
def brisk_front() -> Iterator[Front]:
    """Envoy with little patience and little room."""

    def edit(document: Document) -> None:
        document.replace((*HTTP, "request_headers_timeout"), "0.5s")
        document.replace((*HTTP, "stream_flush_timeout"), "0.5s")
        for route in ("rest", "grpc-unary"):
            document.replace((*ROUTES, route, "route", "timeout"), "1.5s")
        document.replace(
            ("static_resources", "listeners", "public", "per_connection_buffer_high_watermark_timeout"), "0.5s"
        )

    limits = {"body_bytes_max": 2048, "record_bytes_max": 1024, "concurrent_requests_max": 2}
    timeouts = {"body_timeout_s": 1, "idle_timeout_s": 1}
    with Front.started(edit=edit, limits=limits, timeouts=timeouts) as started, started.worker():
        yield started
