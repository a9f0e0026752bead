package main

import (
	"strings"
	"testing"
)

func TestResultsAreCounted(t *testing.T) {
	// Two results in field 2, each with a message in its field 1, after a varint in field 1.
	message := []byte("\x08\x01\x12\x04\x0a\x02\x10\x03\x12\x02\x0a\x00")
	if err := checkResults(message, 2, 2); err != nil {
		t.Errorf("two stored records were refused: %v", err)
	}
	if err := checkResults(message, 2, 3); err == nil {
		t.Error("a missing result was not noticed")
	}
	if err := checkResults(message, 0, 7); err != nil {
		t.Errorf("results were counted where there are none to count: %v", err)
	}
}

func TestRecordThatWasNotStoredIsNoticed(t *testing.T) {
	// The second result has a message in its field 2: an error.
	err := checkResults([]byte("\x0a\x02\x0a\x00\x0a\x02\x12\x00"), 1, 2)
	if err == nil || !strings.Contains(err.Error(), "not stored") {
		t.Errorf("got %v", err)
	}
}

func TestRubbishIsNoticed(t *testing.T) {
	for _, message := range []string{"\x0a\x7f", "\x80", "\x0d\x01", "\x0a"} {
		if err := checkResults([]byte(message), 1, 0); err == nil {
			t.Errorf("%q was taken for a message", message)
		}
	}
}
