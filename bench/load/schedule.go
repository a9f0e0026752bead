package main

import (
	"encoding/binary"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// After the measured time the load goes on for so long: the caller is to take processor times under load.
	overtime = 100 * time.Millisecond
	// After that, requests that wait for their turn still get it for so long; then they are given up.
	catchUp = 3 * time.Second
)

// schedule tells callers when to send. Times are those of now.
type schedule struct {
	begin, end int64
	// due holds the times at which requests are to be sent; nil where callers send as fast as they get answers.
	due chan int64
}

func newSchedule(wanted *order) *schedule {
	begin := now() + int64(wanted.WarmUpS*1e9)
	s := &schedule{begin: begin, end: begin + int64(wanted.MeasureS*1e9)}
	if wanted.RatePerS > 0 {
		// Room for every request there will be: a server that is too slow must not slow the schedule down.
		seconds := wanted.WarmUpS + wanted.MeasureS + overtime.Seconds()
		s.due = make(chan int64, int(seconds*wanted.RatePerS)+1)
	}
	return s
}

// next returns the time at which the next request was to be sent, waiting for it, and false if there is none any more.
func (s *schedule) next(tally *tally) (int64, bool) {
	if s.due == nil {
		at := now()
		return at, at < s.end+int64(overtime)
	}
	for at := range s.due {
		if now() < s.end+int64(overtime+catchUp) {
			return at, true
		}
		tally.unsent(at)
	}
	return 0, false
}

// pace fills due. The kernel's timer wakes it through the poller, to a few microseconds; the runtime's own timers are
// late by up to a millisecond where nothing else happens.
func (s *schedule) pace(ratePerS float64) error {
	defer close(s.due)
	descriptor, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return err
	}
	timer := os.NewFile(uintptr(descriptor), "timerfd")
	defer timer.Close()
	interval := 1e9 / ratePerS
	period := unix.NsecToTimespec(int64(interval))
	if err := unix.TimerfdSettime(descriptor, 0, &unix.ItimerSpec{Interval: period, Value: period}, nil); err != nil {
		return err
	}
	start := now()
	var expirations [8]byte
	for sent := 0; now() < s.end+int64(overtime); {
		if _, err := timer.Read(expirations[:]); err != nil {
			return err
		}
		for range binary.NativeEndian.Uint64(expirations[:]) {
			sent++
			s.due <- start + int64(float64(sent)*interval)
		}
	}
	return nil
}

var epoch = time.Now()

// now returns the monotonic time in nanoseconds.
func now() int64 { return int64(time.Since(epoch)) }
