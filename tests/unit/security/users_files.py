"""Users files for tests, with hashes that take no time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import argon2
import tomlkit

__all__ = ["quick_hash", "write_users"]


def quick_hash(password: str) -> str:
    """Return an Argon2 hash with the least cost there is.

    Its salt is always the same, since such hashes are in the names of tests, which every process must find alike.
    """
    return argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password, salt=b"tests' own salt.")


def write_users(file: Path, users: Mapping[str, tuple[str, list[str]]]) -> None:
    """Write `users`, each a password hash and topics by the user's name, in one step, as an editor should."""
    tables = {name: {"password_hash": hashed, "topics": topics} for name, (hashed, topics) in users.items()}
    new = file.with_name(f"{file.name}.new")
    new.write_text(tomlkit.dumps({"users": tables}), encoding="utf-8")
    new.replace(file)
