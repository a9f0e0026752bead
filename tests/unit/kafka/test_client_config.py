"""librdkafka's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Producer

from twinpost_server.config.settings import KafkaSettings, LimitSettings, TimeoutSettings
from twinpost_server.kafka.client_config import connection_config, producer_config
from twinpost_server.kafka.isolation import ALONE
from twinpost_server.kafka.log import client_logger

BROKERS = "127.0.0.1:1"


def test_producer_is_idempotent_and_waits_for_all_replicas() -> None:
    """The settings that every promise of delivery rests on."""
    config = producer_config(KafkaSettings(bootstrap_servers=BROKERS), LimitSettings(), TimeoutSettings())
    expected = {"acks": "all", "enable.idempotence": True, "partitioner": "murmur2_random"}
    assert expected == {name: config[name] for name in expected}


@pytest.mark.parametrize("request_timeout_s", [0.1, 1.0, 30.0, 3600.0])
def test_producer_gives_up_before_the_request_does(request_timeout_s: float) -> None:
    """A record told as unknown is not written long afterwards."""
    timeouts = TimeoutSettings(request_timeout_s=request_timeout_s)
    config = producer_config(KafkaSettings(bootstrap_servers=BROKERS), LimitSettings(), timeouts)
    assert int(config["message.timeout.ms"]) <= max(100, request_timeout_s * 1000)


def test_sasl_password_comes_from_its_file(tmp_path: Path) -> None:
    """One newline at the end belongs to the editor, a space to the password."""
    password_file = tmp_path / "password"
    password_file.write_text("päss word \n", encoding="utf-8")
    kafka = KafkaSettings(
        bootstrap_servers=BROKERS,
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="gateway",
        sasl_password_file=password_file,
        ssl_ca_file=tmp_path / "ca.pem",
    )
    expected = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "gateway",
        "sasl.password": "päss word ",
        "ssl.ca.location": str(tmp_path / "ca.pem"),
    }
    config = connection_config(kafka)
    assert expected == {name: config[name] for name in expected}


def test_unreadable_password_file_is_told(tmp_path: Path) -> None:
    """A worker that cannot log in does not start."""
    kafka = KafkaSettings(
        bootstrap_servers=BROKERS,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_username="gateway",
        sasl_password_file=tmp_path / "absent",
    )
    with pytest.raises(FileNotFoundError):
        connection_config(kafka)


def test_plain_connection_names_no_password() -> None:
    """What is not set is not sent."""
    config = connection_config(KafkaSettings(bootstrap_servers=BROKERS))
    assert [] == [name for name in config if name.startswith(("sasl.", "ssl."))]


@pytest.mark.parametrize(
    ("limits", "timeouts", "linger_ms"),
    [
        pytest.param(LimitSettings(), TimeoutSettings(), 0.5, id="defaults"),
        pytest.param(
            LimitSettings(
                record_bytes_max=1, body_bytes_max=1024, in_flight_bytes_max=2**20, in_flight_records_max=10_000
            ),
            TimeoutSettings(request_timeout_s=0.1),
            0,
            id="smallest",
        ),
        pytest.param(
            LimitSettings(
                record_bytes_max=512 * 2**20,
                record_headers_max=100_000,
                body_bytes_max=2**30,
                in_flight_bytes_max=2**31,
                in_flight_records_max=10**7,
            ),
            TimeoutSettings(request_timeout_s=3600),
            1000,
            id="large",
        ),
    ],
)
def test_client_takes_what_the_settings_allow(
    limits: LimitSettings, timeouts: TimeoutSettings, linger_ms: float
) -> None:
    """Every name is known to librdkafka, and no value is out of its bounds."""
    kafka = KafkaSettings(bootstrap_servers=BROKERS, compression="zstd", linger_ms=linger_ms)
    config = producer_config(kafka, limits, timeouts)
    for settings in (config, {**config, **ALONE}):
        Producer(settings, logger=client_logger()).close()


def test_record_up_to_the_limit_fits_with_any_headers() -> None:
    """librdkafka's own limit never speaks before the gateway's."""
    limits = LimitSettings()
    config = producer_config(KafkaSettings(bootstrap_servers=BROKERS), limits, TimeoutSettings())
    assert int(config["message.max.bytes"]) >= limits.record_bytes_max + limits.record_headers_max * 10 + 100
