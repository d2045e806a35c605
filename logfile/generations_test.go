package logfile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// collect runs a Set on one file until the test ends, or stop is called.
func collect(t *testing.T, s *Set, path string) (stop func()) {
	t.Helper()
	if err := s.Add(path); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// await waits until what is missing is nothing.
func await(t *testing.T, missing func() string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		what := missing()
		if what == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

func add(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// stateOf returns what a file of generations says of a log.
func stateOf(dir, log string) []record {
	s := &Set{State: dir}
	return s.loadGenerations()[log]
}

// A process that is killed has written down which generations there are, however
// often they were rotated and however large the file is.
func TestGenerationsAreAddedAtOnce(t *testing.T) {
	dir, state := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "app.log")
	add(t, path, "first\n")
	s := &Set{State: state, Quiet: 5 * time.Millisecond} // Active is 1 s
	collect(t, s, path)
	l := s.Logs()[0]
	await(t, func() string {
		if len(stateOf(state, path)) != 1 {
			return "nothing is written down"
		}
		return ""
	})
	began := time.Now()
	for i := range 5 {
		if err := os.Rename(path, fmt.Sprintf("%s.%d", path, 5-i)); err != nil {
			t.Fatal(err)
		}
		add(t, path, fmt.Sprintf("generation %d\n", i))
		await(t, func() string {
			st := l.Stat()
			recs := stateOf(state, path)
			if st.Current == nil || len(st.Old) != i+1 || len(recs) != i+2 || recs[i+1].gen != st.Current.ID || !recs[i+1].current {
				return fmt.Sprintf("%d records are written down of %d generations", len(recs), len(st.Old)+1)
			}
			return ""
		})
	}
	b, err := os.ReadFile(filepath.Join(state, generationsFile))
	if err != nil || !strings.Contains(string(b), anew) {
		t.Errorf("nothing was added in %v: %q, %v", time.Since(began), b, err)
	}
}

// What a process adds, another one that writes the file whole keeps, and of each log
// only what was said last.
func TestGenerationsAddedByOthersAreKept(t *testing.T) {
	dir, state := t.TempDir(), t.TempDir()
	ours, others := filepath.Join(dir, "ours.log"), filepath.Join(dir, "others.log")
	add(t, ours, "ours\n")
	add(t, others, "others\n")
	theirs := &Set{State: state, Quiet: 5 * time.Millisecond}
	collect(t, theirs, others)
	id := func() GenID { return theirs.Logs()[0].Stat().Current.ID }
	await(t, func() string {
		if len(stateOf(state, others)) != 1 {
			return "nothing is written down"
		}
		return ""
	})
	before := id()
	if err := os.Rename(others, others+".1"); err != nil {
		t.Fatal(err)
	}
	add(t, others, "another\n")
	await(t, func() string {
		if recs := stateOf(state, others); id() == before || len(recs) != 2 || recs[1].gen != id() {
			return fmt.Sprintf("%d records", len(recs))
		}
		return ""
	})
	s := &Set{State: state}
	stop := collect(t, s, ours)
	stop() // writes the file whole
	if recs := stateOf(state, ours); len(recs) != 1 {
		t.Errorf("%d records of our own", len(recs))
	}
	if recs := stateOf(state, others); len(recs) != 2 || recs[1].gen != id() {
		t.Errorf("of others' there are %d records, want 2, the last of the current generation", len(recs))
	}
}
