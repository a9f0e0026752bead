"""librdkafka's configuration, from twinpost's settings."""

from __future__ import annotations

from typing import Final

from twinpost_server.config.broker_files import read_password
from twinpost_server.config.settings import KIB, KafkaSettings, LimitSettings, TimeoutSettings

__all__ = ["BATCH_BYTES", "ClientConfig", "connection_config", "producer_config"]

ClientConfig = dict[str, str | int | float | bool]
"""librdkafka's configuration: CONFIGURATION.md's names to their values."""

BATCH_BYTES: Final = 1_000_000
"""How many bytes of records a producer gathers at most; Kafka's own default limit for a batch is 1 048 588."""

_HEADER_OVERHEAD_BYTES: Final = 16
"""What a header costs beside its bytes: two varints of at most five bytes, rounded up."""

_ANSWER_TIMEOUT_S: Final = 10.0
"""How long a broker may leave a produce request unanswered before its connection is given up as half-open, and the
idempotent producer sends the request again over a new one; less where a request's deadline would not allow for that."""


def connection_config(kafka: KafkaSettings) -> ClientConfig:
    """Return what every client of the cluster needs to connect.

    Names and meanings: librdkafka's CONFIGURATION.md.

    Raises:
        OSError: the password file cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    config: ClientConfig = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "client.id": kafka.client_id,
        "security.protocol": kafka.security_protocol,
        # The default waits up to 10 s between attempts: a cluster that is back would be found too late.
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1000,
        # With SASL that is five round trips, and a cluster may be slow without being down.
        "socket.connection.setup.timeout.ms": 20_000,
        "socket.keepalive.enable": True,
        "log.connection.close": False,
        # Sampling telemetry for the broker operator is not this product's to send unasked (KIP-714).
        "enable.metrics.push": False,
    }
    if kafka.sasl_mechanism is not None and kafka.sasl_password_file is not None:
        config |= {
            "sasl.mechanism": kafka.sasl_mechanism,
            "sasl.username": kafka.sasl_username or "",
            "sasl.password": read_password(kafka.sasl_password_file),
        }
    if kafka.ssl_ca_file is not None:
        config["ssl.ca.location"] = str(kafka.ssl_ca_file)
    return config


def producer_config(kafka: KafkaSettings, limits: LimitSettings, timeouts: TimeoutSettings) -> ClientConfig:
    """Return the configuration of a producer that acknowledges only what is stored on all in-sync replicas.

    Raises:
        OSError: the password file cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    request_timeout_ms = int(timeouts.request_timeout_s * 1000)
    answer_timeout_ms = min(int(_ANSWER_TIMEOUT_S * 1000), max(1000, request_timeout_ms // 3))
    headers_overhead_bytes = limits.record_headers_max * _HEADER_OVERHEAD_BYTES
    return connection_config(kafka) | {
        "acks": "all",
        # Retries inside librdkafka cannot store a record twice, nor in another order (KIP-98).
        "enable.idempotence": True,
        # With more than one, a leader that is new and has no state of this producer may refuse a batch and take the
        # next one, and librdkafka then counts the first one as acknowledged: it was in no log (measured; `Delivery`
        # does not believe it, and tells of it as unknown). Five is the most that keeps the order (KIP-98).
        "max.in.flight.requests.per.connection": kafka.in_flight_requests_max,
        # Where the Java client would put a keyed record; librdkafka's own default differs.
        "partitioner": "murmur2_random",
        "linger.ms": kafka.linger_ms,
        # Records without a key go to one partition for so long, and then to another: spread over all at once they would
        # make a batch for each. The default, twice linger.ms, is never where nothing lingers.
        "sticky.partitioning.linger.ms": 10,
        "compression.type": kafka.compression,
        "batch.size": BATCH_BYTES,
        # The limit that callers are told is checked by the use-case; this one only has to be above it.
        "message.max.bytes": limits.record_bytes_max + headers_overhead_bytes + 64 * KIB,
        # Give up a little before the request's own deadline, so that the answer is librdkafka's report where there is
        # one, and so that a record answered with 'unknown' is not written long after.
        "message.timeout.ms": max(100, request_timeout_ms - min(1000, request_timeout_ms // 10)),
        "socket.timeout.ms": answer_timeout_ms,
        # What the broker may spend on waiting for replicas; its own answer that time ran out comes before the above.
        "request.timeout.ms": answer_timeout_ms * 3 // 4,
        # The worker's budget refuses before librdkafka's queue is full: the queue's own limits stay out of reach.
        "queue.buffering.max.messages": limits.in_flight_records_max * 2,
        "queue.buffering.max.kbytes": limits.in_flight_bytes_max // KIB * 2 + limits.in_flight_records_max,
        "topic.metadata.propagation.max.ms": int(kafka.topic_lookup_timeout_s * 1000),
        "retry.backoff.ms": 50,
        "retry.backoff.max.ms": 1000,
    }
