// Calls the gateway that ?gateway= names, in every way a page can, and reports what each call came to.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

import { BadRequestSchema, ErrorInfoSchema } from "../build/gen/google/rpc/error_details_pb.js";
import { Health, HealthCheckResponse_ServingStatus } from "../build/gen/grpc_health/v1/health_pb.js";
import { ProducerService, ProduceStreamRequestSchema } from "../build/gen/twinpost/v1/producer_service_pb.js";
import type { RecordResult, RecordSchema } from "../build/gen/twinpost/v1/record_pb.js";

type NewRecord = MessageInitShape<typeof RecordSchema>;

const TIMEOUT_MS = 10_000;

const gateway = new URLSearchParams(location.search).get("gateway") ?? "";
const bytes = (text: string) => new TextEncoder().encode(text);

function transport(password: string): Transport {
  const authorization = `Basic ${btoa(`myuser:${password}`)}`;
  const authenticate: Interceptor = (next) => (request) => {
    request.header.set("authorization", authorization);
    return next(request);
  };
  return createGrpcWebTransport({ baseUrl: gateway, interceptors: [authenticate], defaultTimeoutMs: TIMEOUT_MS });
}

const producer = createClient(ProducerService, transport("mypass"));
const stranger = createClient(ProducerService, transport("wrong"));
const health = createClient(Health, transport("mypass"));

function told({ result }: RecordResult): object {
  if (result.case !== "metadata") {
    throw new Error(`not stored: ${result.case}`);
  }
  const { topic, partition, offset, timestamp } = result.value;
  return { topic, partition, offset: String(offset), timestamp: String(timestamp) };
}

async function produce(client: typeof producer, records: NewRecord[]): Promise<object[]> {
  return (await client.produce({ records })).results.map(told);
}

const calls: { [name: string]: () => Promise<unknown> } = {
  one: () =>
    produce(producer, [
      {
        topic: "greetings",
        key: bytes("browser"),
        value: new Uint8Array([0x00, 0xff]),
        headers: [{ key: "trace", value: new Uint8Array([0xfe]) }, { key: "empty", value: new Uint8Array() }],
      },
    ]),

  batch: () =>
    produce(
      producer,
      Array.from({ length: 40 }, (_, i) => ({
        topic: i % 2 === 0 ? "greetings" : "cities",
        key: bytes(`browser-${i}`),
        value: i % 10 === 9 ? undefined : bytes(`record ${i}`),
      })),
    ),

  rest: async () => {
    const response = await fetch(`${gateway}/produce/cities`, {
      method: "POST",
      headers: { authorization: `Basic ${btoa("myuser:mypass")}`, "content-type": "application/json" },
      body: JSON.stringify({ key: "browser-rest", value: "from fetch" }),
    });
    return { status: response.status, answer: await response.json() };
  },

  health: async () => {
    const { status } = await health.check({ service: "twinpost.v1.ProducerService" });
    return HealthCheckResponse_ServingStatus[status];
  },

  watch: async () => {
    for await (const { status } of health.watch({ service: "twinpost.v1.ProducerService" })) {
      return HealthCheckResponse_ServingStatus[status];
    }
    return undefined;
  },

  invalid: () =>
    produce(producer, [
      { topic: "greetings", value: bytes("never"), partition: -1 },
      { topic: "no/topic", value: bytes("never"), timestamp: 0n },
    ]),

  wrongPassword: () => produce(stranger, [{ topic: "greetings", value: bytes("never") }]),

  stream: async () => {
    async function* steps() {
      yield create(ProduceStreamRequestSchema, { sequence: 1n, records: [{ topic: "cities", value: bytes("never") }] });
    }
    for await (const answer of producer.produceStream(steps())) {
      return String(answer.sequence);
    }
    return undefined;
  },

  // Without leave to read the answer: it tells that there is one.
  livez: async () => (await fetch(`${gateway}/livez`, { mode: "no-cors" })).type,
};

function failure(error: unknown): object {
  if (!(error instanceof ConnectError)) {
    return { name: error instanceof Error ? error.name : "?", message: String(error) };
  }
  const [info] = error.findDetails(ErrorInfoSchema);
  const [badRequest] = error.findDetails(BadRequestSchema);
  return {
    name: error.name,
    code: Code[error.code],
    message: error.rawMessage,
    reason: info?.reason,
    ...info?.metadata,
    fields: badRequest?.fieldViolations.map(({ field }) => field),
  };
}

const report: { [name: string]: object } = {};
for (const [name, call] of Object.entries(calls)) {
  try {
    report[name] = { value: await call() };
  } catch (error) {
    report[name] = { error: failure(error) };
  }
}
await fetch("/report", { method: "POST", body: JSON.stringify(report) });
