"""Feeding a topic from a terminal: what `twinpost produce` does."""

from __future__ import annotations

from twinpost_server.feed.command import produce

__all__ = ["produce"]
