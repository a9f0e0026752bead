"""HTTP/1.1, HTTP/2 with and without TLS, by a client that people use: curl."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.brokers.ports import LOOPBACK
from tests.brokers.prerequisites import needs_program
from tests.envoy import http2
from tests.envoy.front import Front, read_response

_PRODUCE = "/twinpost.v1.ProducerService/Produce"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    openssl = needs_program("openssl", "make a certificate for the tests of TLS")
    directory = tmp_path_factory.mktemp("tls")
    chain, key = directory / "chain.pem", directory / "key.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "1", "-subj", "/CN=localhost", "-addext", f"subjectAltName=IP:{LOOPBACK}"),
            *("-keyout", key, "-out", chain),
        ],
        check=True,
        capture_output=True,
    )
    return chain, key


@pytest.fixture(scope="module")
def tls_front(certificate: tuple[Path, Path]) -> Iterator[Front]:
    """Envoy with TLS on its port."""
    chain, key = (str(path) for path in certificate)
    with Front.started(listen={"tls": {"cert_file": chain, "key_file": key}}) as front, front.worker():
        yield front


def _curl(url: str, *arguments: str | Path) -> tuple[str, bytes]:
    """Return the version of HTTP that curl spoke, and the body it got."""
    curl = needs_program("curl", "call the gateway as people do")
    command = [curl, "--silent", "--show-error", "--fail", "--max-time", "10", *arguments]
    done = subprocess.run([*command, "--write-out", "%{http_version}", url], check=True, capture_output=True)
    return done.stdout[done.stdout.rindex(b"}") + 1 :].decode(), done.stdout[: done.stdout.rindex(b"}") + 1]


@pytest.mark.parametrize(
    ("flags", "version"),
    [
        (["--http1.1"], "1.1"),
        (["--http2-prior-knowledge"], "2"),
        # It asks for an upgrade to HTTP/2, which a server may ignore. Java's client does the same.
        (["--http2"], "1.1"),
    ],
)
def test_one_port_speaks_both_versions_in_plain_text(front: Front, flags: list[str], version: str) -> None:
    """For REST, with a body."""
    spoken, body = _curl(f"http://{LOOPBACK}:{front.port}/produce/t", *flags, "-d", '{"value":"a"}')

    assert (version, "/produce/t") == (spoken, json.loads(body)["target"])


@pytest.mark.parametrize(("flag", "version"), [("--http1.1", "1.1"), ("--http2", "2")])
def test_one_port_speaks_both_versions_in_tls(
    tls_front: Front, certificate: tuple[Path, Path], flag: str, version: str
) -> None:
    """ALPN decides."""
    url = f"https://{LOOPBACK}:{tls_front.port}/produce/t"
    spoken, body = _curl(url, flag, "--cacert", certificate[0], "-u", "myuser:mypass", "-d", '{"value":"a"}')

    assert (version, "/produce/t") == (spoken, json.loads(body)["target"])


def test_grpc_speaks_tls_on_the_same_port(tls_front: Front, certificate: tuple[Path, Path]) -> None:
    """With the same certificate."""
    credentials = grpc.ssl_channel_credentials(certificate[0].read_bytes())
    with grpc.secure_channel(f"{LOOPBACK}:{tls_front.port}", credentials) as channel:
        produce: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_PRODUCE)
        assert 3 == json.loads(produce(b"abc", timeout=10))["bytes"]


def test_old_tls_is_refused(tls_front: Front, certificate: tuple[Path, Path]) -> None:
    """RFC 8996: TLS before 1.2 is deprecated."""
    with pytest.raises(subprocess.CalledProcessError):
        _curl(f"https://{LOOPBACK}:{tls_front.port}/livez", "--tls-max", "1.1", "--cacert", certificate[0])


def test_requests_share_a_connection(front: Front) -> None:
    """HTTP/1.1 keeps it open, errors included."""
    request = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"
    with front.connect() as connection:
        statuses = []
        for target in (b"/produce/t", b"/nowhere", b"/produce/t?stub=raise", b"/produce/t"):
            connection.sendall(request % target)
            statuses.append(read_response(connection).status)

    assert [200, 404, 500, 200] == statuses


def test_a_bad_request_ends_its_stream_and_not_the_connection(front: Front) -> None:
    """Others may share it."""
    with front.connect() as connection:
        bad = http2.headers_frames(1, http2.get(b"/produce/t", (b"Upper-Case", b"x")))
        good = http2.headers_frames(3, http2.get(b"/produce/t"))
        connection.sendall(http2.PREFACE + bad + good)
        ended = []
        for received in http2.frames(connection):
            if received.ends_stream:
                ended.append((received.stream, received.kind == http2.Kind.RST_STREAM))
            if len(ended) == 2:
                break

    assert {(1, True), (3, False)} == set(ended)
