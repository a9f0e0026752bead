"""A cluster that wants to know who the gateway is, and does not let it write everywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from tests.brokers.apache_kafka import ApacheKafka
from tests.brokers.ledger import read_topic
from twinpost_server.config.settings import KafkaSettings, LimitSettings, TimeoutSettings
from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason, RequestFailed
from twinpost_server.core.limits import Limits
from twinpost_server.core.records import Record, RecordMetadata
from twinpost_server.kafka.sink import KafkaSink

pytestmark = [pytest.mark.xdist_group("apache-kafka"), pytest.mark.timeout(180)]

USER, PASSWORD = "gateway", "gateway's own"
GRANTED, WITHHELD = "granted", "withheld"
LIMITS = Limits(record_bytes_max=2**20, record_headers_max=1000, request_records_max=10_000, body_bytes_max=2**24)


@pytest.fixture(scope="module")
def guarded_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """A broker with SCRAM and rights, where the gateway's user may write one of two topics."""
    cluster = ApacheKafka(tmp_path_factory.mktemp("guarded-kafka"), scram_users={USER: PASSWORD}, authorizer=True)
    for topic in (GRANTED, WITHHELD):
        cluster.create_topic(topic)
    grants = [
        AclBinding(
            ResourceType.TOPIC,
            GRANTED,
            ResourcePatternType.LITERAL,
            f"User:{USER}",
            "*",
            operation,
            AclPermissionType.ALLOW,
        )
        for operation in (AclOperation.WRITE, AclOperation.DESCRIBE)
    ]
    for granted in cluster.client.admin.create_acls(grants).values():
        granted.result(10)
    yield cluster
    cluster.close()


@asynccontextmanager
async def sink_with(cluster: ApacheKafka, password: str, directory: Path) -> AsyncIterator[KafkaSink]:
    """Open the product's sink with SCRAM credentials."""
    password_file = directory / "password"
    password_file.write_text(password + "\n", encoding="utf-8")
    kafka = KafkaSettings(
        bootstrap_servers=cluster.sasl_bootstrap_servers,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="SCRAM-SHA-256",
        sasl_username=USER,
        sasl_password_file=password_file,
    )
    sink = KafkaSink(kafka, LimitSettings(), TimeoutSettings())
    try:
        yield sink
    finally:
        await sink.close(timeout_s=5)


async def write(sink: KafkaSink, topic: str) -> list[Outcome]:
    """Write one record."""
    batch = RecordBatch.checked([Record(b"v", topic)], LIMITS)
    return await sink.write(batch, deadline=asyncio.get_running_loop().time() + 10)


async def refusal(sink: KafkaSink, topic: str) -> Failure:
    """Write one record, which must be refused, and return why."""
    with pytest.raises(RequestFailed) as refused:
        await write(sink, topic)
    return refused.value.failure


async def test_scram_credentials_and_a_grant_are_enough(guarded_kafka: ApacheKafka, tmp_path: Path) -> None:
    """WRITE and DESCRIBE on the topic are all the rights the gateway needs."""
    async with sink_with(guarded_kafka, PASSWORD, tmp_path) as sink:
        [outcome] = await write(sink, GRANTED)

    assert isinstance(outcome, RecordMetadata)
    assert [b"v"] == [record.value for record in read_topic(guarded_kafka.bootstrap_servers, GRANTED)]


async def test_a_topic_withheld_is_forbidden_and_harms_no_other(guarded_kafka: ApacheKafka, tmp_path: Path) -> None:
    """It is told so at once, and the sink goes on."""
    async with sink_with(guarded_kafka, PASSWORD, tmp_path) as sink:
        failure = await refusal(sink, WITHHELD)
        [outcome] = await write(sink, GRANTED)

    assert (Reason.TOPIC_FORBIDDEN, Delivered.NO) == (failure.reason, failure.delivered)
    assert isinstance(outcome, RecordMetadata)
    assert [] == read_topic(guarded_kafka.bootstrap_servers, WITHHELD)


async def test_a_wrong_password_is_named_within_seconds(guarded_kafka: ApacheKafka, tmp_path: Path) -> None:
    """The client library lets the record run into its time-out: the gateway must not wait for that."""
    loop = asyncio.get_running_loop()
    async with sink_with(guarded_kafka, "wrong", tmp_path) as sink:
        began = loop.time()
        failure = await refusal(sink, GRANTED)
        while failure.reason is Reason.BROKERS_UNAVAILABLE and loop.time() < began + 10:
            # Until the first probe has come back it is not known why nobody answers.
            failure = await refusal(sink, GRANTED)
        took_s = loop.time() - began

    assert (Reason.BROKER_AUTHENTICATION_FAILED, Delivered.NO) == (failure.reason, failure.delivered)
    assert took_s < 6
