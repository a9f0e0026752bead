"""The settings' shape."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from twinpost_server.config.settings import KIB, MIB, ListenSettings, Settings

NEEDED: dict[str, Any] = {"kafka": {"bootstrap_servers": "127.0.0.1:9092"}, "auth": {"mode": "none"}}


def problems(settings: dict[str, Any]) -> list[str]:
    """Return what is wrong with `settings`, by section, over those that are needed."""
    with pytest.raises(ValidationError) as invalid:
        Settings.model_validate(NEEDED | settings)
    return [
        f"{'.'.join(map(str, error['loc']))}: {argument}"
        for error in invalid.value.errors()
        for argument in error["ctx"]["error"].args
    ]


def test_units_are_powers_of_two() -> None:
    """A kibibyte has 1024 bytes."""
    assert (2**10, 2**20) == (KIB, MIB)


def test_defaults_are_the_documented_ones() -> None:
    """A default changes only on purpose."""
    assert {
        "run_dir": None,
        "listen": {"host": "127.0.0.1", "port": 8080, "tls": {"cert_file": None, "key_file": None}},
        "kafka": {
            "bootstrap_servers": "127.0.0.1:9092",
            "security_protocol": "PLAINTEXT",
            "sasl_mechanism": None,
            "sasl_username": None,
            "sasl_password_file": None,
            "ssl_ca_file": None,
            "compression": "none",
            "linger_ms": 1.0,
            "in_flight_requests_max": 1,
            "client_id": "twinpost",
            "topic_lookup_timeout_s": 3.0,
        },
        "auth": {"mode": "none", "users_file": None, "verify_concurrency": 2},
        "limits": {
            "record_bytes_max": 1_048_576,
            "record_headers_max": 1000,
            "request_records_max": 10_000,
            "body_bytes_max": 16_777_216,
            "in_flight_bytes_max": 67_108_864,
            "in_flight_records_max": 200_000,
            "connections_max": 20_000,
            "concurrent_requests_max": 1024,
        },
        "timeouts": {
            "request_timeout_s": 30.0,
            "body_timeout_s": 60.0,
            "idle_timeout_s": 300.0,
            "connection_age_max_s": 1800.0,
            "keepalive_interval_s": 60.0,
            "drain_grace_s": 1.0,
            "drain_timeout_s": 10.0,
        },
        "rest": {"unknown_fields": "refuse", "cors_origins": ()},
        "grpc": {"reflection": True},
        "workers": {"count": 1, "restart_limit": 5, "restart_window_s": 60.0},
        "envoy": {
            "enabled": True,
            "binary": None,
            "concurrency": 1,
            "access_log": "errors",
            "heap_bytes_max": 1_073_741_824,
        },
        "log": {"level": "info", "format": "auto"},
    } == Settings.model_validate(NEEDED).model_dump()


def test_settings_cannot_change() -> None:
    """What was checked at the start stays what it was."""
    settings = Settings.model_validate(NEEDED)
    with pytest.raises(ValidationError):
        settings.listen.port = 1  # type: ignore[misc]


def test_settings_survive_the_way_to_a_worker() -> None:
    """The supervisor hands them over as JSON."""
    settings = Settings.model_validate(NEEDED | {"rest": {"cors_origins": ("https://a.example",)}, "run_dir": "/run/x"})
    assert settings == Settings.model_validate_json(settings.model_dump_json())


def test_limits_that_shut_each_other_out_are_all_named() -> None:
    """The largest record must fit into a body, the largest request into the budget."""
    limits = {
        "record_bytes_max": 2 * MIB,
        "body_bytes_max": MIB + 1,
        "in_flight_bytes_max": MIB,
        "request_records_max": 10,
        "in_flight_records_max": 9,
    }
    assert [
        "limits: record_bytes_max (2097152) is above body_bytes_max (1048577): such a record could never arrive",
        (
            "limits: in_flight_bytes_max (1048576) is below body_bytes_max (1048577): "
            "the largest allowed request could never be admitted"
        ),
        (
            "limits: in_flight_records_max (9) is below request_records_max (10): "
            "the largest allowed request could never be admitted"
        ),
    ] == problems({"limits": limits})


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"auth": {}}, "auth: no credentials are configured: "),
        ({"auth": {"mode": "none", "users_file": "x"}}, 'auth: auth.mode = "none" ignores users_file'),
        ({"listen": {"tls": {"cert_file": "x"}}}, "listen.tls: cert_file and key_file go together"),
        ({"listen": {"tls": {"key_file": "x"}}}, "listen.tls: cert_file and key_file go together"),
        (
            {"kafka": {"bootstrap_servers": "x", "security_protocol": "SASL_SSL", "sasl_username": "x"}},
            "kafka: SASL_SSL needs sasl_mechanism, sasl_username and sasl_password_file",
        ),
        (
            {"kafka": {"bootstrap_servers": "x", "security_protocol": "SSL", "sasl_username": "x"}},
            "kafka: sasl_* settings need security_protocol SASL_PLAINTEXT or SASL_SSL, not SSL",
        ),
        (
            {"kafka": {"bootstrap_servers": "x", "linger_ms": 100}, "timeouts": {"request_timeout_s": 1}},
            ": kafka.linger_ms (100), five times as long under heavy load, is half of timeouts.request_timeout_s (1)",
        ),
    ],
)
def test_settings_that_contradict_are_refused(settings: dict[str, Any], problem: str) -> None:
    """A section says what goes together in it."""
    (found,) = problems(settings)
    assert found.startswith(problem)


@pytest.mark.parametrize(("host", "address"), [("::0", "::"), ("0:0:0:0:0:0:0:1", "::1")])
def test_host_is_taken_in_its_usual_spelling(host: str, address: str) -> None:
    """Whoever compares it with every interface's need not know the others."""
    assert address == ListenSettings(host=host).host


@pytest.mark.parametrize("host", ["localhost", "gateway.example", "127.0.0.1:80", "[::1]"])
def test_host_that_is_no_address_is_refused(host: str) -> None:
    """Envoy would not start with it, and say so less clearly."""
    with pytest.raises(ValidationError, match="is not an IP address"):
        ListenSettings(host=host)
