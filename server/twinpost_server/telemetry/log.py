"""The log on standard error."""

from __future__ import annotations

import logging
import sys
from typing import Final

import structlog

from twinpost_server.config.settings import LogSettings

__all__ = ["configure"]

_LEVELS: Final = logging.getLevelNamesMapping()


def configure(settings: LogSettings, *, process: str) -> None:
    """Send every log line of this process to standard error; call once, before anything logs.

    Args:
        settings: level and format.
        process: the name that each line carries, such as `worker-0`.
    """
    is_text = settings.format == "text" or (settings.format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(
            timestamp_key="ts",
            # The default shows local variables: passwords and payloads.
            exception_formatter=structlog.dev.plain_traceback,
        )
        if is_text
        else structlog.processors.JSONRenderer()
    )
    level = _LEVELS[settings.level.upper()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([] if is_text else [structlog.processors.format_exc_info]),
                renderer,
            ],
        )
    )
    # Lines of libraries (librdkafka's, grpc's) take the same way as ours.
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger("twinpost_server").setLevel(level)
    # While brokers are away librdkafka repeats itself several times a second; `kafka.connectivity` says it once.
    logging.getLogger("librdkafka").setLevel(logging.DEBUG if level == logging.DEBUG else logging.CRITICAL)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
