package stream

import (
	"context"
	"testing"
)

// A source is run by one worker at a time, however often it is woken meanwhile,
// and once more after that.
func TestQueueRunsASourceOnce(t *testing.T) {
	q := &queue{more: make(chan struct{}, 1)}
	a, b := new(source), new(source)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	q.put(a)
	q.put(b)
	q.put(a)
	if got := q.take(t.Context()); got != a {
		t.Fatalf("take = %p, want the first, %p", got, a)
	}
	q.put(a) // it is woken while it is run
	q.put(a)
	if got := q.take(t.Context()); got != b {
		t.Fatalf("take = %p, want the second, %p", got, b)
	}
	if got := q.take(over); got != nil {
		t.Fatalf("take = %p while it is being run, want nothing", got)
	}
	q.done(b)
	q.done(a)
	if got := q.take(t.Context()); got != a {
		t.Fatalf("take = %p, want %p again", got, a)
	}
	q.done(a)
	if got := q.take(over); got != nil {
		t.Fatalf("take = %p, want nothing", got)
	}
}
