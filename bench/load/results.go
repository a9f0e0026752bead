package main

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Protocol Buffers' wire types, and what a result begins with that holds field 1, a message.
const (
	wireVarint       = 0
	wireBytes        = 2
	storedResultMark = 1<<3 | wireBytes
)

var errWire = errors.New("the answer is no message of Protocol Buffers")

// checkResults returns an error unless the repeated field of message has as many elements as there were records, each of
// them a stored one. Field 0 means that there is nothing to count.
func checkResults(message []byte, field uint64, records int) error {
	if field == 0 {
		return nil
	}
	stored := 0
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 {
			return errWire
		}
		message = message[n:]
		value, n := binary.Uvarint(message)
		if n <= 0 {
			return errWire
		}
		message = message[n:]
		switch tag & 7 {
		case wireVarint:
		case wireBytes:
			if value > uint64(len(message)) {
				return errWire
			}
			if tag>>3 == field {
				if value == 0 || message[0] != storedResultMark {
					return fmt.Errorf("a record was not stored: %q", message[:value])
				}
				stored++
			}
			message = message[value:]
		default:
			return errWire
		}
	}
	if stored != records {
		return fmt.Errorf("%d results instead of %d", stored, records)
	}
	return nil
}
