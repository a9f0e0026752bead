"""An Envoy of which there is only the admin interface; its behaviour is its first argument.

Run as `python stub_envoy.py BEHAVIOUR -c CONFIGURATION ...`. It writes a line to `envoy.starts` beside the
configuration when it starts. Every worker that has started counts as one that requests are sent to.

- `picky`: only the worker in slot 0 reaches the brokers.
- `careless`: no worker reaches the brokers.
- `mortal`: dies when it is told to drain.
"""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer

BEHAVIOUR = sys.argv[1]
DIRECTORY = Path(sys.argv[sys.argv.index("-c") + 1]).parent


class _Admin(BaseHTTPRequestHandler):
    def log_message(self, *_message: object) -> None:
        """Keep quiet; the original looks for the caller's address, which there is none of on a unix socket."""

    def do_GET(self) -> None:
        """Tell that it is live, of the workers' health, and that it listens no more and has no requests."""
        stopped = {"name": "listener_manager.listener_stopped", "value": 1}
        self._answer(json.dumps({"cluster_statuses": _clusters(), "stats": [stopped]}))

    def do_POST(self) -> None:
        """Be told to drain."""
        if BEHAVIOUR == "mortal":
            os._exit(1)
        self._answer("{}")

    def _answer(self, body: str) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


def _clusters() -> list[dict[str, object]]:
    slots = [file.with_suffix(".sock") for file in DIRECTORY.glob("worker-*.pid")]
    ready = {"picky": {"worker-0.sock"}, "careless": set(), "mortal": {slot.name for slot in slots}}[BEHAVIOUR]
    return [
        {"name": "twinpost", "host_statuses": [_host(slot, healthy=True) for slot in slots]},
        {"name": "twinpost_ready", "host_statuses": [_host(slot, healthy=slot.name in ready) for slot in slots]},
    ]


def _host(slot: Path, *, healthy: bool) -> dict[str, object]:
    health = {} if healthy else {"failed_active_health_check": True}
    return {"address": {"pipe": {"path": str(slot)}}, "health_status": health}


if __name__ == "__main__":
    with (DIRECTORY / "envoy.starts").open("a", encoding="utf-8") as starts:
        starts.write(f"{os.getpid()}\n")
    with UnixStreamServer(str(DIRECTORY / "admin.sock"), _Admin) as server:
        server.serve_forever()
