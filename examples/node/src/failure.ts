import type { ServiceError } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";

import { BadRequest, type BadRequest_FieldViolation, ErrorInfo, RetryInfo } from "../gen/google/rpc/error_details.js";
import { Status } from "../gen/google/rpc/status.js";
import type { RecordError } from "../gen/twinpost/v1/record.js";

/** What twinpost tells of a call, or of one record, that did not succeed. */
export class Failure extends Error {
  /** The name of an ErrorReason, or of a gRPC code where the error is not the gateway's own. */
  reason: string;
  retriable = false;
  /** `no` (not in the log), `unknown` (it may be) or `partial` (some records are). */
  delivered = "unknown";
  retryDelayMs = 1000;
  violations: BadRequest_FieldViolation[] = [];

  private constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }

  /**
   * Reads the details of a gRPC error. An error without any comes from this client, or from something on the way to
   * the gateway, and says nothing of the records.
   */
  static ofCall(error: ServiceError): Failure {
    const failure = new Failure(status[error.code], error.details, { cause: error });
    const [encoded] = error.metadata.get("grpc-status-details-bin");
    const details = encoded === undefined ? [] : Status.decode(encoded as Buffer).details;
    for (const { typeUrl, value } of details) {
      switch (typeUrl) {
        case "type.googleapis.com/google.rpc.ErrorInfo": {
          const info = ErrorInfo.decode(value);
          if (info.domain === "twinpost") {
            failure.reason = info.reason;
            failure.retriable = info.metadata["retriable"] === "true";
            failure.delivered = info.metadata["delivered"] ?? "unknown";
          }
          break;
        }
        case "type.googleapis.com/google.rpc.BadRequest":
          failure.violations = BadRequest.decode(value).fieldViolations;
          break;
        case "type.googleapis.com/google.rpc.RetryInfo": {
          const delay = RetryInfo.decode(value).retryDelay;
          failure.retryDelayMs = Number(delay?.seconds ?? 0) * 1000 + (delay?.nanos ?? 0) / 1e6;
          break;
        }
      }
    }
    return failure;
  }

  /** Reads the error of one record in an answer that is otherwise OK. */
  static ofRecord(error: RecordError): Failure {
    const failure = new Failure(error.reason.replace(/^ERROR_REASON_/, ""), error.message);
    failure.retriable = error.retriable;
    failure.delivered = error.delivered.replace(/^DELIVERED_/, "").toLowerCase();
    return failure;
  }

  /** What programs decide by. */
  get known(): string {
    return `${this.reason} (retriable: ${this.retriable}, delivered: ${this.delivered})`;
  }

  override toString(): string {
    return `${this.known}: ${this.message}`;
  }
}
