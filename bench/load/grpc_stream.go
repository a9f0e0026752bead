package main

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/net/http2"
)

// streamCaller is an HTTP/2 connection with one stream, on which steps are sent without waiting for the answers.
type streamCaller struct {
	*http2Connection
	opening      []byte
	steps        rotation
	records      int
	resultsField uint64
	// room has an element for each step without an answer; it is full where no more may be sent.
	room chan struct{}
	// unanswered holds when each of these steps was to be sent, in order.
	unanswered chan int64
}

func dialStream(wanted *order, first int) (*streamCaller, error) {
	connection, err := dialHTTP2(wanted.Address)
	if err != nil {
		return nil, err
	}
	return &streamCaller{
		http2Connection: connection,
		opening:         requestHeaders(wanted),
		steps:           newRotation(wanted.Bodies, first, func(body []byte) []byte { return messageFrames(body, 0) }),
		records:         wanted.Records,
		resultsField:    wanted.ResultsField,
		room:            make(chan struct{}, wanted.Window),
		unanswered:      make(chan int64, wanted.Window),
	}, nil
}

func (c *streamCaller) call(schedule *schedule, tally *tally) error {
	sending := make(chan error, 1)
	go func() { sending <- c.sendSteps(schedule, tally) }()
	err := c.readAnswers(tally)
	if err != nil {
		// The sender waits for room in a window, or to write to a peer that reads no more.
		c.fail(err)
		c.close()
		for {
			select {
			case <-c.room:
				<-c.unanswered
			case <-sending:
				return err
			}
		}
	}
	return <-sending
}

func (c *streamCaller) sendSteps(schedule *schedule, tally *tally) error {
	if err := c.send(c.opening, c.awaitWindow); err != nil {
		return err
	}
	for {
		c.room <- struct{}{}
		due, more := schedule.next(tally)
		if !more {
			return c.send(appendFrame(nil, http2.FrameData, http2.FlagDataEndStream, nil), c.awaitWindow)
		}
		c.unanswered <- due
		if err := c.send(c.steps.take(), c.awaitWindow); err != nil {
			return err
		}
	}
}

// readAnswers reads to the end of the stream.
func (c *streamCaller) readAnswers(tally *tally) error {
	var answers []byte
	for {
		got, err := c.next()
		if err != nil {
			return err
		}
		answers = append(answers, got.data...)
		read := 0
		for len(answers)-read >= messagePrefixBytes {
			end := read + messagePrefixBytes + int(binary.BigEndian.Uint32(answers[read+1:]))
			if len(answers) < end {
				break
			}
			if err := c.take(answers[read+messagePrefixBytes:end], tally); err != nil {
				return err
			}
			read = end
		}
		answers = answers[:copy(answers, answers[read:])]
		if got.lastOfCall {
			if got.headers["grpc-status"] != "0" || len(c.unanswered) > 0 {
				return fmt.Errorf("the stream ended with %v and %d steps unanswered", got.headers, len(c.unanswered))
			}
			return nil
		}
	}
}

func (c *streamCaller) take(answer []byte, tally *tally) error {
	select {
	case due := <-c.unanswered:
		<-c.room
		if err := checkResults(answer, c.resultsField, c.records); err != nil {
			tally.wrong("%v", err)
		} else {
			tally.good(due)
		}
		return nil
	default:
		return errors.New("more answers than steps")
	}
}

// awaitWindow is called with the windows locked.
func (c *streamCaller) awaitWindow() error {
	if c.failure == nil {
		c.widened.Wait()
	}
	return c.failure
}
