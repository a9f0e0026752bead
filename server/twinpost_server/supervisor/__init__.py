"""The processes of a gateway: N workers and Envoy, started, watched, replaced and drained."""

from __future__ import annotations

from twinpost_server.supervisor.run import run

__all__ = ["run"]
