"""The way to a gateway: its address, credentials and TLS, for both of grpc's interfaces."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import grpc
from grpc import aio

__all__ = ["CALL_S_MAX", "TIMEOUT_S", "Metadata", "Tls", "aio_channel", "channel", "credentials"]

Metadata = tuple[tuple[str, str], ...]

TIMEOUT_S: Final = 30.0
"""How long a call may take unless told otherwise: as long as the gateway itself allows by default."""

CALL_S_MAX: Final = 1e9
"""Some thirty years; a deadline much further away is one that is over for grpc."""

_OPTIONS: Final[Sequence[tuple[str, int]]] = (
    # An answer to ten thousand records with long messages is larger than grpc's 4 MiB.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A gateway that vanished is found out while something is under way; an idle connection is left alone.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # By default grpc waits up to two minutes before it looks again for a gateway that was away.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """TLS to the gateway, each part in PEM.

    Attributes:
        root_certificates: who may have signed the gateway's certificate; `None` for the public ones.
        private_key: of a client certificate, if one is to be shown.
        certificate_chain: that certificate.
    """

    root_certificates: bytes | None = None
    private_key: bytes | None = None
    certificate_chain: bytes | None = None

    def __post_init__(self) -> None:
        """Check that a client certificate is whole.

        Raises:
            ValueError: it is not.
        """
        if (self.private_key is None) != (self.certificate_chain is None):
            msg = "private_key and certificate_chain belong together: give both, or neither"
            raise ValueError(msg)

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Return the same for grpc."""
        return grpc.ssl_channel_credentials(self.root_certificates, self.private_key, self.certificate_chain)


def channel(target: str, tls: Tls | None) -> grpc.Channel:
    """Return a channel to `target`, `host:port` or any other name that grpc resolves."""
    if tls is None:
        return grpc.insecure_channel(target, options=_OPTIONS)
    return grpc.secure_channel(target, tls.channel_credentials(), options=_OPTIONS)


def aio_channel(target: str, tls: Tls | None) -> aio.Channel:
    """Return the same for asyncio; must run on the loop that uses it."""
    if tls is None:
        return aio.insecure_channel(target, options=_OPTIONS)
    return aio.secure_channel(target, tls.channel_credentials(), options=_OPTIONS)


def credentials(user: str | None, password: str | None) -> Metadata:
    """Return the metadata that says who calls: HTTP Basic (RFC 7617), or nothing where there is no user.

    Raises:
        ValueError: one without the other, or a user's name with a colon.
    """
    if user is None and password is None:
        return ()
    if user is None or password is None or ":" in user:
        msg = "user and password belong together, and a user's name has no colon"
        raise ValueError(msg)
    return (("authorization", f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"),)
