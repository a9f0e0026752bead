"""Envoy in front of stub workers."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from tests.brokers.ports import LOOPBACK, free_port
from tests.envoy.stub import StubWorker
from tests.gateway.rest import RestResponse
from twinpost_server.config.settings import EnvoySettings, Settings
from twinpost_server.envoy.binary import envoy_binary
from twinpost_server.envoy.configuration import render
from twinpost_server.envoy.document import Document

__all__ = [
    "ENVOY",
    "HTTP",
    "ROUTES",
    "CallEnd",
    "Front",
    "envoy_command",
    "eventually",
    "parse_settings",
    "read_response",
]

ENVOY = envoy_binary(EnvoySettings())

HTTP = (
    "static_resources",
    "listeners",
    "public",
    "filter_chains",
    0,
    "filters",
    "envoy.filters.network.http_connection_manager",
    "typed_config",
)
ROUTES = (*HTTP, "route_config", "virtual_hosts", "all", "routes")

Metadata = tuple[tuple[str, str | bytes], ...]

_TIMEOUT_S = 10.0


def parse_settings(**sections: Any) -> Settings:  # noqa: ANN401 - settings as in a TOML file
    """Return settings with `sections`, and defaults for the rest."""
    return Settings.model_validate(
        {"kafka": {"bootstrap_servers": "127.0.0.1:1"}, "auth": {"mode": "none"}, **sections}
    )


def eventually(condition: Callable[[], object], *, timeout_s: float = _TIMEOUT_S) -> None:
    """Return once `condition` is true.

    Raises:
        AssertionError: it was not, `timeout_s` long.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(0.02)


def envoy_command(configuration: Path) -> list[str | Path]:
    """Return the command that runs Envoy with the file `configuration`."""
    options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "error"]
    return [ENVOY, "-c", configuration, *options, "--file-flush-interval-msec", "20"]


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a native call ended.

    Attributes:
        code: its status.
        message: the status's text.
        trailers: its trailing metadata, by name.
        answer: the bytes of the answer, where the status is OK.
    """

    code: grpc.StatusCode
    message: str
    trailers: Mapping[str, str | bytes]
    answer: bytes | None

    def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        """Return the answer, which must be there and JSON."""
        assert self.answer is not None, self
        return json.loads(self.answer)

    @property
    def status(self) -> status_pb2.Status:
        """The rich status, which must be there and agree with the plain one."""
        details = self.trailers["grpc-status-details-bin"]
        assert isinstance(details, bytes)
        status = status_pb2.Status.FromString(details)
        assert (self.code.value[0], self.message) == (status.code, status.message)
        return status

    @property
    def error_info(self) -> error_details_pb2.ErrorInfo:
        """The ErrorInfo of the rich status, which must have one."""
        info = error_details_pb2.ErrorInfo()
        assert any(detail.Unpack(info) for detail in self.status.details), self
        return info


@dataclass(frozen=True, slots=True)
class Front:
    """A running Envoy; use `started`.

    Attributes:
        port: the public port.
        run_dir: where the sockets are.
        process: Envoy.
        tls: what to speak TLS with, where the port does.
    """

    port: int
    run_dir: Path
    process: subprocess.Popen[bytes]
    tls: ssl.SSLContext | None = None

    @classmethod
    @contextlib.contextmanager
    def started(
        cls,
        *,
        edit: Callable[[Document], None] = lambda _: None,
        workers: int = 1,
        port: int | None = None,
        **sections: Any,  # noqa: ANN401 - settings as in a TOML file
    ) -> Iterator[Front]:
        """Start Envoy with settings of `sections` and yield it once its port is open; end it afterwards.

        Args:
            edit: changes the configuration where no setting does, to make a test short.
            workers: as in the settings; none of them is started.
            port: the public port; a free one by default.
            sections: the settings.
        """
        port = port or free_port()
        listen = {**sections.pop("listen", {}), "port": port}
        settings = parse_settings(workers={"count": workers}, listen=listen, **sections)
        # Not pytest's directory, whose path may be too long for a unix socket.
        with tempfile.TemporaryDirectory(prefix="twinpost-") as directory:
            run_dir = Path(directory)
            document = Document(render(settings, run_dir))
            edit(document)
            (run_dir / "envoy.yaml").write_text(document.to_yaml(), encoding="utf-8")
            with (run_dir / "log").open("wb") as log:
                process = subprocess.Popen(
                    envoy_command(run_dir / "envoy.yaml"),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            certificate = settings.listen.tls.cert_file
            front = cls(
                port, run_dir, process, None if certificate is None else ssl.create_default_context(cafile=certificate)
            )
            try:
                eventually(front._is_up)
                yield front
            finally:
                process.kill()
                process.wait(10)

    def stop(self) -> None:
        """Ask Envoy to end (SIGTERM), and wait until it has written its log."""
        self.process.terminate()
        self.process.wait(10)

    @property
    def admin_socket(self) -> Path:
        """The socket of the admin interface."""
        return self.run_dir / "admin.sock"

    def worker_socket(self, index: int) -> Path:
        """Return the socket of a worker's slot."""
        return self.run_dir / f"worker-{index}.sock"

    def worker(self, index: int = 0) -> StubWorker:
        """Start a stub worker in a slot, and return it once requests are sent to it."""
        worker = StubWorker(self.worker_socket(index))
        try:
            eventually(lambda: worker.pid in {self.send(b"/produce").json().get("pid") for _ in range(3)})
        except BaseException:
            worker.kill()
            raise
        return worker

    def connect(self) -> socket.socket:
        """Return a new connection to the public port."""
        connection = socket.create_connection((LOOPBACK, self.port), _TIMEOUT_S)
        return connection if self.tls is None else self.tls.wrap_socket(connection, server_hostname=LOOPBACK)

    def send(
        self, target: bytes, method: bytes = b"GET", headers: Sequence[tuple[bytes, bytes]] = (), body: bytes = b""
    ) -> RestResponse:
        """Send one request over HTTP/1.1, every byte as given, and return its response."""
        lines = [method + b" " + target + b" HTTP/1.1", b"Host: test", *(b": ".join(header) for header in headers)]
        if body:
            lines.append(b"Content-Length: %d" % len(body))
        return self.exchange(b"\r\n".join([*lines, b"", body]), method=method.decode())

    def exchange(self, request: bytes, *, method: str = "GET") -> RestResponse:
        """Send the bytes of a request to `method` over a connection of its own, and return the response."""
        with self.connect() as connection:
            # The answer to a request that is refused early may come while it is still being sent.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(request)
            return read_response(connection, method)

    @contextlib.contextmanager
    def channel(self) -> Iterator[grpc.Channel]:
        """Yield a native gRPC client."""
        with grpc.insecure_channel(f"{LOOPBACK}:{self.port}") as channel:
            yield channel

    def call(
        self, method: str, request: bytes = b"", metadata: Metadata = (), *, timeout_s: float | None = _TIMEOUT_S
    ) -> CallEnd:
        """Call a unary native method with the bytes of a message, and return how that ended."""
        with self.channel() as channel:
            callable_: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
            call = callable_.future(request, metadata=metadata, timeout=timeout_s)
            failed = call.exception()
            trailers = dict(call.trailing_metadata() or ())
            return CallEnd(call.code(), call.details() or "", trailers, None if failed else call.result())

    def stat(self, name: str) -> int:
        """Return a statistic of Envoy's."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.admin_socket))
            connection.sendall(b"GET /stats?format=json&filter=^%b$ HTTP/1.1\r\nHost: x\r\n\r\n" % name.encode())
            (found,) = read_response(connection).json()["stats"]
        value: int = found["value"]
        return value

    def log(self) -> list[dict[str, Any]]:
        """Return the lines of the access log so far."""
        lines = (self.run_dir / "log").read_text(encoding="utf-8", errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def _is_up(self) -> bool:
        assert self.process.poll() is None, (self.run_dir / "log").read_text(encoding="utf-8")
        try:
            return 200 == self.send(b"/livez").status
        except OSError:
            return False


def read_response(connection: socket.socket, method: str = "GET") -> RestResponse:
    """Return the response to `method` that comes over `connection`."""
    response = HTTPResponse(connection, method=method)
    with contextlib.closing(response):
        response.begin()
        return RestResponse(response.status, response.headers, response.read())
