"""Every setting there is."""

from __future__ import annotations

import pytest

from twinpost_server.config.catalog import Catalog, Key, dotted
from twinpost_server.config.settings import Settings


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """The catalog of the settings."""
    return Catalog(Settings)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("listen.port", "a whole number, at least 1, at most 65535"),
        ("listen.host", "text, not empty"),
        ("listen.tls.cert_file", "a path"),
        ("run_dir", "a path"),
        ("kafka.sasl_username", "text"),
        ("kafka.sasl_mechanism", "one of 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'"),
        ("kafka.topic_lookup_timeout_s", "a number, more than 0, at most 60"),
        ("limits.connections_max", "a whole number, at least 1, at most 10000000"),
        ("rest.cors_origins", "a list of text (outside the file: a,b or a JSON array)"),
        ("grpc.reflection", "true or false"),
        ("log.level", "one of 'debug', 'info', 'warning', 'error'"),
    ],
)
def test_what_a_setting_takes_is_told_in_words(catalog: Catalog, name: str, words: str) -> None:
    """Kinds, choices and bounds are those of the settings' own types."""
    assert words == catalog.expectation(tuple(name.split(".")))


def test_every_setting_can_be_told(catalog: Catalog) -> None:
    """No type of a setting is without words."""
    assert all(catalog.expectation(key) for key in catalog.settings)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("listen.prot", "listen.port"),
        ("port", "listen.port"),
        ("users_file", "auth.users_file"),
        ("server.port", "listen.port"),
        ("kafka.bootstrap", "kafka.bootstrap_servers"),
        ("listen_port", "listen.port"),
        ("lissten", "listen"),
        ("limits.max_record_bytes", "limits.record_bytes_max"),
        ("qqq", None),
        ("", None),
    ],
)
def test_unknown_name_is_brought_near_a_known_one(catalog: Catalog, name: str, near: str | None) -> None:
    """Mistyped names, and right names in the wrong place."""
    sections = [key for key in catalog.sections if key]
    found = catalog.nearest(tuple(name.split(".")), among=(*catalog.settings, *sections))
    assert near == (None if found is None else dotted(found))


@pytest.mark.parametrize(
    ("key", "kinds"),
    [
        (("listen", "port"), ("number",)),
        (("timeouts", "idle_timeout_s"), ("number",)),
        (("grpc", "reflection"), ()),
        (("kafka", "sasl_username"), ("optional",)),
        (("auth", "users_file"), ("optional", "path")),
        (("rest", "cors_origins"), ("list",)),
    ],
)
def test_kinds_of_settings_are_told_apart(catalog: Catalog, key: Key, kinds: tuple[str, ...]) -> None:
    """What a source has to know in order to read a value."""
    answers = {
        "optional": catalog.is_optional(key),
        "path": catalog.is_path(key),
        "list": catalog.is_list(key),
        "number": catalog.is_number(key),
    }
    assert kinds == tuple(kind for kind, answer in answers.items() if answer)
