/**
 * Produces to Kafka through twinpost: a record, a batch, a stream, and what goes wrong. The gateway and the credentials
 * come from GATEWAY_ADDRESS, GATEWAY_USER and GATEWAY_PASSWORD.
 */
import { Record, type RecordResult } from "../gen/twinpost/v1/record.js";
import { Failure } from "./failure.js";
import { Producer } from "./producer.js";

const BAD_STEP = 3n;

/** A record with everything: bytes for key, value and headers. */
async function one(producer: Producer): Promise<void> {
  const record = Record.fromPartial({
    topic: "greetings",
    key: Buffer.from("node"),
    value: Buffer.from("hello from node"),
    headers: [
      { key: "content-type", value: Buffer.from("text/plain") },
      { key: "trace", value: Buffer.from([0x00, 0xff]) },
    ],
  });
  allStored("one", await producer.produce("one", [record]));
}

/**
 * Two requests of many records each, for two topics. A value left out is a tombstone; `Buffer.alloc(0)` is an empty
 * value.
 */
async function batches(producer: Producer): Promise<void> {
  for (const batch of [1, 2]) {
    const call = `batch ${batch}`;
    const records = range(20).map((i) =>
      Record.fromPartial({
        topic: i % 2 === 0 ? "cities" : "greetings",
        key: Buffer.from(`node-${batch}-${i}`),
        value: i % 10 === 0 ? undefined : Buffer.from(`record ${i}`),
      }),
    );
    allStored(call, await producer.produce(call, records));
  }
}

/** Steps that do not wait for each other; the third breaks a rule, and the stream goes on. */
async function stream(producer: Producer): Promise<void> {
  const sequences = range(5).map(BigInt);
  const steps = sequences.map((sequence) =>
    range(3).map((i) =>
      Record.fromPartial({
        topic: "cities",
        partition: sequence === BAD_STEP && i === 2 ? -1 : undefined,
        key: Buffer.from("node"),
        value: Buffer.from(`step ${sequence} record ${i}`),
      }),
    ),
  );
  const unanswered = new Set(sequences);
  await producer.produceStream(steps, ({ sequence, results }) => {
    if (!unanswered.delete(sequence)) {
      throw new Error(`stream: an answer to ${sequence}, which nothing waits for`);
    }
    const stored = report(`stream ${sequence}`, results);
    if (stored !== (sequence === BAD_STEP ? 0 : results.length)) {
      throw new Error(`stream ${sequence}: ${stored} of ${results.length} records stored`);
    }
  });
  if (unanswered.size > 0) {
    throw new Error(`stream: it ended well with ${[...unanswered].join(", ")} unanswered`);
  }
  console.log("stream: complete");
}

/** The gateway names everything that is wrong with a request, and writes nothing of it. */
async function invalid(producer: Producer): Promise<void> {
  const value = Buffer.from("never");
  await expectFailure("invalid", "INVALID_RECORD", producer, [
    Record.fromPartial({ topic: "greetings", value, partition: -1 }),
    Record.fromPartial({ topic: "no/topic", value, timestamp: 0n }),
  ]);
}

/** Refused by what the cluster is like rather than by a rule, and equally as a whole. */
async function missingPartition(producer: Producer): Promise<void> {
  const value = Buffer.from("never");
  await expectFailure("missing partition", "PARTITION_OUT_OF_RANGE", producer, [
    Record.fromPartial({ topic: "cities", value }),
    Record.fromPartial({ topic: "greetings", value, partition: 1000 }),
  ]);
}

async function expectFailure(call: string, reason: string, producer: Producer, records: Record[]): Promise<void> {
  try {
    await producer.produce(call, records);
  } catch (error) {
    if (!(error instanceof Failure) || error.reason !== reason) {
      throw error;
    }
    console.log(`${call}: failed ${error.known}`);
    for (const { field, description } of error.violations) {
      console.log(`${call}: violation ${field}: ${description}`);
    }
    return;
  }
  throw new Error(`${call}: expected ${reason}, but all is stored`);
}

/** Prints what became of each record, and returns how many are stored. */
function report(call: string, results: RecordResult[]): number {
  let stored = 0;
  for (const { result } of results) {
    if (result?.$case === "metadata") {
      const { topic, partition, offset } = result.value;
      console.log(`${call}: stored ${topic} partition ${partition} offset ${offset}`);
      stored++;
    } else if (result?.$case === "error") {
      console.log(`${call}: failed ${Failure.ofRecord(result.value).known}`);
    }
  }
  return stored;
}

function allStored(call: string, results: RecordResult[]): void {
  const stored = report(call, results);
  if (stored !== results.length) {
    throw new Error(`${call}: ${stored} of ${results.length} records stored`);
  }
}

/** The whole numbers from 1 to `count`. */
function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

const { GATEWAY_ADDRESS = "127.0.0.1:8080", GATEWAY_USER = "myuser", GATEWAY_PASSWORD = "mypass" } = process.env;
const producer = new Producer(GATEWAY_ADDRESS, GATEWAY_USER, GATEWAY_PASSWORD);
try {
  for (const act of [one, batches, stream, invalid, missingPartition]) {
    await act(producer);
  }
} catch (error) {
  console.error("error:", String(error));
  process.exitCode = 1;
} finally {
  producer.close();
}
