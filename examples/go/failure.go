package main

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	twinpost "example/twinpost/gen/twinpost/v1"
)

// Failure is what twinpost tells of a call, or of one record, that did not succeed.
type Failure struct {
	// Reason is the name of an ErrorReason, or of a gRPC code where the error is not the gateway's own.
	Reason    string
	Message   string
	Retriable bool
	// Delivered is "no" (not in the log), "unknown" (it may be) or "partial" (some records are).
	Delivered  string
	RetryDelay time.Duration
	Violations []*errdetails.BadRequest_FieldViolation
}

// Known is what programs decide by.
func (f *Failure) Known() string {
	return fmt.Sprintf("%s (retriable: %t, delivered: %s)", f.Reason, f.Retriable, f.Delivered)
}

func (f *Failure) Error() string {
	return f.Known() + ": " + f.Message
}

// failureOf reads the details of a gRPC error. An error without any comes from this client, or from something on the
// way to the gateway, and says nothing of the records.
func failureOf(err error) *Failure {
	st := status.Convert(err)
	failure := &Failure{
		Reason: st.Code().String(), Message: st.Message(), Delivered: "unknown", RetryDelay: time.Second,
	}
	for _, detail := range st.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.Domain == "twinpost" {
				failure.Reason = detail.Reason
				failure.Retriable = detail.Metadata["retriable"] == "true"
				failure.Delivered = detail.Metadata["delivered"]
			}
		case *errdetails.BadRequest:
			failure.Violations = detail.FieldViolations
		case *errdetails.RetryInfo:
			failure.RetryDelay = detail.RetryDelay.AsDuration()
		}
	}
	return failure
}

// failureOfRecord reads the error of one record in an answer that is otherwise OK.
func failureOfRecord(err *twinpost.RecordError) *Failure {
	return &Failure{
		Reason:    strings.TrimPrefix(err.Reason.String(), "ERROR_REASON_"),
		Message:   err.Message,
		Retriable: err.Retriable,
		Delivered: strings.ToLower(strings.TrimPrefix(err.Delivered.String(), "DELIVERED_")),
	}
}
