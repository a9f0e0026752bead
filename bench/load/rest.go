package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
)

const (
	readBytes       = 64 * 1024
	shownBytes      = 300
	statusOK        = "200"
	statusLineStart = "HTTP/1.1 "
)

// restCaller is an HTTP/1.1 connection that stays open and has one request under way at a time.
type restCaller struct {
	connection net.Conn
	requests   rotation
	needle     []byte
	records    int
	// buffer holds what was read; of it, used bytes are the answers already looked at.
	buffer []byte
	used   int
}

func dialREST(wanted *order, first int) (*restCaller, error) {
	connection, err := net.Dial("tcp", wanted.Address)
	if err != nil {
		return nil, err
	}
	return &restCaller{
		connection: connection,
		requests:   newRotation(wanted.Bodies, first, func(body []byte) []byte { return request(wanted, body) }),
		needle:     []byte(wanted.Needle),
		records:    wanted.Records,
		buffer:     make([]byte, 0, readBytes),
	}, nil
}

// request returns all that is sent for one request.
func request(wanted *order, body []byte) []byte {
	var request bytes.Buffer
	fmt.Fprintf(&request, "%s %s HTTP/1.1\r\nHost: %s\r\n", wanted.Method, wanted.Target, wanted.Address)
	for _, header := range wanted.Headers {
		fmt.Fprintf(&request, "%s: %s\r\n", header[0], header[1])
	}
	fmt.Fprintf(&request, "Content-Length: %d\r\n\r\n", len(body))
	request.Write(body)
	return request.Bytes()
}

func (c *restCaller) close() { c.connection.Close() }

func (c *restCaller) call(schedule *schedule, tally *tally) error {
	for {
		due, more := schedule.next(tally)
		if !more {
			return nil
		}
		if _, err := c.connection.Write(c.requests.take()); err != nil {
			return err
		}
		status, body, err := c.answer()
		if err != nil {
			return err
		}
		switch {
		case string(status) != statusOK:
			tally.wrong("status %s: %.*s", status, shownBytes, body)
		case len(c.needle) > 0 && bytes.Count(body, c.needle) != c.records:
			tally.wrong("%d results instead of %d: %.*s", bytes.Count(body, c.needle), c.records, shownBytes, body)
		default:
			tally.good(due)
		}
	}
}

// answer reads one answer; status and body are valid until the next one is read.
func (c *restCaller) answer() (status, body []byte, err error) {
	c.buffer = c.buffer[:copy(c.buffer, c.buffer[c.used:])]
	c.used = 0
	ending := -1
	for ending < 0 {
		if err := c.read(); err != nil {
			return nil, nil, err
		}
		ending = bytes.Index(c.buffer, []byte("\r\n\r\n"))
	}
	start := ending + len("\r\n\r\n")
	// As long as the buffer only grows, places in it stay true.
	bodyBytes, chunked, err := framing(c.buffer[:ending+len("\r\n")])
	if err != nil {
		return nil, nil, err
	}
	if chunked {
		body, err = c.chunks(start)
	} else {
		for len(c.buffer) < start+bodyBytes {
			if err := c.read(); err != nil {
				return nil, nil, err
			}
		}
		body = c.buffer[start : start+bodyBytes]
		c.used = start + bodyBytes
	}
	return c.buffer[len(statusLineStart) : len(statusLineStart)+len(statusOK)], body, err
}

func (c *restCaller) read() error {
	if len(c.buffer) == cap(c.buffer) {
		grown := make([]byte, len(c.buffer), 2*cap(c.buffer))
		copy(grown, c.buffer)
		c.buffer = grown
	}
	n, err := c.connection.Read(c.buffer[len(c.buffer):cap(c.buffer)])
	c.buffer = c.buffer[:len(c.buffer)+n]
	return err
}

// chunks returns the body of an answer in chunks that begins at start (RFC 9112, 7.1), read to its end.
func (c *restCaller) chunks(start int) ([]byte, error) {
	var body []byte
	at := start
	for {
		size := bytes.Index(c.buffer[at:], []byte("\r\n"))
		for size < 0 {
			if err := c.read(); err != nil {
				return nil, err
			}
			size = bytes.Index(c.buffer[at:], []byte("\r\n"))
		}
		length, err := strconv.ParseInt(string(c.buffer[at:at+size]), 16, 32)
		if err != nil {
			return nil, fmt.Errorf("a chunk of the answer: %w", err)
		}
		at += size + len("\r\n")
		for len(c.buffer) < at+int(length)+len("\r\n") {
			if err := c.read(); err != nil {
				return nil, err
			}
		}
		body = append(body, c.buffer[at:at+int(length)]...)
		at += int(length) + len("\r\n")
		if length == 0 {
			c.used = at
			return body, nil
		}
	}
}

// framing tells from an answer's status line and headers how its body ends.
func framing(head []byte) (bodyBytes int, chunked bool, err error) {
	if len(head) < len(statusLineStart)+len(statusOK) || string(head[:len(statusLineStart)]) != statusLineStart {
		return 0, false, fmt.Errorf("not an answer of HTTP/1.1: %.*q", shownBytes, head)
	}
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			bodyBytes, err = strconv.Atoi(string(bytes.TrimSpace(value)))
			return bodyBytes, false, err
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			return 0, true, nil
		}
	}
	return 0, false, errors.New("the answer tells no length")
}
