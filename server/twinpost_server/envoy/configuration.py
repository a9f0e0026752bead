"""Envoy's configuration: `envoy/envoy.yaml` with what the settings say."""

from __future__ import annotations

import importlib.resources
from pathlib import Path as FilePath
from typing import Any, Final

from twinpost_server.config.settings import KIB, MIB, ListenSettings, Settings, TimeoutSettings, TlsSettings
from twinpost_server.envoy.admin import LASTING_CLUSTER, READY_CLUSTER, ROUTING_CLUSTER
from twinpost_server.envoy.document import Document, Path, TargetMissing

__all__ = ["ANSWER_MARGIN_S", "render"]

ANSWER_MARGIN_S: Final = 5.0
"""How much later than a worker Envoy gives up: the worker says more precisely what became of the records."""

_RESULT_BYTES_MAX: Final = KIB
"""What the answer for one record may take: a topic name of 249 characters twice over, numbers, an error's text."""

_ASSETS: Final = importlib.resources.files("twinpost_server") / "assets"

_LISTENER: Final[Path] = ("static_resources", "listeners", "public")
_HTTP: Final[Path] = (
    *_LISTENER,
    "filter_chains",
    0,
    "filters",
    "envoy.filters.network.http_connection_manager",
    "typed_config",
)
_TRANSCODER: Final[Path] = (*_HTTP, "http_filters", "envoy.filters.http.grpc_json_transcoder", "typed_config")
_HOST: Final[Path] = (*_HTTP, "route_config", "virtual_hosts", "all")
_ROUTES: Final[Path] = (*_HOST, "routes")
_MONITORS: Final[Path] = ("overload_manager", "resource_monitors")


def render(settings: Settings, run_dir: FilePath) -> str:
    """Return the configuration for `envoy -c`, as YAML.

    Args:
        settings: everything that may override a default of `envoy/envoy.yaml`.
        run_dir: where the sockets are: `worker-0.sock` to `worker-N.sock` of N workers, which leaves one slot for the
            new worker of a rolling restart, and `admin.sock`.

    Raises:
        TargetMissing: `envoy/envoy.yaml` lacks a part that a setting overrides.
    """
    document = Document((_ASSETS / "envoy.yaml").read_text(encoding="utf-8"))
    document.replace((*_TRANSCODER, "proto_descriptor"), str(_ASSETS / "twinpost_v1.binpb"))
    _set_sockets(document, run_dir, settings.workers.count)
    _set_listener(document, settings.listen)
    _set_limits(document, settings)
    _set_timeouts(document, settings.timeouts)
    _set_access_log(document, settings.envoy.access_log)
    _set_cors(document, settings.rest.cors_origins)
    if not settings.grpc.reflection:
        document.remove((*_ROUTES, "grpc-reflection"))
        document.remove((*_ROUTES, "grpc-reflection-alpha"))
    return (
        "# Written by twinpost from its settings; envoy/envoy.yaml, where it comes from, says why.\n"
        + document.to_yaml()
    )


def _set_sockets(document: Document, run_dir: FilePath, workers: int) -> None:
    document.replace(("admin", "address", "pipe", "path"), str(run_dir / "admin.sock"))
    slots = [run_dir / f"worker-{index}.sock" for index in range(workers + 1)]
    for cluster in (ROUTING_CLUSTER, LASTING_CLUSTER, READY_CLUSTER):
        document.replace(
            ("static_resources", "clusters", cluster, "load_assignment", "endpoints", 0, "lb_endpoints"),
            [{"endpoint": {"address": {"pipe": {"path": str(slot)}}}} for slot in slots],
        )


def _set_listener(document: Document, listen: ListenSettings) -> None:
    address: Path = (*_LISTENER, "address", "socket_address")
    document.replace((*address, "address"), listen.host)
    document.replace((*address, "port_value"), listen.port)
    if listen.host == "::":
        # Every interface means IPv4 too, also where the system's default for new sockets says otherwise.
        document.add((*address, "ipv4_compat"), value=True)
    if listen.tls.cert_file is not None:
        document.add((*_LISTENER, "filter_chains", 0, "transport_socket"), _tls(listen.tls))


def _tls(tls: TlsSettings) -> dict[str, Any]:
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
                "tls_certificates": [
                    {
                        "certificate_chain": {"filename": str(tls.cert_file)},
                        "private_key": {"filename": str(tls.key_file)},
                    }
                ],
            },
        },
    }


def _set_limits(document: Document, settings: Settings) -> None:
    limits = settings.limits
    body: Path = (*_TRANSCODER, "max_request_body_size")
    default_bytes = document[body]
    document.replace(body, limits.body_bytes_max)
    document.replace_text(
        (*_mapper(document, 413), "body_format_override", "json_format", "error"),
        f"{default_bytes} bytes",
        f"{limits.body_bytes_max} bytes",
    )
    document.replace((*_TRANSCODER, "max_response_body_size"), limits.request_records_max * _RESULT_BYTES_MAX + MIB)
    thresholds: Path = ("static_resources", "clusters", ROUTING_CLUSTER, "circuit_breakers", "thresholds", 0)
    document.replace((*thresholds, "max_requests"), limits.concurrent_requests_max)
    document.replace((*thresholds, "max_pending_requests"), limits.concurrent_requests_max)
    connections: Path = (*_MONITORS, "envoy.resource_monitors.global_downstream_max_connections", "typed_config")
    document.replace((*connections, "max_active_downstream_connections"), limits.connections_max)
    heap: Path = (*_MONITORS, "envoy.resource_monitors.fixed_heap", "typed_config")
    document.replace((*heap, "max_heap_size_bytes"), settings.envoy.heap_bytes_max)


def _mapper(document: Document, status: int) -> Path:
    """Return the path of the mapper that answers REST with `status`."""
    mappers: Path = (*_HTTP, "local_reply_config", "mappers")
    for index, mapper in enumerate(document[mappers]):
        if mapper["body_format_override"].get("json_format", {}).get("status") == status:
            return (*mappers, index)
    raise TargetMissing(mappers, status, "is answered by none of them")


def _set_timeouts(document: Document, timeouts: TimeoutSettings) -> None:
    answer_timeout_s = timeouts.request_timeout_s + ANSWER_MARGIN_S
    document.replace((*_HTTP, "request_timeout"), _duration(timeouts.body_timeout_s))
    document.replace((*_HTTP, "stream_idle_timeout"), _duration(timeouts.idle_timeout_s))
    connection: Path = (*_HTTP, "common_http_protocol_options")
    document.replace((*connection, "idle_timeout"), _duration(timeouts.idle_timeout_s))
    document.replace((*connection, "max_connection_duration"), _duration(timeouts.connection_age_max_s))
    document.replace(
        (*_HTTP, "http2_protocol_options", "connection_keepalive", "interval"),
        _duration(timeouts.keepalive_interval_s),
    )
    # Longer than body and answer may take together, so that it never speaks before the others.
    idle_timeout_s = timeouts.body_timeout_s + answer_timeout_s + 2 * ANSWER_MARGIN_S
    for name in ("rest", "grpc-unary"):
        document.replace((*_ROUTES, name, "route", "timeout"), _duration(answer_timeout_s))
        document.replace((*_ROUTES, name, "route", "idle_timeout"), _duration(idle_timeout_s))


def _duration(seconds: float) -> str:
    """Return `seconds`, within the bounds of the settings, in protobuf's JSON form, which takes no exponent."""
    return f"{seconds:g}s"


def _set_access_log(document: Document, wanted: str) -> None:
    if wanted == "none":
        document.replace((*_HTTP, "access_log"), [])
    elif wanted == "all":
        document.remove((*_HTTP, "access_log", "stderr", "filter"))


def _set_cors(document: Document, origins: tuple[str, ...]) -> None:
    if not origins:
        return
    policy: Path = (*_HOST, "typed_per_filter_config", "envoy.filters.http.cors")
    matchers = [{"safe_regex": {"regex": ".*"}} if origin == "*" else {"exact": origin} for origin in origins]
    document.replace((*policy, "allow_origin_string_match"), matchers)
    document.replace((*_ROUTES, "preflight", "match", "runtime_fraction", "default_value", "numerator"), 100)
