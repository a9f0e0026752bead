package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// measured puts the load of an order on handler and returns what came of it.
func measured(t *testing.T, wanted order, handler http.HandlerFunc) *result {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	wanted.Protocol, wanted.Address = "rest", strings.TrimPrefix(server.URL, "http://")
	wanted.Method, wanted.Target, wanted.Records = "POST", "/", 1
	if wanted.Bodies == nil {
		wanted.Bodies = [][]byte{nil}
	}
	got, err := measure(&wanted, func(any) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestGoodAnswersAreCounted(t *testing.T) {
	var served atomic.Int64
	got := measured(t, order{Connections: 2, MeasureS: 0.1, Needle: "stored"}, func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		fmt.Fprint(w, "stored")
	})
	// Those after the end are not counted.
	if got.Errors != 0 || got.Requests == 0 || got.Requests > served.Load() {
		t.Errorf("%d served, and %+v", served.Load(), got)
	}
}

func TestAnswerInChunksIsRead(t *testing.T) {
	got := measured(t, order{Connections: 1, MeasureS: 0.1, Needle: "stored"}, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "sto")
		w.(http.Flusher).Flush()
		fmt.Fprint(w, "red")
	})
	if got.Errors != 0 || got.Requests == 0 {
		t.Errorf("%+v", got)
	}
}

func TestBadAnswersAreErrors(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"status":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"results": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "stored stored") },
		"closed":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			got := measured(t, order{Connections: 1, MeasureS: 0.1, Needle: "stored"}, handler)
			if got.Errors == 0 || got.Error == "" || got.Requests != 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestLatencyCountsFromWhenARequestWasDue(t *testing.T) {
	// One answer takes 300 ms; at 100 a second, with one caller, some thirty requests wait behind it.
	var served atomic.Int64
	got := measured(t, order{Connections: 1, MeasureS: 0.9, RatePerS: 100}, func(http.ResponseWriter, *http.Request) {
		if served.Add(1) == 10 {
			time.Sleep(300 * time.Millisecond)
		}
	})
	if got.Requests < 80 || got.LatencyUs["p90"] < 100_000 {
		t.Errorf("the wait of those behind was left out: %+v", got)
	}
}

func TestBodiesTakeTurns(t *testing.T) {
	var seen [3]atomic.Int64
	wanted := order{Connections: 3, MeasureS: 0.1, Bodies: [][]byte{[]byte("0"), []byte("1"), []byte("2")}}
	measured(t, wanted, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen[body[0]-'0'].Add(1)
	})
	least, most := seen[0].Load(), seen[0].Load()
	for i := range seen {
		least, most = min(least, seen[i].Load()), max(most, seen[i].Load())
	}
	// Each of the three callers may have stopped in the middle of a turn.
	if least == 0 || most-least > 3 {
		t.Errorf("%d to %d times", least, most)
	}
}
