"""The files that connections to the brokers need: the password and the certificates of CAs."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

from twinpost_server.config.faults import ConfigError, Fault
from twinpost_server.config.settings import KafkaSettings

__all__ = ["read_password", "require_broker_files"]


def require_broker_files(kafka: KafkaSettings) -> None:
    """Return if a client can be made with the files that `kafka` names. Reads them, as that client will.

    Raises:
        ConfigError: with every fault; none of them quotes a path, which may be the password in the wrong place.
    """
    faults = [*_password_faults(kafka), *_ca_faults(kafka)]
    if faults:
        raise ConfigError(*faults)


def read_password(file: Path) -> str:
    """Return the password that `file` holds, without the end of its line.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    return file.read_text(encoding="utf-8").rstrip("\r\n")


def _password_faults(kafka: KafkaSettings) -> Iterator[Fault]:
    if kafka.sasl_password_file is None:
        return
    where = "kafka.sasl_password_file"
    try:
        password = read_password(kafka.sasl_password_file)
    except OSError as error:
        yield Fault(where, f"the file it names cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        yield Fault(where, f"the file it names is not UTF-8 at byte {error.start}: expected the password")
    else:
        if not password:
            yield Fault(where, "the file it names is empty: expected the password")


def _ca_faults(kafka: KafkaSettings) -> Iterator[Fault]:
    if kafka.ssl_ca_file is None or not kafka.security_protocol.endswith("SSL"):
        return
    where = "kafka.ssl_ca_file"
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if kafka.ssl_ca_file.is_dir():  # which librdkafka takes as well
            context.load_verify_locations(capath=kafka.ssl_ca_file)
        else:
            context.load_verify_locations(kafka.ssl_ca_file)
    except ssl.SSLError:  # its text is OpenSSL's own name for the place in its code
        yield Fault(where, "the file it names holds no certificate that can be read: expected certificates in PEM")
    except OSError as error:
        yield Fault(where, f"the file it names cannot be read: {error.strerror}")
