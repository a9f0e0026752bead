"""gRPC clients through the public port: one that knows the contract, and one that asks the server for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.brokers.ledger import read_topic
from tests.gateway.process import DevGateway
from tests.gateway.users import MYUSER
from twinpost.v1 import producer_service_pb2, producer_service_pb2_grpc, record_pb2

CREDENTIALS = (("authorization", MYUSER.authorization),)
SERVICE = "twinpost.v1.ProducerService"


@pytest.fixture
def channel(dev_gateway: DevGateway) -> Iterator[grpc.Channel]:
    """A channel to the public port."""
    with grpc.insecure_channel(dev_gateway.address) as opened:
        yield opened


def test_client_with_stubs_produces(dev_gateway: DevGateway, channel: grpc.Channel) -> None:
    """The plainest client there is."""
    request = producer_service_pb2.ProduceRequest(
        records=[record_pb2.Record(topic="greetings", key=b"stub", value=b"\xff\x00", partition=2)]
    )

    answer = producer_service_pb2_grpc.ProducerServiceStub(channel).Produce(request, metadata=CREDENTIALS, timeout=10)

    [result] = answer.results
    assert ("greetings", 2) == (result.metadata.topic, result.metadata.partition)
    held = read_topic(dev_gateway.bootstrap_servers, "greetings")
    [record] = [other for other in held if (other.partition, other.offset) == (2, result.metadata.offset)]
    assert (b"stub", b"\xff\x00", result.metadata.timestamp) == (record.key, record.value, record.timestamp)


async def test_asyncio_client_produces_in_parallel(dev_gateway: DevGateway) -> None:
    """A hundred calls over one connection, each answered with a place of its own."""
    request = producer_service_pb2.ProduceRequest(records=[record_pb2.Record(topic="cities", value=b"parallel")])
    async with grpc.aio.insecure_channel(dev_gateway.address) as channel:
        stub = producer_service_pb2_grpc.ProducerServiceStub(channel)
        calls = [stub.Produce(request, metadata=CREDENTIALS, timeout=10) for _ in range(100)]
        answers = await asyncio.gather(*calls)

    places = {(answer.results[0].metadata.partition, answer.results[0].metadata.offset) for answer in answers}
    assert 100 == len(places)


def test_client_without_stubs_learns_the_contract_by_reflection(dev_gateway: DevGateway, channel: grpc.Channel) -> None:
    """What grpcurl does: list the services, fetch the descriptors, send JSON."""
    database = ProtoReflectionDescriptorDatabase(channel)
    assert SERVICE in set(database.get_services())
    method = DescriptorPool(database).FindServiceByName(SERVICE).FindMethodByName("Produce")
    request_class, response_class = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    call = channel.unary_unary(
        f"/{SERVICE}/{method.name}",
        request_serializer=request_class.SerializeToString,
        response_deserializer=response_class.FromString,
    )
    # Bytes are base64 in Protobuf's JSON: this is "hello".
    request = ParseDict({"records": [{"topic": "greetings", "value": "aGVsbG8=", "partition": 0}]}, request_class())

    answer = MessageToDict(
        call(request, metadata=CREDENTIALS, timeout=10),
        # Partition 0 and offset 0 are values like any other.
        always_print_fields_with_no_presence=True,
    )

    [result] = answer["results"]
    held = read_topic(dev_gateway.bootstrap_servers, "greetings")
    assert b"hello" in [other.value for other in held if other.offset == int(result["metadata"]["offset"])]


def test_rest_service_is_not_listed_nor_reachable(channel: grpc.Channel) -> None:
    """It is Envoy's alone."""
    assert "twinpost.v1.ProducerRestService" not in set(ProtoReflectionDescriptorDatabase(channel).get_services())
    call = channel.unary_unary(
        "/twinpost.v1.ProducerRestService/Produce",
        request_serializer=bytes,
        response_deserializer=bytes,
    )
    with pytest.raises(grpc.RpcError) as refused:
        call(b"", metadata=CREDENTIALS, timeout=10)
    assert grpc.StatusCode.UNIMPLEMENTED.name in str(refused.value)


@pytest.mark.parametrize("service", ["", SERVICE])
def test_health_answers_without_credentials(channel: grpc.Channel, service: str) -> None:
    """The standard health protocol, for the whole server and for the service."""
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )

    answer = check(health_pb2.HealthCheckRequest(service=service), timeout=10)

    assert health_pb2.HealthCheckResponse.SERVING == answer.status


def test_without_credentials_the_call_is_refused(channel: grpc.Channel) -> None:
    """As on REST."""
    stub = producer_service_pb2_grpc.ProducerServiceStub(channel)
    with pytest.raises(grpc.RpcError) as refused:
        stub.Produce(producer_service_pb2.ProduceRequest(), timeout=10)
    assert grpc.StatusCode.UNAUTHENTICATED.name in str(refused.value)
