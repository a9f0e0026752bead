"""More users in the users file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.scale.gateway import at_rest, lone_requests, memory_mib
from bench.scale_results import Point
from bench.stage import Stage
from tests.gateway.users import MYUSER
from twinpost_server.security.passwords import hash_password

__all__ = ["more_users"]

_COUNTS: Final = (1, 100, 1_000, 10_000)


def more_users(stage: Stage) -> Iterator[Point]:
    """Yield what a gateway takes whose users file is longer and longer."""
    for count in _COUNTS:
        with stage.gateway(users_file=_users_file(stage.directory, count)) as gateway:
            lone = lone_requests(gateway)
            figures = {"start s": round(gateway.start_s, 2), **memory_mib(gateway), **at_rest(gateway), **lone}
            yield Point(count, figures)


def _users_file(directory: Path, count: int) -> Path:
    """Return a file of `count` users, of whom the last is the one that calls.

    All have the same hash, which takes a while to make; a gateway cannot tell that they have the same password.
    """
    password_hash = hash_password(MYUSER.password)
    names = [f"user-{number}" for number in range(count - 1)] + [MYUSER.name]
    sections = [f'[users."{name}"]\npassword_hash = "{password_hash}"\ntopics = ["*"]\n' for name in names]
    path = directory / f"users-{count}.toml"
    path.write_text("\n".join(sections), encoding="utf-8")
    path.chmod(0o600)
    return path
