package main

import (
	"errors"
	"fmt"

	"golang.org/x/net/http2"
)

const messagePrefixBytes = 5

// unaryCaller is an HTTP/2 connection that has one call under way at a time.
type unaryCaller struct {
	*http2Connection
	calls        rotation
	stream       uint32
	answer       []byte
	records      int
	resultsField uint64
}

func dialUnary(wanted *order, first int) (*unaryCaller, error) {
	connection, err := dialHTTP2(wanted.Address)
	if err != nil {
		return nil, err
	}
	whole := func(body []byte) []byte {
		return append(requestHeaders(wanted), messageFrames(body, http2.FlagDataEndStream)...)
	}
	return &unaryCaller{
		http2Connection: connection,
		calls:           newRotation(wanted.Bodies, first, whole),
		stream:          1,
		records:         wanted.Records,
		resultsField:    wanted.ResultsField,
	}, nil
}

func (c *unaryCaller) call(schedule *schedule, tally *tally) error {
	for ; ; c.stream += 2 {
		due, more := schedule.next(tally)
		if !more {
			return nil
		}
		c.newStream()
		frames := c.calls.take()
		sentOn(frames, c.stream)
		if err := c.send(frames, c.readForWindow); err != nil {
			return err
		}
		ended, err := c.end()
		switch {
		case err != nil:
			return err
		case ended["grpc-status"] != "0":
			tally.wrong("%v", ended)
		case len(c.answer) < messagePrefixBytes:
			tally.wrong("no message in the answer")
		default:
			if err := checkResults(c.answer[messagePrefixBytes:], c.resultsField, c.records); err != nil {
				tally.wrong("%v", err)
			} else {
				tally.good(due)
			}
		}
	}
}

// end reads to the end of the call, with the message in answer, and returns its trailers.
func (c *unaryCaller) end() (map[string]string, error) {
	c.answer = c.answer[:0]
	for {
		got, err := c.next()
		if err != nil {
			return nil, err
		}
		c.answer = append(c.answer, got.data...)
		if got.lastOfCall {
			if got.headers == nil {
				return nil, errors.New("the call ended without trailers")
			}
			return got.headers, nil
		}
	}
}

// readForWindow reads one frame, which must not be the answer: nothing of that comes before the whole request is sent.
func (c *unaryCaller) readForWindow() error {
	c.windows.Unlock()
	defer c.windows.Lock()
	got, found, err := c.readFrame()
	if err == nil && found {
		return fmt.Errorf("an answer before the request: %v", got.headers)
	}
	return err
}
