package main

import (
	"sync"

	"google.golang.org/grpc/status"
)

// tally is what became of the calls of a client.
type tally struct {
	mu sync.Mutex
	// Calls is how many calls were to be made.
	Calls int64 `json:"calls"`
	// ServedBy is how many calls each replica answered with OK.
	ServedBy map[string]int64 `json:"served_by"`
	// Failures is how many calls ended with each other code.
	Failures map[string]int64 `json:"failures"`
	// FirstFailure is the message of the first of them.
	FirstFailure string `json:"first_failure,omitempty"`
}

func newTally(calls int64) *tally {
	return &tally{Calls: calls, ServedBy: make(map[string]int64), Failures: make(map[string]int64)}
}

// add counts one call.
func (t *tally) add(replica string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.ServedBy[replica]++
		return
	}
	t.Failures[codeName(status.Code(err)).String()]++
	if t.FirstFailure == "" {
		t.FirstFailure = err.Error()
	}
}

func (t *tally) failed() (failed int64) {
	for _, count := range t.Failures {
		failed += count
	}
	return failed
}
