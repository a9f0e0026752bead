"""What the operator reads once a gateway serves."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinpost_server.config.settings import AuthSettings, EnvoySettings, KafkaSettings, ListenSettings, Settings
from twinpost_server.supervisor.announcement import address, announce
from twinpost_server.supervisor.run_directory import RunDirectory


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "127.0.0.1:8080"),
        ("0.0.0.0", "127.0.0.1:8080"),  # noqa: S104 - nothing listens in this test
        ("::", "127.0.0.1:8080"),
        ("::1", "[::1]:8080"),
    ],
)
def test_address_is_one_that_can_be_called(host: str, expected: str) -> None:
    """What is printed can be pasted, whatever the gateway listens on."""
    assert expected == address(ListenSettings(host=host))


@pytest.mark.parametrize(
    ("auth", "who", "example"),
    [
        (AuthSettings(mode="none"), "anybody", "curl http://127.0.0.1:8080/produce/TOPIC/hello_kafka\n"),
        (
            AuthSettings(users_file=Path("/etc/users.toml")),
            "those in /etc/users.toml",
            "curl http://127.0.0.1:8080/produce/TOPIC/hello_kafka -u USER:PASSWORD\n",
        ),
    ],
)
def test_example_has_credentials_where_they_are_needed(
    capsys: pytest.CaptureFixture[str], auth: AuthSettings, who: str, example: str
) -> None:
    """The example says what to fill in, and no more."""
    announce(Settings(kafka=KafkaSettings(bootstrap_servers="b:9092"), auth=auth), RunDirectory(Path("/r")))
    written = capsys.readouterr().out
    assert who in written
    assert example in written


def test_sockets_are_announced_where_there_is_no_envoy(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever runs Envoy beside twinpost needs to know where the workers are."""
    settings = Settings(
        kafka=KafkaSettings(bootstrap_servers="b:9092"),
        auth=AuthSettings(mode="none"),
        envoy=EnvoySettings(enabled=False),
    )
    announce(settings, RunDirectory(Path("/r")))
    expected = "1 worker processes serve on /r/worker-0.sock and following sockets; no Envoy was started"
    assert capsys.readouterr().out.startswith(expected)
