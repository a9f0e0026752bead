"""The bounds a request is held to."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may hold; `config.settings.LimitSettings` has the defaults.

    Attributes:
        record_bytes_max: largest record: key, value and headers, in bytes.
        record_headers_max: most headers of one record.
        request_records_max: most records of one request.
        body_bytes_max: largest request body, in bytes, after inflating.
    """

    record_bytes_max: int
    record_headers_max: int
    request_records_max: int
    body_bytes_max: int
