"""The Python client of twinpost: put records into Apache Kafka through the gateway, and know what became of each.

`Client` and `AsyncClient` make one call for each request. `Publisher` and `AsyncPublisher` send in the background over
a stream, in order for each key, for throughput. `docs/client.md` tells which is for what, and what each promises.

    from twinpost.client import Client, Record

    with Client("127.0.0.1:8080", user="myuser", password="mypass") as client:
        print(client.produce(Record("greetings", "hello")).offset)
"""

from __future__ import annotations

from twinpost.client.async_client import AsyncClient
from twinpost.client.async_publisher import AsyncPublisher
from twinpost.client.client import Client
from twinpost.client.connection import Tls
from twinpost.client.errors import BufferFull, Delivered, PublisherClosed, RecordError, RecordOvertaken, Violation
from twinpost.client.future import RecordFuture
from twinpost.client.options import PublisherOptions
from twinpost.client.publisher import Publisher
from twinpost.client.record import Record, RecordMetadata
from twinpost.client.retry import RetryPolicy

__all__ = [
    "AsyncClient",
    "AsyncPublisher",
    "BufferFull",
    "Client",
    "Delivered",
    "Publisher",
    "PublisherClosed",
    "PublisherOptions",
    "Record",
    "RecordError",
    "RecordFuture",
    "RecordMetadata",
    "RecordOvertaken",
    "RetryPolicy",
    "Tls",
    "Violation",
]
