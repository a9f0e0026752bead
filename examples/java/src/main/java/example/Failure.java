package example;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.BadRequest.FieldViolation;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.StatusException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import twinpost.v1.RecordError;

/** What twinpost tells of a call, or of one record, that did not succeed. */
final class Failure extends Exception {
    private static final long serialVersionUID = 1;

    /** The name of an ErrorReason, or of a gRPC code where the error is not the gateway's own. */
    final String reason;

    final boolean retriable;

    /** {@code no} (not in the log), {@code unknown} (it may be) or {@code partial} (some records are). */
    final String delivered;

    final transient Duration retryDelay;
    final transient List<FieldViolation> violations;

    private Failure(
            String reason,
            String message,
            boolean retriable,
            String delivered,
            Duration retryDelay,
            List<FieldViolation> violations,
            Throwable cause) {
        super(message, cause);
        this.reason = reason;
        this.retriable = retriable;
        this.delivered = delivered;
        this.retryDelay = retryDelay;
        this.violations = violations;
    }

    /**
     * Reads the details of a gRPC error. An error without any comes from this client, or from something on the way to
     * the gateway, and says nothing of the records.
     */
    static Failure ofCall(StatusException error) {
        String reason = error.getStatus().getCode().name();
        boolean retriable = false;
        String delivered = "unknown";
        Duration retryDelay = Duration.ofSeconds(1);
        List<FieldViolation> violations = List.of();
        try {
            for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
                if (detail.is(ErrorInfo.class)) {
                    ErrorInfo info = detail.unpack(ErrorInfo.class);
                    if (info.getDomain().equals("twinpost")) {
                        reason = info.getReason();
                        retriable = info.getMetadataOrThrow("retriable").equals("true");
                        delivered = info.getMetadataOrThrow("delivered");
                    }
                } else if (detail.is(BadRequest.class)) {
                    violations = detail.unpack(BadRequest.class).getFieldViolationsList();
                } else if (detail.is(RetryInfo.class)) {
                    var delay = detail.unpack(RetryInfo.class).getRetryDelay();
                    retryDelay = Duration.ofSeconds(delay.getSeconds(), delay.getNanos());
                }
            }
        } catch (InvalidProtocolBufferException unreadable) {
            error.addSuppressed(unreadable);
        }
        return new Failure(
                reason, error.getStatus().getDescription(), retriable, delivered, retryDelay, violations, error);
    }

    /** Reads the error of one record in an answer that is otherwise OK. */
    static Failure ofRecord(RecordError error) {
        return new Failure(
                error.getReason().name().replaceFirst("^ERROR_REASON_", ""),
                error.getMessage(),
                error.getRetriable(),
                error.getDelivered().name().replaceFirst("^DELIVERED_", "").toLowerCase(Locale.ROOT),
                Duration.ofSeconds(1),
                List.of(),
                null);
    }

    /** What programs decide by. */
    String known() {
        return "%s (retriable: %b, delivered: %s)".formatted(reason, retriable, delivered);
    }

    @Override
    public String toString() {
        return known() + ": " + getMessage();
    }
}
