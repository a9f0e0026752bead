package main

import "fmt"

// order is the load that is wanted. Requests are bytes made by the caller: nothing is encoded here while time is taken.
type order struct {
	// Protocol is "rest", "grpc-unary" or "grpc-stream".
	Protocol string `json:"protocol"`
	Address  string `json:"address"`
	// Method is HTTP's; gRPC's is always POST.
	Method string `json:"method"`
	// Target is the path, with a query where there is one.
	Target  string      `json:"target"`
	Headers [][2]string `json:"headers"`
	// Bodies are those of the requests, or the messages of the calls or steps, one after the other and then again. Callers
	// begin at different places.
	Bodies [][]byte `json:"bodies"`
	// Records is how many records each request holds.
	Records int `json:"records"`
	// Needle, where it is not empty, must be in the body of each REST answer once for each record.
	Needle string `json:"needle"`
	// ResultsField is the number of the repeated field whose elements are the results, in the messages of gRPC answers;
	// each must hold its field 1. 0 where answers have none.
	ResultsField uint64 `json:"results_field"`
	// Connections is how many callers there are, each with a connection of its own.
	Connections int `json:"connections"`
	// Window is how many steps of one stream may be unanswered at once.
	Window int `json:"window"`
	// RatePerS is how many requests are to be sent each second by all callers together, at evenly spaced times; 0 means
	// that each caller sends its next request once it has the answer to the last.
	RatePerS float64 `json:"rate_per_s"`
	WarmUpS  float64 `json:"warm_up_s"`
	MeasureS float64 `json:"measure_s"`
}

// caller is one connection that takes requests until there are none left.
type caller interface {
	// call sends requests as the schedule says and tells the tally of each answer. It returns when the schedule has
	// ended and every answer is there, or at once where the connection is of no more use.
	call(schedule *schedule, tally *tally) error
	close()
}

// newCaller returns the caller of the given number, connected.
func newCaller(wanted *order, number int) (caller, error) {
	first := number * len(wanted.Bodies) / wanted.Connections
	switch wanted.Protocol {
	case "rest":
		return dialREST(wanted, first)
	case "grpc-unary":
		return dialUnary(wanted, first)
	case "grpc-stream":
		return dialStream(wanted, first)
	}
	return nil, fmt.Errorf("protocol %q is not rest, grpc-unary or grpc-stream", wanted.Protocol)
}

// rotation hands out what is to be sent, one after the other and then again.
type rotation struct {
	frames [][]byte
	next   int
}

func newRotation(bodies [][]byte, first int, frame func([]byte) []byte) rotation {
	made := rotation{next: first}
	for _, body := range bodies {
		made.frames = append(made.frames, frame(body))
	}
	return made
}

func (r *rotation) take() []byte {
	taken := r.frames[r.next]
	r.next = (r.next + 1) % len(r.frames)
	return taken
}
