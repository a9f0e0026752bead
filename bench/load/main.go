// Load puts one load on a server and tells what came of it.
//
// The load is read from standard input as JSON (see order). Standard output gets a line of JSON for each event: "begin"
// and "end" of the time that is measured, at the very moment, so that the caller can take the servers' processor times
// then; and at last "result".
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
)

// Collecting garbage less often costs memory alone, which is there.
const gcPercent = 800

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run() error {
	debug.SetGCPercent(gcPercent)
	var wanted order
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wanted); err != nil {
		return fmt.Errorf("the order on standard input: %w", err)
	}
	result, err := measure(&wanted, func(event any) error { return json.NewEncoder(os.Stdout).Encode(event) })
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}
