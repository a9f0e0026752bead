"""The files that connections to the brokers need."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinpost_server.config.broker_files import require_broker_files
from twinpost_server.config.faults import ConfigError
from twinpost_server.config.settings import KafkaSettings


def settings(**files: Path) -> KafkaSettings:
    """Return settings with SASL and TLS."""
    login = {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_username": "twinpost"}
    return KafkaSettings.model_validate({"bootstrap_servers": "127.0.0.1:1", **login, **files})


def faults(kafka: KafkaSettings) -> list[str]:
    """Return what is wrong with the files of `kafka`."""
    with pytest.raises(ConfigError) as error:
        require_broker_files(kafka)
    return list(map(str, error.value.faults))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"p\xe4ss", "is not UTF-8 at byte 1: expected the password"),
        (b"\r\n", "is empty: expected the password"),
    ],
)
def test_password_that_cannot_be_used_is_told(tmp_path: Path, content: bytes | None, problem: str) -> None:
    """Without its path: a password may stand in its place."""
    password = tmp_path / "password"
    if content is not None:
        password.write_bytes(content)
    assert [f"kafka.sasl_password_file: the file it names {problem}"] == faults(settings(sasl_password_file=password))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "holds no certificate that can be read: expected certificates in PEM"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB", "holds no certificate that can be read: expected certificates in PEM"),
    ],
)
def test_ca_that_cannot_be_used_is_told(tmp_path: Path, content: bytes | None, problem: str) -> None:
    """Before a client of the cluster says so in OpenSSL's words."""
    password, ca = tmp_path / "password", tmp_path / "ca.pem"
    password.write_text("secret", encoding="utf-8")
    if content is not None:
        ca.write_bytes(content)
    told = faults(settings(sasl_password_file=password, ssl_ca_file=ca))
    assert [f"kafka.ssl_ca_file: the file it names {problem}"] == told


def test_directory_of_cas_is_taken(tmp_path: Path) -> None:
    """As librdkafka takes it: OpenSSL looks there when it needs one."""
    password = tmp_path / "password"
    password.write_text("secret", encoding="utf-8")
    require_broker_files(settings(sasl_password_file=password, ssl_ca_file=tmp_path))


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    """Whoever mends one file learns of the other, too."""
    assert 2 == len(faults(settings(sasl_password_file=tmp_path / "password", ssl_ca_file=tmp_path / "ca.pem")))


def test_ca_that_nobody_reads_is_not_looked_at(tmp_path: Path) -> None:
    """Without TLS a client does not open it."""
    require_broker_files(KafkaSettings(bootstrap_servers="127.0.0.1:1", ssl_ca_file=tmp_path / "ca.pem"))
