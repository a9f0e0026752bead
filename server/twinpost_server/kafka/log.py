"""librdkafka's own log, as lines of ours."""

from __future__ import annotations

import logging

__all__ = ["client_logger"]


def client_logger() -> logging.Logger:
    """Return the logger that a client's `logger=` takes; it is called on the thread that polls the client."""
    return logging.getLogger("librdkafka")
