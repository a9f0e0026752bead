package example;

import io.grpc.Channel;
import io.grpc.Metadata;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import io.grpc.stub.MetadataUtils;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import twinpost.v1.ProduceRequest;
import twinpost.v1.ProduceStreamRequest;
import twinpost.v1.ProduceStreamResponse;
import twinpost.v1.ProducerServiceGrpc;
import twinpost.v1.ProducerServiceGrpc.ProducerServiceBlockingV2Stub;
import twinpost.v1.Record;
import twinpost.v1.RecordResult;

/** Calls twinpost over one channel, which is opened once and serves any number of calls and threads. */
final class Producer {
    private static final int CALL_TIMEOUT_S = 10;
    private static final int TRIES_MAX = 5;

    private final ProducerServiceBlockingV2Stub stub;

    Producer(Channel channel, String user, String password) {
        var token = Base64.getEncoder().encodeToString((user + ":" + password).getBytes(StandardCharsets.UTF_8));
        var credentials = new Metadata();
        credentials.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Basic " + token);
        stub = ProducerServiceGrpc.newBlockingV2Stub(channel)
                .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(credentials));
    }

    /**
     * Writes the records, sending again what is certainly not in the log and may succeed later. Where records may be in
     * the log, sending again might store them twice: that is for the caller to decide.
     */
    List<RecordResult> produce(String call, List<Record> records) throws Failure, InterruptedException {
        var request = ProduceRequest.newBuilder().addAllRecords(records).build();
        for (int tries = 1; ; tries++) {
            try {
                return stub.withDeadlineAfter(CALL_TIMEOUT_S, TimeUnit.SECONDS)
                        .produce(request)
                        .getResultsList();
            } catch (StatusException error) {
                var failure = Failure.ofCall(error);
                if (!failure.retriable || !failure.delivered.equals("no") || tries == TRIES_MAX) {
                    throw failure;
                }
                var delayMs = failure.retryDelay.toMillis();
                System.out.printf(Locale.ROOT, "%s: waiting %.3f s after %s%n", call, delayMs / 1000.0, failure.known());
                Thread.sleep(delayMs);
            }
        }
    }

    /** Takes the answers of a stream. */
    interface Answers {
        void accept(ProduceStreamResponse answer) throws Surprise;
    }

    /**
     * Sends the steps, numbered from 1, without waiting for answers, and gives each answer to {@code answers}. The
     * delivered of a failure is about the steps that have no answer.
     */
    void produceStream(List<List<Record>> steps, Answers answers) throws Failure, Surprise, InterruptedException {
        // No deadline: it would bound the whole stream.
        BlockingClientCall<ProduceStreamRequest, ProduceStreamResponse> stream = stub.produceStream();
        ExecutorService sender = Executors.newSingleThreadExecutor();
        try {
            sender.submit(() -> {
                for (int i = 0; i < steps.size(); i++) {
                    // It waits while the gateway has no room. If the stream breaks, read() below tells why.
                    stream.write(ProduceStreamRequest.newBuilder()
                            .setSequence(i + 1)
                            .addAllRecords(steps.get(i))
                            .build());
                }
                stream.halfClose();
                return null;
            });
            for (var answer = stream.read(); answer != null; answer = stream.read()) {
                answers.accept(answer);
            }
        } catch (StatusException error) {
            throw Failure.ofCall(error);
        } finally {
            stream.cancel("the caller has left", null);
            sender.shutdownNow();
        }
    }
}
