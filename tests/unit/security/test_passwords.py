"""Password hashes."""

from __future__ import annotations

import pytest

from tests.unit.security.users_files import quick_hash
from twinpost_server.security.passwords import (
    PASSWORD_BYTES_MAX,
    hash_password,
    is_password_hash,
    password_problem,
    verify_password,
)

SALT = "c2FsdHNhbHRzYWx0"
TAG = "dGFndGFndGFndGFndGFn"


def test_hash_is_argon2id_with_the_parameters_of_rfc_9106() -> None:
    """What is written today is what RFC 9106 recommends where memory is short (64 MiB, three passes)."""
    assert hash_password("mypass").startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_equal_passwords_have_different_hashes() -> None:
    """Every hash has a salt of its own."""
    assert hash_password("mypass") != hash_password("mypass")


@pytest.mark.parametrize("password", ["mypass", "Pa:ss wörd", "🔑", "x" * PASSWORD_BYTES_MAX])
def test_password_verifies_against_its_hash_alone(password: str) -> None:
    """The one password is right and every other one wrong."""
    password_hash = quick_hash(password)
    assert verify_password(password_hash, password.encode())
    assert not verify_password(password_hash, password.encode() + b"x")


def test_bytes_that_are_no_text_are_a_wrong_password() -> None:
    """Whatever a caller sends as a password is compared, not decoded."""
    assert not verify_password(quick_hash("mypass"), b"\xff\x00\xfe")


@pytest.mark.parametrize(
    "text",
    [
        hash_password("mypass"),
        quick_hash("mypass"),
        f"$argon2i$v=19$m=4096,t=3,p=1${SALT}${TAG}",
        f"$argon2d$v=16$m=1048576,t=1,p=255${SALT}${TAG}",
    ],
    # Salted hashes would give the tests another name in every process.
    ids=["ours", "quick", "argon2i", "argon2d"],
)
def test_hash_is_known_as_one(text: str) -> None:
    """Every Argon2 hash that can be verified is accepted, whoever made it."""
    assert is_password_hash(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mypass",
        "$2b$12$abcdefghijklmnopqrstuv",
        f"$argon2id$m=8,t=1,p=1${SALT}${TAG}",
        f"$argon2id$v=19$m=8,t=0,p=1${SALT}${TAG}",
        f"$argon2id$v=19$m=8,t=1,p=0${SALT}${TAG}",
        f"$argon2id$v=19$m=7,t=1,p=1${SALT}${TAG}",
        f"$argon2id$v=19$m=1048577,t=1,p=1${SALT}${TAG}",
        f"$argon2id$v=19$m=99999999999,t=1,p=1${SALT}${TAG}",
        f"$argon2id$v=19$m=1048576,t=5,p=1${SALT}${TAG}",
        f"$argon2id$v=19$m=065536,t=1,p=1${SALT}${TAG}",
        f"$argon2id$v=19$m=٦٥٥٣٦,t=1,p=1${SALT}${TAG}",
        f"$argon2id$v=19$m=8,t=1,p=1$c2FsdA${TAG}",
        f"$argon2id$v=19$m=8,t=1,p=1${SALT}$",
        f"$argon2id$v=19$m=8,t=1,p=1${SALT}${TAG}!",
        f"$argon2id$v=19$m=8,t=1,p=1${SALT}${TAG}x",
        f"$argon2id$v=19$m=8,t=1,p=1${SALT}${TAG}==",
        f"$argon2id$v=19$m=8,t=1,p=1${SALT}${TAG}\n",
    ],
)
def test_text_that_cannot_be_verified_is_no_hash(text: str) -> None:
    """A damaged or boundless hash is found when the file is read, not when its user calls."""
    assert not is_password_hash(text)


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("", "a password cannot be empty"),
        ("a\nb", "a password cannot have control characters"),
        ("a\x7fb", "a password cannot have control characters"),
        ("a\ud800", "a password cannot have control characters"),
        ("é" * 513, "a password of 1026 bytes is over the limit of 1024"),
    ],
)
def test_password_that_no_caller_could_send_is_refused(password: str, problem: str) -> None:
    """HTTP Basic must be able to carry it."""
    assert problem == password_problem(password)


@pytest.mark.parametrize("password", ["mypass", " ", "Pa:ss wörd", "é" * 512])
def test_password_that_callers_can_send_is_accepted(password: str) -> None:
    """Colons, blanks and every script are welcome."""
    assert password_problem(password) is None
