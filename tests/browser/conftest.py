"""The page, built; a gateway that one origin may call; and what visits from both origins came to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2

from tests.brokers.embedded import EmbeddedBroker
from tests.browser.site import PAGE, Site
from tests.gateway.process import Gateway
from tests.gateway.users import write_users_file
from tests.npm_packages import install_npm_packages

_BUILD_TIMEOUT_S = 120


@pytest.fixture(scope="session")
def page() -> None:
    """The page with its stubs, made from the contract as it is now."""
    install_npm_packages(PAGE, "build the page")
    build = PAGE / "build"
    build.mkdir(exist_ok=True)
    files = descriptor_pb2.FileDescriptorSet()
    health_pb2.DESCRIPTOR.CopyToProto(files.file.add())
    (build / "health.binpb").write_bytes(files.SerializeToString())
    subprocess.run(
        ["npm", "run", "--silent", "build"],  # noqa: S607 - the developer's npm
        check=True,
        cwd=PAGE,
        # buf comes with the project's own tools.
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        timeout=_BUILD_TIMEOUT_S,
    )


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The origin that the gateway knows."""
    with Site.opened() as opened:
        yield opened


@pytest.fixture(scope="session")
def foreign_site() -> Iterator[Site]:
    """An origin that the gateway does not know."""
    with Site.opened() as opened:
        yield opened


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """A broker that holds what pages have sent, and nothing else."""
    started = EmbeddedBroker(tmp_path_factory.mktemp("pages-broker"))
    for topic in ("greetings", "cities"):
        started.create_topic(topic)
    yield started
    started.close()


@pytest.fixture(scope="session")
def open_gateway(site: Site, broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose `rest.cors_origins` names `site`."""
    directory = tmp_path_factory.mktemp("open-gateway")
    settings: dict[str, dict[str, Any]] = {
        "kafka": {"bootstrap_servers": broker.bootstrap_servers},
        "auth": {"users_file": str(write_users_file(directory))},
        "rest": {"cors_origins": [site.origin]},
    }
    running = Gateway.serve(directory, settings)
    yield running
    assert 0 == running.stop()


@pytest.fixture(scope="session")
def report(
    page: None,  # noqa: ARG001 - it must be built
    site: Site,
    open_gateway: Gateway,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What the calls of the page came to: each `value`, or each `error`."""
    return site.visit(open_gateway.url, tmp_path_factory.mktemp("visit"))


@pytest.fixture(scope="session")
def foreign_report(
    page: None,  # noqa: ARG001 - it must be built
    foreign_site: Site,
    open_gateway: Gateway,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """The same from the origin that the gateway does not know."""
    return foreign_site.visit(open_gateway.url, tmp_path_factory.mktemp("foreign-visit"))
