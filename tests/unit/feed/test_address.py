"""The gateway's address, as people write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinpost.client import Tls
from twinpost_server.feed.address import Address, TlsFiles
from twinpost_server.feed.errors import FeedError


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("gateway.example:9000/", "gateway.example:9000"),
        ("http://gateway.example", "gateway.example:80"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_plain_address_has_no_tls(url: str, target: str) -> None:
    """With the port of its scheme where it names none."""
    assert Address(target, None) == Address.parsed(url, TlsFiles())


def test_https_is_tls_with_what_the_files_hold(tmp_path: Path) -> None:
    """By default, with the public authorities."""
    files = TlsFiles(tmp_path / "ca", tmp_path / "certificate", tmp_path / "key")
    for file in files:
        assert file is not None
        file.write_bytes(file.name.encode())
    assert Address("x:443", Tls()) == Address.parsed("https://x", TlsFiles())
    assert Address(
        "x:8443", Tls(root_certificates=b"ca", certificate_chain=b"certificate", private_key=b"key")
    ) == Address.parsed("https://x:8443", files)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://x", "expected http://HOST:PORT or https://HOST:PORT"),
        ("grpc://x:8080", "expected http://HOST:PORT or https://HOST:PORT"),
        ("http://x:0", "expected http://HOST:PORT"),
        ("http://x:99999", "Port out of range"),
        ("http://x:8080/produce/greetings", "expected http://HOST:PORT"),
        ("http://", "expected http://HOST:PORT"),
        ("http://x:8080?a=b", "expected http://HOST:PORT"),
    ],
)
def test_other_address_is_refused(url: str, problem: str) -> None:
    """With what was expected."""
    with pytest.raises(FeedError, match=problem):
        Address.parsed(url, TlsFiles())


@pytest.mark.parametrize("rest", ["x:8080", "x:99999", "x:8080/produce", "[::1"])
def test_credentials_in_the_address_are_refused_and_not_repeated(rest: str) -> None:
    """Addresses end up in logs and lists of processes."""
    with pytest.raises(FeedError, match="must not hold credentials") as raised:
        Address.parsed(f"http://clerk:secret@{rest}", TlsFiles())
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "files", "problem"),
    [
        ("http://x:1", TlsFiles(ca=Path("ca")), "are for TLS: use https://x:1"),
        ("https://x:1", TlsFiles(certificate=Path("c")), "belong together"),
        ("https://x:1", TlsFiles(key=Path("k")), "belong together"),
        ("https://x:1", TlsFiles(ca=Path("no such file")), "no such file cannot be read: No such file"),
    ],
)
def test_files_that_fit_together_with_nothing_are_refused(url: str, files: TlsFiles, problem: str) -> None:
    """Rather than ignored."""
    with pytest.raises(FeedError, match=problem):
        Address.parsed(url, files)
