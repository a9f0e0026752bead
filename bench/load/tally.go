package main

import (
	"fmt"
	"sync"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	latencyMaxUs      = 120_000_000
	significantDigits = 3
)

// tally counts the answers of one caller, whose sender and reader may be two goroutines.
type tally struct {
	schedule *schedule
	counting sync.Mutex
	latency  *hdrhistogram.Histogram
	// answered counts the good answers that came while time was taken.
	answered int64
	// late counts the requests that were never sent, since the server could not keep up with the rate.
	late int64
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
	t.counting.Lock()
	defer t.counting.Unlock()
	if at >= t.schedule.begin && at < t.schedule.end {
		t.answered++
	}
	t.record(due, at)
}

// unsent notes that the request that was to be sent at `due` never was. Its latency is at least what has passed since.
func (t *tally) unsent(due int64) {
	t.counting.Lock()
	defer t.counting.Unlock()
	t.late++
	t.record(due, now())
}

func (t *tally) record(due, at int64) {
	if due >= t.schedule.begin && due < t.schedule.end {
		// Nothing else is refused than values beyond the range.
		_ = t.latency.RecordValue(min((at-due)/1000, latencyMaxUs))
	}
}

// wrong notes an answer that is not what it must be.
func (t *tally) wrong(format string, arguments ...any) {
	t.counting.Lock()
	defer t.counting.Unlock()
	t.bad++
	if t.firstBad == "" {
		t.firstBad = fmt.Sprintf(format, arguments...)
	}
}
