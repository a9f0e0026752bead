import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

import { credentials, Metadata, type ServiceError } from "@grpc/grpc-js";

import {
  type ProduceResponse,
  ProducerServiceClient,
  type ProduceStreamResponse,
} from "../gen/twinpost/v1/producer_service.js";
import type { Record, RecordResult } from "../gen/twinpost/v1/record.js";
import { Failure } from "./failure.js";

const CALL_TIMEOUT_MS = 10_000;
const TRIES_MAX = 5;

/** Calls twinpost over one channel, which is opened once and serves any number of calls. */
export class Producer {
  readonly #client: ProducerServiceClient;
  readonly #credentials = new Metadata();

  constructor(address: string, user: string, password: string) {
    // For a gateway with TLS: credentials.createSsl().
    this.#client = new ProducerServiceClient(address, credentials.createInsecure());
    this.#credentials.set("authorization", `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`);
  }

  close(): void {
    this.#client.close();
  }

  /**
   * Writes the records, sending again what is certainly not in the log and may succeed later. Where records may be in
   * the log, sending again might store them twice: that is for the caller to decide.
   *
   * @throws Failure
   */
  async produce(call: string, records: Record[]): Promise<RecordResult[]> {
    for (let tries = 1; ; tries++) {
      try {
        return (await this.#produceOnce(records)).results;
      } catch (error) {
        if (!isServiceError(error)) {
          throw error;
        }
        const failure = Failure.ofCall(error);
        if (!failure.retriable || failure.delivered !== "no" || tries === TRIES_MAX) {
          throw failure;
        }
        console.log(`${call}: waiting ${(failure.retryDelayMs / 1000).toFixed(3)} s after ${failure.known}`);
        await sleep(failure.retryDelayMs);
      }
    }
  }

  #produceOnce(records: Record[]): Promise<ProduceResponse> {
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + CALL_TIMEOUT_MS };
      this.#client.produce({ records }, this.#credentials, options, (error, answer) => {
        if (error === null) {
          resolve(answer);
        } else {
          reject(error);
        }
      });
    });
  }

  /**
   * Sends the steps, numbered from 1, without waiting for answers, and gives each answer to `take`. The steps are read
   * only as fast as the gateway has room.
   *
   * @throws Failure: the stream broke; its `delivered` is about the steps that have no answer.
   */
  async produceStream(steps: Iterable<Record[]>, take: (answer: ProduceStreamResponse) => void): Promise<void> {
    // No deadline: it would bound the whole stream.
    const stream = this.#client.produceStream(this.#credentials);
    const send = async () => {
      let sequence = 0n;
      for (const records of steps) {
        if (!stream.write({ sequence: ++sequence, records })) {
          await once(stream, "drain");
        }
      }
      stream.end();
    };
    const receive = async () => {
      for await (const answer of stream as AsyncIterable<ProduceStreamResponse>) {
        take(answer);
      }
    };
    // Whichever loop waits is told of an error; an event nobody listens to would end the process.
    stream.on("error", () => {});
    try {
      await Promise.all([send(), receive()]);
    } catch (error) {
      stream.cancel();
      throw isServiceError(error) ? Failure.ofCall(error) : error;
    }
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "metadata" in error;
}
