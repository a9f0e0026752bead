// Command twinpost-example produces to Kafka through twinpost: a record, a batch, a stream, and what goes wrong.
//
// The gateway and the credentials come from GATEWAY_ADDRESS, GATEWAY_USER and GATEWAY_PASSWORD.
package main

//go:generate buf generate

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	twinpost "example/twinpost/gen/twinpost/v1"
)

const (
	callTimeout = 10 * time.Second
	triesMax    = 5
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	conn, err := grpc.NewClient(
		cmp.Or(os.Getenv("GATEWAY_ADDRESS"), "127.0.0.1:8080"),
		// For a gateway with TLS: credentials.NewTLS(nil), and RequireTransportSecurity below.
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithPerRPCCredentials(basicAuth{
			user:     cmp.Or(os.Getenv("GATEWAY_USER"), "myuser"),
			password: cmp.Or(os.Getenv("GATEWAY_PASSWORD"), "mypass"),
		}),
	)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := twinpost.NewProducerServiceClient(conn)

	for _, step := range []func(context.Context, twinpost.ProducerServiceClient) error{
		produceOne, produceBatches, produceStream, produceInvalid, produceToMissingPartition,
	} {
		if err := step(ctx, client); err != nil {
			return err
		}
	}
	return nil
}

func produceOne(ctx context.Context, client twinpost.ProducerServiceClient) error {
	results, err := produce(ctx, client, "one", []*twinpost.Record{{
		Topic: "greetings",
		Key:   []byte("go"),
		Value: []byte("hello from go"),
		Headers: []*twinpost.Header{
			{Key: "content-type", Value: []byte("text/plain")},
			{Key: "trace", Value: []byte{0x00, 0xff}},
		},
	}})
	if err != nil {
		return err
	}
	return allStored("one", results)
}

// produceBatches sends two requests of many records each, for two topics. A nil value is a tombstone; an empty one
// would be []byte{}.
func produceBatches(ctx context.Context, client twinpost.ProducerServiceClient) error {
	for batch := range 2 {
		call := fmt.Sprint("batch ", batch+1)
		records := make([]*twinpost.Record, 20)
		for i := range records {
			record := &twinpost.Record{Topic: "greetings", Key: fmt.Appendf(nil, "go-%d-%d", batch+1, i+1)}
			if i%2 == 1 {
				record.Topic = "cities"
			}
			if i%10 != 9 {
				record.Value = fmt.Appendf(nil, "record %d", i+1)
			}
			records[i] = record
		}
		results, err := produce(ctx, client, call, records)
		if err != nil {
			return err
		}
		if err := allStored(call, results); err != nil {
			return err
		}
	}
	return nil
}

// produceStream sends its steps without waiting for answers, and matches each answer by its sequence. The third step
// breaks a rule: it is answered by an error for each of its records, and the stream goes on.
func produceStream(ctx context.Context, client twinpost.ProducerServiceClient) error {
	const steps, badStep = 5, 3
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.ProduceStream(ctx)
	if err != nil {
		return err
	}

	unanswered := map[uint64]bool{}
	for sequence := range uint64(steps) {
		unanswered[sequence+1] = true
	}
	sent := make(chan error, 1)
	go func() {
		for sequence := uint64(1); sequence <= steps; sequence++ {
			records := make([]*twinpost.Record, 3)
			for i := range records {
				records[i] = &twinpost.Record{
					Topic: "cities",
					Key:   []byte("go"),
					Value: fmt.Appendf(nil, "step %d record %d", sequence, i+1),
				}
			}
			if sequence == badStep {
				records[1].Partition = new(int32(-1))
			}
			// It waits while the gateway has no room. Its error is only io.EOF: Recv tells what happened.
			if stream.Send(&twinpost.ProduceStreamRequest{Sequence: sequence, Records: records}) != nil {
				break
			}
		}
		sent <- stream.CloseSend()
	}()

	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			// What became of the steps that were not answered is for `delivered` to say.
			return fmt.Errorf("stream ended with %v unanswered: %w", unanswered, failureOf(err))
		}
		if !unanswered[answer.Sequence] {
			return fmt.Errorf("stream: an answer to %d, which nothing waits for", answer.Sequence)
		}
		delete(unanswered, answer.Sequence)
		call := fmt.Sprint("stream ", answer.Sequence)
		if stored := report(call, answer.Results); (stored == len(answer.Results)) != (answer.Sequence != badStep) {
			return fmt.Errorf("%s: %d of %d records stored", call, stored, len(answer.Results))
		}
	}
	if len(unanswered) > 0 {
		return fmt.Errorf("stream ended well with %v unanswered", unanswered)
	}
	fmt.Println("stream: complete")
	return <-sent
}

// produceInvalid shows that the gateway names everything that is wrong with a request, and writes nothing of it.
func produceInvalid(ctx context.Context, client twinpost.ProducerServiceClient) error {
	_, err := produce(ctx, client, "invalid", []*twinpost.Record{
		{Topic: "greetings", Value: []byte("never"), Partition: new(int32(-1))},
		{Topic: "no/topic", Value: []byte("never"), Timestamp: new(int64(0))},
	})
	return expectFailure("invalid", "INVALID_RECORD", err)
}

// produceToMissingPartition is refused by what the cluster is like rather than by a rule, and equally as a whole.
func produceToMissingPartition(ctx context.Context, client twinpost.ProducerServiceClient) error {
	_, err := produce(ctx, client, "missing partition", []*twinpost.Record{
		{Topic: "cities", Value: []byte("never")},
		{Topic: "greetings", Value: []byte("never"), Partition: new(int32(1000))},
	})
	return expectFailure("missing partition", "PARTITION_OUT_OF_RANGE", err)
}

func expectFailure(call, reason string, err error) error {
	var failure *Failure
	if err == nil {
		return fmt.Errorf("%s: expected %s, but all is stored", call, reason)
	}
	if !errors.As(err, &failure) || failure.Reason != reason {
		return fmt.Errorf("%s: expected %s: %w", call, reason, err)
	}
	fmt.Printf("%s: failed %s\n", call, failure.Known())
	for _, violation := range failure.Violations {
		fmt.Printf("%s: violation %s: %s\n", call, violation.Field, violation.Description)
	}
	return nil
}

// produce calls Produce, and sends again what is certainly not in the log and may succeed later. Where records may be
// in the log, sending again might store them twice: that is for the caller to decide, so the failure is returned.
func produce(
	ctx context.Context, client twinpost.ProducerServiceClient, call string, records []*twinpost.Record,
) ([]*twinpost.RecordResult, error) {
	for try := 1; ; try++ {
		tryCtx, cancel := context.WithTimeout(ctx, callTimeout)
		answer, err := client.Produce(tryCtx, &twinpost.ProduceRequest{Records: records})
		cancel()
		if err == nil {
			return answer.Results, nil
		}
		failure := failureOf(err)
		if !failure.Retriable || failure.Delivered != "no" || try == triesMax {
			return nil, fmt.Errorf("%s: %w", call, failure)
		}
		fmt.Printf("%s: waiting %.3f s after %s\n", call, failure.RetryDelay.Seconds(), failure.Known())
		select {
		case <-time.After(failure.RetryDelay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// report prints what became of each record and returns how many are stored.
func report(call string, results []*twinpost.RecordResult) int {
	stored := 0
	for _, result := range results {
		if place := result.GetMetadata(); place != nil {
			stored++
			fmt.Printf("%s: stored %s partition %d offset %d\n", call, place.Topic, place.Partition, place.Offset)
		} else {
			fmt.Printf("%s: failed %s\n", call, failureOfRecord(result.GetError()).Known())
		}
	}
	return stored
}

func allStored(call string, results []*twinpost.RecordResult) error {
	if stored := report(call, results); stored != len(results) {
		return fmt.Errorf("%s: %d of %d records stored", call, stored, len(results))
	}
	return nil
}

// basicAuth sends HTTP Basic credentials with every call.
type basicAuth struct{ user, password string }

func (auth basicAuth) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	token := base64.StdEncoding.EncodeToString([]byte(auth.user + ":" + auth.password))
	return map[string]string{"authorization": "Basic " + token}, nil
}

func (basicAuth) RequireTransportSecurity() bool { return false }
