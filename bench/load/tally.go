package main

import (
	"fmt"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	latencyMaxUs      = 120_000_000
	significantDigits = 3
)

// tally counts the answers of one caller.
type tally struct {
	schedule *schedule
	latency  *hdrhistogram.Histogram
	// answered counts the good answers that came while time was taken.
	answered int64
	// bad counts answers that were not what they must be, whenever they came.
	bad      int64
	firstBad string
}

func newTally(schedule *schedule) *tally {
	return &tally{schedule: schedule, latency: hdrhistogram.New(1, latencyMaxUs, significantDigits)}
}

// good notes that the request that was to be sent at `due` has its answer. Latency counts from then, whenever the request
// was sent: a caller that is held up by one slow answer must not hide that the next requests waited too.
func (t *tally) good(due int64) {
	at := now()
	if at >= t.schedule.begin && at < t.schedule.end {
		t.answered++
	}
	if due >= t.schedule.begin && due < t.schedule.end {
		// Only values beyond the range are refused, and a run that slow is reported as such by its maximum.
		_ = t.latency.RecordValue(min((at-due)/1000, latencyMaxUs))
	}
}

// wrong notes an answer that is not what it must be.
func (t *tally) wrong(format string, arguments ...any) {
	t.bad++
	if t.firstBad == "" {
		t.firstBad = fmt.Sprintf(format, arguments...)
	}
}
