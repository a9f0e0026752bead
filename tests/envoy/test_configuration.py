"""`envoy/envoy.yaml` and what the settings make of it."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from tests.envoy.front import ENVOY, HTTP, parse_settings
from twinpost_server.config.settings import EnvoySettings
from twinpost_server.core.errors import Delivered, Failure, Reason
from twinpost_server.envoy import configuration
from twinpost_server.envoy.binary import envoy_binary
from twinpost_server.envoy.configuration import render
from twinpost_server.envoy.document import Document, TargetMissing
from twinpost_server.rpc.rich_error import to_status

_ROOT = Path(__file__).parents[2]
_FILE = _ROOT / "envoy" / "envoy.yaml"
_DEFAULT_RUN_DIR = Path("/run/twinpost")


def _validate(path: Path) -> str:
    """Return what Envoy has to say against the configuration in `path`: nothing, where all is well."""
    command: list[str | Path] = [ENVOY, "--mode", "validate", "--log-level", "warning", "-c", path]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=30, check=False)
    return done.stderr.strip() or ("" if 0 == done.returncode else f"exit code {done.returncode}")


def test_the_file_as_checked_in_is_valid() -> None:
    """From the top of the project, without a warning of something deprecated or unfinished."""
    assert "" == _validate(_FILE)


def test_the_defaults_of_the_settings_are_the_values_of_the_file() -> None:
    """So that the file is true as documentation, and as a configuration beside `twinpost serve --no-envoy`."""
    expected = Document(_FILE.read_text(encoding="utf-8"))
    actual = Document(render(parse_settings(), _DEFAULT_RUN_DIR))
    descriptor = (*HTTP, "http_filters", "envoy.filters.http.grpc_json_transcoder", "typed_config", "proto_descriptor")
    assert (_ROOT / expected[descriptor]).read_bytes() == Path(actual[descriptor]).read_bytes()
    expected.replace(descriptor, actual[descriptor])

    assert yaml.safe_load(expected.to_yaml()) == yaml.safe_load(actual.to_yaml())


@pytest.mark.parametrize(
    "sections",
    [
        {"listen": {"host": "0.0.0.0", "port": 1}},  # noqa: S104 - nothing listens
        {"listen": {"host": "::", "port": 65535}},
        {"workers": {"count": 256}},
        {"grpc": {"reflection": False}, "rest": {"cors_origins": ["*"]}, "envoy": {"access_log": "all"}},
        {"rest": {"cors_origins": ["https://a.example", "https://b.example:8443"]}, "envoy": {"access_log": "none"}},
        {
            "limits": {
                "record_bytes_max": 1,
                "request_records_max": 1,
                "body_bytes_max": 1024,
                "in_flight_bytes_max": 1024**2,
                "in_flight_records_max": 1,
                "connections_max": 1,
                "concurrent_requests_max": 1,
            },
            "timeouts": {"request_timeout_s": 0.1, "body_timeout_s": 1, "idle_timeout_s": 1},
            "envoy": {"heap_bytes_max": 64 * 1024**2},
        },
        {
            "limits": {
                "request_records_max": 1_000_000,
                "body_bytes_max": 1024**3,
                "in_flight_bytes_max": 1024**3,
                "in_flight_records_max": 1_000_000,
                "connections_max": 10_000_000,
                "concurrent_requests_max": 10_000_000,
            },
            "timeouts": {"request_timeout_s": 3600, "body_timeout_s": 3600, "idle_timeout_s": 86_400},
            "envoy": {"heap_bytes_max": 1024**4},
        },
        {"timeouts": {"request_timeout_s": 1234.5678, "body_timeout_s": 1.05, "idle_timeout_s": 1e1}},
    ],
)
def test_every_rendering_is_valid(tmp_path: Path, sections: dict[str, dict[str, Any]]) -> None:
    """At the bounds of the settings and between them."""
    path = tmp_path / "envoy.yaml"
    path.write_text(render(parse_settings(**sections), _DEFAULT_RUN_DIR), encoding="utf-8")

    assert "" == _validate(path)


def test_a_setting_without_a_target_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file was changed and the code was not."""
    (tmp_path / "envoy.yaml").write_text(
        _FILE.read_text(encoding="utf-8").replace("name: twinpost_ready", "name: renamed"), encoding="utf-8"
    )
    monkeypatch.setattr(configuration, "_ASSETS", tmp_path)

    with pytest.raises(TargetMissing, match="twinpost_ready"):
        render(parse_settings(), _DEFAULT_RUN_DIR)


def _native_errors() -> dict[str, tuple[str, str, str]]:
    """Return code, message and details in base64 of every local reply to native gRPC, by message."""
    errors = {}
    for mapper in Document(_FILE.read_text(encoding="utf-8"))[*HTTP, "local_reply_config", "mappers"]:
        headers = {item["header"]["key"]: item["header"]["value"] for item in mapper.get("headers_to_add", ())}
        if "grpc-status" in headers:
            message = headers["grpc-message"]
            errors[message] = (headers["grpc-status"], message, headers["grpc-status-details-bin"])
    return errors


@pytest.mark.parametrize(("code", "message", "details"), _native_errors().values(), ids=_native_errors())
def test_the_native_errors_carry_what_a_worker_would_send(code: str, message: str, details: str) -> None:
    """The base64 of the file is the status of its code and message, with a reason of ours. It has no padding."""
    actual = status_pb2.Status.FromString(base64.b64decode(details + "=" * (-len(details) % 4), validate=True))
    info, *more = _unpacked(actual)
    assert isinstance(info, error_details_pb2.ErrorInfo)
    failure = Failure(reason=Reason(info.reason), message=message, delivered=Delivered(info.metadata["delivered"]))
    expected = to_status(failure)

    assert _unpacked(expected) == [info, *more]
    assert (expected.code, expected.message) == (actual.code, actual.message)
    assert code == str(actual.code)


def _unpacked(status: status_pb2.Status) -> list[Message]:
    """Return the details of `status`; packed, those with a map need not be equal byte for byte."""
    details: list[Message] = []
    for packed in status.details:
        kind = error_details_pb2.DESCRIPTOR.message_types_by_name[packed.TypeName().rpartition(".")[2]]
        detail = GetMessageClass(kind)()
        packed.Unpack(detail)
        details.append(detail)
    return details


def test_envoy_is_the_one_of_the_settings_or_of_the_package() -> None:
    """A program, not the package's Python script."""
    assert Path("/opt/envoy") == envoy_binary(EnvoySettings(binary=Path("/opt/envoy")))
    assert b"\x7fELF" == ENVOY.read_bytes()[:4] or b"\xcf\xfa\xed\xfe" == ENVOY.read_bytes()[:4]
