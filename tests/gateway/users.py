"""The users of a gateway under test."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import NamedTuple

__all__ = ["CLERK", "MYUSER", "User", "write_users_file"]


class User(NamedTuple):
    """A name and its password."""

    name: str
    password: str

    @property
    def authorization(self) -> str:
        """The value of an `Authorization` header, HTTP Basic (RFC 7617)."""
        return f"Basic {b64encode(f'{self.name}:{self.password}'.encode()).decode()}"


MYUSER = User("myuser", "mypass")
"""May write every topic."""

CLERK = User("clerk", "Pa:ss wörd")
"""May write topics that begin with `orders.` only; the password has what passwords may have."""


def write_users_file(directory: Path) -> Path:
    """Make a users file in `directory` with the command users have for it, and return its path."""
    path = directory / "users.toml"
    for user, pattern in ((MYUSER, "*"), (CLERK, "orders.*")):
        subprocess.run(
            [sys.executable, "-m", "twinpost_server", "user", "add", "--file", path, "--topic", pattern, user.name],
            input=f"{user.password}\n",
            encoding="utf-8",
            check=True,
            capture_output=True,
            timeout=30,
        )
    return path
