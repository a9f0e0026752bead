"""The signal that a client's delivery reports are there to be served, on a file descriptor.

librdkafka writes to a descriptor of the application's when its queue of reports becomes non-empty, so that an event
loop can wait for it as it waits for sockets (`rd_kafka_queue_io_event_enable`, rdkafka.h). The Python binding offers
only a `poll()` that blocks, and so a thread: for each single report that thread would take the interpreter's lock from
the loop and give it back (decision 0005). What is called here is public in librdkafka; that the binding keeps the
client's handle right behind the head of its object is not, so `pyproject.toml` bounds its version and a test of the
producer fails where that changes.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

from confluent_kafka import Producer, cimpl

__all__ = ["ReportSignal"]

_DRAIN_BYTES: Final = 4096


class ReportSignal:
    """Becomes readable when there are reports; `clear` it, then serve them all. Lives on the loop's thread."""

    def __init__(self, client: Producer) -> None:
        """Have `client` signal; `close` must be called before the client is closed.

        Raises:
            OSError: there are no descriptors left.
        """
        # First, since it may fail.
        self._readable, self._writable = os.pipe()
        self._library = ctypes.CDLL(cimpl.__file__)
        handle = ctypes.c_void_p.from_address(id(client) + object.__basicsize__)
        self._queue = self._main_queue(handle)
        os.set_blocking(self._readable, False)
        # librdkafka ignores that a write would block: a full pipe says all there is to say.
        os.set_blocking(self._writable, False)
        self._enable(self._writable)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._readable

    def clear(self) -> None:
        """Take the signal back, *before* the reports are served: one that comes meanwhile will signal again."""
        os.read(self._readable, _DRAIN_BYTES)

    def close(self) -> None:
        """Have the client signal no more."""
        self._enable(-1)
        self._library.rd_kafka_queue_destroy(self._queue)
        os.close(self._readable)
        os.close(self._writable)

    def _main_queue(self, handle: ctypes.c_void_p) -> ctypes.c_void_p:
        get_main = self._library.rd_kafka_queue_get_main
        get_main.argtypes, get_main.restype = (ctypes.c_void_p,), ctypes.c_void_p
        return ctypes.c_void_p(get_main(handle))

    def _enable(self, descriptor: int) -> None:
        enable = self._library.rd_kafka_queue_io_event_enable
        enable.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)
        enable.restype = None
        enable(self._queue, descriptor, b"1", 1)
