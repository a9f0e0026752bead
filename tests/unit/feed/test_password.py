"""The caller's password, from where secrets may be."""

from __future__ import annotations

import getpass
import warnings
from pathlib import Path

import pytest

from twinpost_server.feed.errors import FeedError
from twinpost_server.feed.password import read_password


@pytest.mark.parametrize(("content", "password"), [("secret\n", "secret"), ("se cret\r\nmore\n", "se cret"), ("", "")])
def test_file_comes_first(tmp_path: Path, content: str, password: str) -> None:
    """Its first line."""
    path = tmp_path / "password"
    path.write_text(content, encoding="utf-8", newline="")
    assert password == read_password("clerk", path, {"TWINPOST_PASSWORD": "other"})


def test_variable_is_next() -> None:
    """Also where it is empty."""
    assert "" == read_password("clerk", None, {"TWINPOST_PASSWORD": ""})


def test_variable_that_is_no_text_is_told() -> None:
    """Without showing it."""
    with pytest.raises(FeedError, match="the password in TWINPOST_PASSWORD is no UTF-8") as raised:
        read_password("clerk", None, {"TWINPOST_PASSWORD": "secr\udce9t"})
    assert "secr" not in str(raised.value)


def test_terminal_is_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """The question says whose it is."""
    monkeypatch.setattr(getpass, "getpass", lambda prompt: f"typed at {prompt}")
    assert "typed at Password of clerk: " == read_password("clerk", None, {})


def test_without_a_terminal_it_is_said_where_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input is not read for it: that has the lines."""

    def without_terminal(_prompt: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        pytest.fail("standard input was read")

    monkeypatch.setattr(getpass, "getpass", without_terminal)
    with pytest.raises(FeedError, match="set TWINPOST_PASSWORD, or use --password-file"):
        read_password("clerk", None, {})


def test_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """By its name."""
    with pytest.raises(FeedError, match="no such file cannot be read"):
        read_password("clerk", tmp_path / "no such file", {})
