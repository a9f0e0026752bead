// Runs the public client against the gateway at argv[2] and prints, as one JSON object, what each call came to.
import { Kafka, UpstashError } from "@upstash/kafka";

// The client repeats a failed request after 0.5, 1, 2, 4 and 8 seconds; only its waiting is cut short here.
const setTimeoutOfNode = globalThis.setTimeout;
globalThis.setTimeout = (callback, delayMs, ...rest) => setTimeoutOfNode(callback, delayMs / 50, ...rest);

const [, , url, topic] = process.argv;
const producer = new Kafka({ url, username: "myuser", password: "mypass" }).producer();
const stranger = new Kafka({ url, username: "myuser", password: "wrong" }).producer();

async function failure(promise) {
  try {
    return { resolved: await promise };
  } catch (error) {
    return { upstashError: error instanceof UpstashError, name: error.name, error: error.error, status: error.status };
  }
}

console.log(
  JSON.stringify({
    produced: await producer.produce(topic, "hello"),
    producedObject: await producer.produce(topic, { hello: "wörld 🐘" }),
    producedWithOptions: await producer.produce(topic, "with options", {
      partition: 1,
      timestamp: 1637745834756,
      key: "mykey",
      headers: [
        { key: "b", value: "1" },
        { key: "a", value: "2" },
        { key: "b", value: "" },
      ],
    }),
    producedMany: await producer.produceMany([
      { topic, value: "first" },
      { topic, value: { second: 2 }, key: "k" },
      { topic, value: "third", partition: 0, headers: [{ key: "h", value: "v" }] },
    ]),
    producedEmpty: await producer.produce(topic, ""),
    wrongPassword: await failure(stranger.produce(topic, "never")),
    badPartition: await failure(producer.produce(topic, "never", { partition: 4 })),
    badTopic: await failure(producer.produce("no/topic", "never")),
    oneBadOfMany: await failure(
      producer.produceMany([
        { topic, value: "never" },
        { topic, value: "never", partition: -1 },
      ]),
    ),
  }),
);
