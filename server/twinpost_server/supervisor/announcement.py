"""What the operator reads once a gateway serves."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import Final

from rich.console import Console

from twinpost_server import console
from twinpost_server.config.settings import AuthSettings, ListenSettings, Settings
from twinpost_server.supervisor.run_directory import RunDirectory

__all__ = ["address", "announce"]

_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on


def announce(settings: Settings, run_directory: RunDirectory) -> None:
    """Write where the gateway of `twinpost serve` is, and how to try it, to standard output."""
    if not settings.envoy.enabled:
        console.show_notice(
            Console(),
            f"{settings.workers.count} worker processes serve on {run_directory.worker_socket(0)} and following "
            "sockets; no Envoy was started (envoy.enabled)",
        )
        return
    url = f"http{'s' if settings.listen.tls.cert_file else ''}://{address(settings.listen)}"
    credentials = "" if settings.auth.mode == "none" else " -u USER:PASSWORD"
    console.show_started(
        Console(),
        address=url,
        grpc_address=address(settings.listen),
        kafka=settings.kafka.bootstrap_servers,
        workers=settings.workers.count,
        user=_who(settings.auth),
        example=f"curl {url}/produce/TOPIC/hello_kafka{credentials}",
    )


def address(listen: ListenSettings) -> str:
    """Return `host:port` that a caller on this machine may use."""
    host = "127.0.0.1" if listen.host in _EVERYWHERE else listen.host
    is_v6 = isinstance(ip_address(host), IPv6Address)
    return f"[{host}]:{listen.port}" if is_v6 else f"{host}:{listen.port}"


def _who(auth: AuthSettings) -> str:
    return "anybody (auth.mode is none)" if auth.mode == "none" else f"those in {auth.users_file}"
