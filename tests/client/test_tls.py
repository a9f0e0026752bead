"""TLS to the gateway, and a client certificate for those who ask for one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest

from tests.brokers.ports import LOOPBACK
from tests.brokers.prerequisites import needs_program
from tests.client.doors import Door
from tests.client.fake_gateway import FakeGateway
from twinpost.client import Delivered, Record, RecordError, RecordMetadata, Tls


class Certificate(NamedTuple):
    """A certificate that vouches for itself, and its key, in PEM."""

    chain: bytes
    key: bytes


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """One for 127.0.0.1, as both the gateway's and the client's."""
    openssl = needs_program("openssl", "make a certificate for the tests of TLS")
    directory = tmp_path_factory.mktemp("tls")
    chain, key = directory / "chain.pem", directory / "key.pem"
    curve: tuple[str | Path, ...] = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subject: tuple[str | Path, ...] = ("-subj", "/CN=localhost", "-addext", f"subjectAltName=IP:{LOOPBACK}")
    files: tuple[str | Path, ...] = ("-keyout", key, "-out", chain)
    subprocess.run([openssl, "req", "-x509", "-days", "1", *curve, *subject, *files], check=True, capture_output=True)
    return Certificate(chain.read_bytes(), key.read_bytes())


@pytest.fixture
def tls_fake(certificate: Certificate) -> Iterator[FakeGateway]:
    """A gateway that speaks TLS only, and asks for a client certificate."""
    credentials = grpc.ssl_server_credentials(
        [(certificate.key, certificate.chain)], root_certificates=certificate.chain, require_client_auth=True
    )
    with FakeGateway.running(credentials) as gateway:
        yield gateway


async def test_client_shows_its_certificate_and_knows_the_gateways(
    door: Door, tls_fake: FakeGateway, certificate: Certificate
) -> None:
    """On calls and on streams."""
    tls = Tls(root_certificates=certificate.chain, private_key=certificate.key, certificate_chain=certificate.chain)
    [outcome] = await door.produce_many(tls_fake.address, [Record("greetings", b"call")], tls=tls)
    assert isinstance(outcome, RecordMetadata)
    async with door.publisher(tls_fake.address, tls=tls) as publisher:
        outcome = await publisher.outcome(await publisher.publish(Record("greetings", b"stream")))
    assert isinstance(outcome, RecordMetadata)
    assert [b"call", b"stream"] == tls_fake.values


@pytest.mark.parametrize("trusts", [False, True], ids=["unknown gateway", "no client certificate"])
async def test_handshake_that_fails_sends_nothing(
    door: Door, tls_fake: FakeGateway, certificate: Certificate, *, trusts: bool
) -> None:
    """So it is certain that nothing was written."""
    tls = Tls(root_certificates=certificate.chain if trusts else None)
    [outcome] = await door.produce_many(
        tls_fake.address, [Record("greetings", b"x")], tls=tls, timeout_s=2.0, retry=None
    )
    assert isinstance(outcome, RecordError)
    assert ("GATEWAY_UNAVAILABLE", Delivered.NO) == (outcome.reason, outcome.delivered)
    assert [] == tls_fake.values
