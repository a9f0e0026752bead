package example;

import com.google.protobuf.ByteString;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import twinpost.v1.Header;
import twinpost.v1.Record;
import twinpost.v1.RecordResult;

/**
 * Produces to Kafka through twinpost: a record, a batch, a stream, and what goes wrong. The gateway and the credentials
 * come from GATEWAY_ADDRESS, GATEWAY_USER and GATEWAY_PASSWORD.
 */
public final class Main {
    private static final int BAD_STEP = 3;

    public static void main(String[] arguments) throws InterruptedException {
        var environment = System.getenv();
        var address = environment.getOrDefault("GATEWAY_ADDRESS", "127.0.0.1:8080");
        // For a gateway with TLS: TlsChannelCredentials.create().
        ManagedChannel channel = Grpc.newChannelBuilder(address, InsecureChannelCredentials.create()).build();
        var producer = new Producer(
                channel,
                environment.getOrDefault("GATEWAY_USER", "myuser"),
                environment.getOrDefault("GATEWAY_PASSWORD", "mypass"));
        try {
            one(producer);
            batches(producer);
            stream(producer);
            invalid(producer);
            missingPartition(producer);
        } catch (Failure | Surprise error) {
            System.err.println("error: " + error);
            System.exit(1);
        } finally {
            channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
        }
    }

    /** A record with everything: bytes for key, value and headers. */
    private static void one(Producer producer) throws Failure, Surprise, InterruptedException {
        var record = Record.newBuilder()
                .setTopic("greetings")
                .setKey(utf8("java"))
                .setValue(utf8("hello from java"))
                .addHeaders(Header.newBuilder().setKey("content-type").setValue(utf8("text/plain")))
                .addHeaders(Header.newBuilder().setKey("trace").setValue(ByteString.fromHex("00ff")))
                .build();
        allStored("one", producer.produce("one", List.of(record)));
    }

    /**
     * Two requests of many records each, for two topics. A value that is not set is a tombstone; ByteString.EMPTY is an
     * empty value.
     */
    private static void batches(Producer producer) throws Failure, Surprise, InterruptedException {
        for (int batch = 1; batch <= 2; batch++) {
            var call = "batch " + batch;
            var records = new ArrayList<Record>();
            for (int i = 1; i <= 20; i++) {
                var record = Record.newBuilder()
                        .setTopic(i % 2 == 0 ? "cities" : "greetings")
                        .setKey(utf8("java-%d-%d".formatted(batch, i)));
                if (i % 10 != 0) {
                    record.setValue(utf8("record " + i));
                }
                records.add(record.build());
            }
            allStored(call, producer.produce(call, records));
        }
    }

    /** Steps that do not wait for each other; the third breaks a rule, and the stream goes on. */
    private static void stream(Producer producer) throws Failure, Surprise, InterruptedException {
        var steps = new ArrayList<List<Record>>();
        var unanswered = new TreeSet<Long>();
        for (int sequence = 1; sequence <= 5; sequence++) {
            var records = new ArrayList<Record>();
            for (int i = 1; i <= 3; i++) {
                var record = Record.newBuilder()
                        .setTopic("cities")
                        .setKey(utf8("java"))
                        .setValue(utf8("step %d record %d".formatted(sequence, i)));
                if (sequence == BAD_STEP && i == 2) {
                    record.setPartition(-1);
                }
                records.add(record.build());
            }
            steps.add(records);
            unanswered.add((long) sequence);
        }

        producer.produceStream(steps, answer -> {
            if (!unanswered.remove(answer.getSequence())) {
                throw new Surprise("stream: an answer to %d, which nothing waits for", answer.getSequence());
            }
            int stored = report("stream " + answer.getSequence(), answer.getResultsList());
            if (stored != (answer.getSequence() == BAD_STEP ? 0 : answer.getResultsCount())) {
                throw new Surprise("stream %d: %d records stored", answer.getSequence(), stored);
            }
        });
        if (!unanswered.isEmpty()) {
            throw new Surprise("stream: it ended well with %s unanswered", unanswered);
        }
        System.out.println("stream: complete");
    }

    /** The gateway names everything that is wrong with a request, and writes nothing of it. */
    private static void invalid(Producer producer) throws Failure, Surprise, InterruptedException {
        var value = utf8("never");
        expectFailure("invalid", "INVALID_RECORD", producer, List.of(
                Record.newBuilder().setTopic("greetings").setValue(value).setPartition(-1).build(),
                Record.newBuilder().setTopic("no/topic").setValue(value).setTimestamp(0).build()));
    }

    /** Refused by what the cluster is like rather than by a rule, and equally as a whole. */
    private static void missingPartition(Producer producer) throws Failure, Surprise, InterruptedException {
        var value = utf8("never");
        expectFailure("missing partition", "PARTITION_OUT_OF_RANGE", producer, List.of(
                Record.newBuilder().setTopic("cities").setValue(value).build(),
                Record.newBuilder().setTopic("greetings").setValue(value).setPartition(1000).build()));
    }

    private static void expectFailure(String call, String reason, Producer producer, List<Record> records)
            throws Failure, Surprise, InterruptedException {
        try {
            producer.produce(call, records);
        } catch (Failure failure) {
            if (!failure.reason.equals(reason)) {
                throw failure;
            }
            System.out.printf("%s: failed %s%n", call, failure.known());
            for (var violation : failure.violations) {
                System.out.printf("%s: violation %s: %s%n", call, violation.getField(), violation.getDescription());
            }
            return;
        }
        throw new Surprise("%s: expected %s, but all is stored", call, reason);
    }

    /** Prints what became of each record, and returns how many are stored. */
    private static int report(String call, List<RecordResult> results) {
        int stored = 0;
        for (var result : results) {
            if (result.hasMetadata()) {
                var place = result.getMetadata();
                stored++;
                System.out.printf(
                        "%s: stored %s partition %d offset %d%n",
                        call, place.getTopic(), place.getPartition(), place.getOffset());
            } else {
                System.out.printf("%s: failed %s%n", call, Failure.ofRecord(result.getError()).known());
            }
        }
        return stored;
    }

    private static void allStored(String call, List<RecordResult> results) throws Surprise {
        int stored = report(call, results);
        if (stored != results.size()) {
            throw new Surprise("%s: %d of %d records stored", call, stored, results.size());
        }
    }

    private static ByteString utf8(String text) {
        return ByteString.copyFromUtf8(text);
    }
}
