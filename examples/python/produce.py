"""Produces to Kafka through twinpost: a record, a batch, a stream, and what goes wrong.

The gateway and the credentials come from GATEWAY_ADDRESS, GATEWAY_USER and GATEWAY_PASSWORD.
"""

from __future__ import annotations

import base64
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2, status_pb2

from twinpost.v1.producer_service_pb2 import ProduceRequest, ProduceStreamRequest
from twinpost.v1.producer_service_pb2_grpc import ProducerServiceStub
from twinpost.v1.record_pb2 import Delivered, ErrorReason, Header, Record, RecordError, RecordResult

CALL_TIMEOUT_S = 10.0
TRIES_MAX = 5
BAD_STEP = 3


@dataclass(eq=False)
class Failure(Exception):
    """What twinpost tells of a call, or of one record, that did not succeed.

    Attributes:
        reason: the name of an `ErrorReason`, or of a gRPC code where the error is not the gateway's own.
        delivered: `no` (not in the log), `unknown` (it may be) or `partial` (some records are).
        violations: where the request is wrong, and how.
    """

    reason: str
    message: str
    retriable: bool = False
    delivered: str = "unknown"
    retry_delay_s: float = 1.0
    violations: Sequence[tuple[str, str]] = ()

    @classmethod
    def of_call(cls, error: grpc.RpcError) -> Failure:
        """Read the details of a gRPC error.

        One without any comes from this client, or from something on the way to the gateway, and says nothing of the
        records.
        """
        failure = cls(error.code().name, error.details() or "")
        trailers = {item.key: item.value for item in error.trailing_metadata() or ()}
        status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
        for detail in status.details:
            info, bad, retry = (
                error_details_pb2.ErrorInfo(),
                error_details_pb2.BadRequest(),
                error_details_pb2.RetryInfo(),
            )
            if detail.Unpack(info) and info.domain == "twinpost":
                failure.reason = info.reason
                failure.retriable = info.metadata["retriable"] == "true"
                failure.delivered = info.metadata["delivered"]
            elif detail.Unpack(bad):
                failure.violations = [(violation.field, violation.description) for violation in bad.field_violations]
            elif detail.Unpack(retry):
                failure.retry_delay_s = retry.retry_delay.ToTimedelta().total_seconds()
        return failure

    @classmethod
    def of_record(cls, error: RecordError) -> Failure:
        """Read the error of one record in an answer that is otherwise OK."""
        # A newer gateway may have reasons that these stubs do not know; to ask for the name of such a one is an error.
        known = error.reason in ErrorReason.values() and error.delivered in Delivered.values()
        return cls(
            ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_") if known else str(error.reason),
            error.message,
            error.retriable,
            Delivered.Name(error.delivered).removeprefix("DELIVERED_").lower() if known else "unknown",
        )

    @property
    def known(self) -> str:
        """What programs decide by."""
        return f"{self.reason} (retriable: {str(self.retriable).lower()}, delivered: {self.delivered})"

    def __str__(self) -> str:
        """All of it, for people."""
        return f"{self.known}: {self.message}"


class Surprise(Exception):
    """Something else happened than this example is about."""


class Producer:
    """Calls twinpost over one channel, which is opened once and serves any number of calls and threads."""

    def __init__(self, channel: grpc.Channel, user: str, password: str) -> None:
        """Call as `user`, with HTTP Basic credentials."""
        self._stub = ProducerServiceStub(channel)
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._credentials = (("authorization", f"Basic {token}"),)

    def produce(self, call: str, records: Sequence[Record]) -> Sequence[RecordResult]:
        """Write `records`, sending again what is certainly not in the log and may succeed later.

        Where records may be in the log, sending again might store them twice: that is for the caller to decide.

        Raises:
            Failure: what is known of the records.
        """
        tries = 0
        while True:
            tries += 1
            try:
                return self._stub.Produce(
                    ProduceRequest(records=records), metadata=self._credentials, timeout=CALL_TIMEOUT_S
                ).results
            except grpc.RpcError as error:
                failure = Failure.of_call(error)
                if not failure.retriable or failure.delivered != "no" or tries == TRIES_MAX:
                    raise failure from error
            print(f"{call}: waiting {failure.retry_delay_s:.3f} s after {failure.known}")
            time.sleep(failure.retry_delay_s)

    def produce_stream(self, steps: Iterable[Sequence[Record]]) -> Iterator[tuple[int, Sequence[RecordResult]]]:
        """Send `steps`, numbered from 1, without waiting for answers; yield each answer with its number.

        grpc takes the steps on a thread of its own, and only as fast as the gateway has room.

        Raises:
            Failure: the stream broke; its `delivered` is about the steps that have no answer.
        """
        requests = (ProduceStreamRequest(sequence=n, records=records) for n, records in enumerate(steps, 1))
        try:
            # No deadline: it would bound the whole stream. The end of the requests half-closes.
            for answer in self._stub.ProduceStream(requests, metadata=self._credentials):
                yield answer.sequence, answer.results
        except grpc.RpcError as error:
            raise Failure.of_call(error) from error


def one(producer: Producer) -> None:
    """A record with everything: bytes for key, value and headers."""
    headers = [Header(key="content-type", value=b"text/plain"), Header(key="trace", value=b"\x00\xff")]
    record = Record(topic="greetings", key=b"python", value=b"hello from python", headers=headers)
    all_stored("one", producer.produce("one", [record]))


def batches(producer: Producer) -> None:
    """Two requests of many records each, for two topics. `None` is a tombstone; `b""` is an empty value."""
    for batch in (1, 2):
        records = [
            Record(
                topic="cities" if i % 2 == 0 else "greetings",
                key=f"python-{batch}-{i}".encode(),
                value=None if i % 10 == 0 else f"record {i}".encode(),
            )
            for i in range(1, 21)
        ]
        all_stored(f"batch {batch}", producer.produce(f"batch {batch}", records))


def stream(producer: Producer) -> None:
    """Steps that do not wait for each other; the third breaks a rule, and the stream goes on."""
    steps = [
        [Record(topic="cities", key=b"python", value=f"step {n} record {i}".encode()) for i in (1, 2, 3)]
        for n in range(1, 6)
    ]
    steps[BAD_STEP - 1][1].partition = -1
    unanswered = set(range(1, len(steps) + 1))
    for sequence, results in producer.produce_stream(steps):
        unanswered.remove(sequence)
        stored = report(f"stream {sequence}", results)
        if stored != (0 if sequence == BAD_STEP else len(results)):
            msg = f"stream {sequence}: {stored} of {len(results)} records stored"
            raise Surprise(msg)
    if unanswered:
        msg = f"stream: it ended well with {unanswered} unanswered"
        raise Surprise(msg)
    print("stream: complete")


def invalid(producer: Producer) -> None:
    """The gateway names everything that is wrong with a request, and writes nothing of it."""
    records = [
        Record(topic="greetings", value=b"never", partition=-1),
        Record(topic="no/topic", value=b"never", timestamp=0),
    ]
    expect_failure("invalid", "INVALID_RECORD", producer, records)


def missing_partition(producer: Producer) -> None:
    """Refused by what the cluster is like rather than by a rule, and equally as a whole."""
    records = [
        Record(topic="cities", value=b"never"),
        Record(topic="greetings", value=b"never", partition=1000),
    ]
    expect_failure("missing partition", "PARTITION_OUT_OF_RANGE", producer, records)


def expect_failure(call: str, reason: str, producer: Producer, records: Sequence[Record]) -> None:
    """Produce what must fail for `reason`, and tell all that is known."""
    try:
        producer.produce(call, records)
    except Failure as failure:
        if failure.reason != reason:
            raise
        print(f"{call}: failed {failure.known}")
        for field, description in failure.violations:
            print(f"{call}: violation {field}: {description}")
    else:
        msg = f"{call}: expected {reason}, but all is stored"
        raise Surprise(msg)


def report(call: str, results: Sequence[RecordResult]) -> int:
    """Print what became of each record, and return how many are stored."""
    for result in results:
        if result.HasField("metadata"):
            place = result.metadata
            print(f"{call}: stored {place.topic} partition {place.partition} offset {place.offset}")
        else:
            print(f"{call}: failed {Failure.of_record(result.error).known}")
    return sum(result.HasField("metadata") for result in results)


def all_stored(call: str, results: Sequence[RecordResult]) -> None:
    """Report `results`, none of which may be a failure."""
    stored = report(call, results)
    if stored != len(results):
        msg = f"{call}: {stored} of {len(results)} records stored"
        raise Surprise(msg)


def main() -> None:
    """Do all of it, in order."""
    # For a gateway with TLS: grpc.secure_channel(address, grpc.ssl_channel_credentials()).
    with grpc.insecure_channel(os.environ.get("GATEWAY_ADDRESS", "127.0.0.1:8080")) as channel:
        producer = Producer(
            channel, os.environ.get("GATEWAY_USER", "myuser"), os.environ.get("GATEWAY_PASSWORD", "mypass")
        )
        try:
            for act in (one, batches, stream, invalid, missing_partition):
                act(producer)
        except (Failure, Surprise) as error:
            sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
