"""Why a feed cannot begin, or go on."""

from __future__ import annotations

__all__ = ["FeedError"]


class FeedError(Exception):
    """Something that whoever gave the command must mend; the message says what, and how."""
