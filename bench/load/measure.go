package main

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// How long answers may take once no request is sent any more.
const patience = 15 * time.Second

type event struct {
	Event string `json:"event"`
}

// result is what came of a load. Latencies are in microseconds.
type result struct {
	Event     string             `json:"event"`
	Requests  int64              `json:"requests"`
	Records   int64              `json:"records"`
	Seconds   float64            `json:"seconds"`
	Unsent    int64              `json:"unsent"`
	Errors    int64              `json:"errors"`
	Error     string             `json:"error"`
	LatencyUs map[string]float64 `json:"latency_us"`
}

// measure puts the load on and returns what came of it; notify is called as its events happen.
func measure(wanted *order, notify func(any) error) (*result, error) {
	callers := make([]caller, wanted.Connections)
	for i := range callers {
		dialed, err := newCaller(wanted, i)
		if err != nil {
			return nil, fmt.Errorf("connection %d to %s: %w", i+1, wanted.Address, err)
		}
		defer dialed.close()
		callers[i] = dialed
	}

	schedule := newSchedule(wanted)
	tallies := make([]*tally, len(callers))
	failures := make([]error, len(callers))
	var working sync.WaitGroup
	for i, caller := range callers {
		tallies[i] = newTally(schedule)
		working.Go(func() { failures[i] = caller.call(schedule, tallies[i]) })
	}
	pacing := make(chan error, 1)
	if wanted.RatePerS > 0 {
		go func() { pacing <- schedule.pace(wanted.RatePerS) }()
	} else {
		pacing <- nil
	}
	for _, moment := range []struct {
		name string
		at   int64
	}{{"begin", schedule.begin}, {"end", schedule.end}} {
		time.Sleep(time.Duration(moment.at - now()))
		if err := notify(event{moment.name}); err != nil {
			return nil, err
		}
	}
	if err := <-pacing; err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() { working.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(patience):
		return nil, fmt.Errorf("answers were still missing %s after the last request", patience)
	}
	return summed(wanted, tallies, errors.Join(failures...)), nil
}

func summed(wanted *order, tallies []*tally, failure error) *result {
	total := newTally(nil)
	for _, one := range tallies {
		total.latency.Merge(one.latency)
		total.answered += one.answered
		total.late += one.late
		total.bad += one.bad
		if total.firstBad == "" {
			total.firstBad = one.firstBad
		}
	}
	if failure != nil {
		total.wrong("%v", failure)
	}
	latency := map[string]float64{"max": float64(total.latency.Max()), "mean": total.latency.Mean()}
	for name, quantile := range map[string]float64{"p50": 50, "p90": 90, "p99": 99, "p999": 99.9} {
		latency[name] = float64(total.latency.ValueAtQuantile(quantile))
	}
	return &result{
		Event:     "result",
		Requests:  total.answered,
		Records:   total.answered * int64(wanted.Records),
		Seconds:   wanted.MeasureS,
		Unsent:    total.late,
		Errors:    total.bad,
		Error:     total.firstBad,
		LatencyUs: latency,
	}
}
