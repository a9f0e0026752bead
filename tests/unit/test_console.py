"""What people read on their terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from twinpost_server import __version__
from twinpost_server.config.faults import ConfigError, Fault
from twinpost_server.console import show_error, show_faults, show_notice, show_started, show_users
from twinpost_server.security.users import User


@pytest.fixture
def output() -> io.StringIO:
    """What is written."""
    return io.StringIO()


def plain(output: io.StringIO) -> Console:
    """Return a console that is no terminal, and narrow."""
    return Console(file=output, width=40, highlight=False)


def started(console: Console) -> None:
    """Say that a gateway serves."""
    show_started(
        console,
        address="http://127.0.0.1:8080",
        grpc_address="127.0.0.1:8080",
        kafka="127.0.0.1:19092 [in memory], a line over 40",
        workers=2,
        user="myuser, password mypass",
        example="curl http://127.0.0.1:8080/produce/greetings/hello_kafka -u myuser:mypass",
    )


def test_start_is_told_plainly_where_there_is_no_terminal(output: io.StringIO) -> None:
    """No colours, and every line stays one line however narrow the output is."""
    started(plain(output))
    assert f"""
twinpost {__version__} serves

  REST     http://127.0.0.1:8080
  gRPC     127.0.0.1:8080
  Kafka    127.0.0.1:19092 [in memory], a line over 40
  Workers  2
  User     myuser, password mypass

  Try it:

  curl http://127.0.0.1:8080/produce/greetings/hello_kafka -u myuser:mypass

Ctrl-C stops it.
""" == output.getvalue()


def test_terminal_gets_colours_and_the_same_words(output: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless NO_COLOR asks for none."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    started(Console(file=output, force_terminal=True, width=100))
    coloured = output.getvalue()
    output.truncate(0)
    monkeypatch.setenv("NO_COLOR", "1")
    started(Console(file=output, force_terminal=True, width=100))
    assert "\x1b[36mhttp://127.0.0.1:8080" in coloured
    assert "\x1b[36m" not in output.getvalue()


def test_faults_are_counted_and_listed(output: io.StringIO) -> None:
    """One line each, as it is: brackets are no markup, and long lines are not broken."""
    show_faults(plain(output), ConfigError(Fault("a.toml: [b]", "x" * 60), Fault("flag --port", "[red]y")))
    assert [
        "twinpost: the configuration has 2 faults",
        f"  a.toml: [b]: {'x' * 60}",
        "  flag --port: [red]y",
    ] == output.getvalue().splitlines()


def test_one_fault_is_not_told_in_the_plural(output: io.StringIO) -> None:
    """English."""
    show_faults(plain(output), ConfigError(Fault("a", "b")))
    assert "twinpost: the configuration has 1 fault\n  a: b\n" == output.getvalue()


def test_error_names_the_program(output: io.StringIO) -> None:
    """It may stand among the lines of others."""
    show_error(plain(output), "cannot [listen]\n  at all")
    assert "twinpost: cannot [listen]\n  at all\n" == output.getvalue()


def test_notice_is_one_line(output: io.StringIO) -> None:
    """However long it is."""
    show_notice(plain(output), "[x] " + "y" * 60)
    assert f"[x] {'y' * 60}\n" == output.getvalue()


def test_users_are_listed_by_name_in_columns(output: io.StringIO) -> None:
    """With their topics and without their hashes."""
    users = {name: User(name, "HASH", topics) for name, topics in (("shop", ("orders.*", "x")), ("anna", ()))}
    show_users(plain(output), users)
    assert ["anna", "shop  orders.*, x"] == [line.rstrip() for line in output.getvalue().splitlines()]


def test_no_users_are_no_lines(output: io.StringIO) -> None:
    """An empty file is listed as what it is."""
    show_users(plain(output), {})
    assert not output.getvalue()
