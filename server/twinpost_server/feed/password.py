"""The caller's password, from where secrets may be."""

from __future__ import annotations

import getpass
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from twinpost_server.feed.errors import FeedError

__all__ = ["VARIABLE", "read_password"]

VARIABLE: Final = "TWINPOST_PASSWORD"


def read_password(user: str, file: Path | None, environment: Mapping[str, str]) -> str:
    """Return the first line of `file`, else the variable, else what is typed on the terminal.

    It is no flag, since every user of the machine can read those.

    Raises:
        FeedError: there is none of them, or it is no UTF-8, in which it is sent.
    """
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").partition("\n")[0].removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            msg = f"{file} cannot be read as text: {error}"
            raise FeedError(msg) from error
    if VARIABLE in environment:
        password = environment[VARIABLE]
        try:
            password.encode()
        except UnicodeEncodeError:
            msg = f"the password in {VARIABLE} is no UTF-8: give it in that encoding"
            raise FeedError(msg) from None
        return password
    try:
        with warnings.catch_warnings():
            # Without a terminal it would read standard input, which has the lines.
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(f"Password of {user}: ")
    except (getpass.GetPassWarning, EOFError) as error:
        msg = f"no terminal to ask for the password of {user} on: set {VARIABLE}, or use --password-file"
        raise FeedError(msg) from error
