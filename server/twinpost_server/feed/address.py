"""The gateway's address, as people write it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from twinpost.client import Tls
from twinpost_server.feed.errors import FeedError

__all__ = ["Address", "TlsFiles"]

_PORTS = {"http": 80, "https": 443}


class TlsFiles(NamedTuple):
    """PEM files.

    Attributes:
        ca: who may have signed the gateway's certificate; `None` for the public ones.
        certificate: a client certificate, if one is to be shown.
        key: that one's key.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class Address(NamedTuple):
    """Where the gateway is.

    Attributes:
        target: `host:port`.
        tls: TLS, where it is to be used.
    """

    target: str
    tls: Tls | None

    @classmethod
    def parsed(cls, url: str, files: TlsFiles) -> Address:
        """Read `http://host:port`, `https://host:port` or `host:port`; only https uses `files`.

        Raises:
            FeedError: it is none of these, or names what belongs elsewhere; files that cannot be read, or have no use.
        """
        # First of all, since every other message shows the address.
        if "@" in url:
            msg = "--url must not hold credentials: use --user, and the variable or the file for the password"
            raise FeedError(msg)
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, scheme = parts.hostname, parts.scheme
            port = _PORTS.get(scheme) if parts.port is None else parts.port
        except ValueError as error:
            msg = f"--url {url}: {error}; {_EXPECTED}"
            raise FeedError(msg) from None
        elsewhere = parts.path.removeprefix("/") or parts.query or parts.fragment
        if not host or not port or scheme not in _PORTS or elsewhere:
            msg = f"--url {url}: {_EXPECTED}"
            raise FeedError(msg)
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if scheme == "http":
            if any(files):
                msg = f"--ca-file, --cert-file and --key-file are for TLS: use https://{target}"
                raise FeedError(msg)
            return cls(target, None)
        return cls(target, _tls(files))


_EXPECTED = "expected http://HOST:PORT or https://HOST:PORT"


def _tls(files: TlsFiles) -> Tls:
    if (files.certificate is None) != (files.key is None):
        msg = "--cert-file and --key-file belong together: give both, or neither"
        raise FeedError(msg)
    ca, certificate, key = (None if file is None else _content(file) for file in files)
    return Tls(root_certificates=ca, certificate_chain=certificate, private_key=key)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        msg = f"{file} cannot be read: {error.strerror}"
        raise FeedError(msg) from error
