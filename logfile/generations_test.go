package logfile_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/logfile"
)

// collect runs a Set on one file; done ends it.
func collect(t *testing.T, state, path string) (l *logfile.Log, done func()) {
	t.Helper()
	set := &logfile.Set{State: state, Quiet: 5 * time.Millisecond} // Active is 1 s
	must(t, set.Add(path))
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- set.Run(ctx) }()
	return set.First(), func() {
		cancel()
		must(t, <-ran)
	}
}

// writtenDown says that the state has the generation that is current.
func writtenDown(t *testing.T, state string, l *logfile.Log) bool {
	t.Helper()
	b, _ := os.ReadFile(filepath.Join(state, "generations"))
	cur := l.Stat().Current
	return cur != nil && strings.Contains(string(b), cur.ID.String()+" current ")
}

// rotate renames a file and begins the next one.
func rotate(t *testing.T, l *logfile.Log, path string, nr int) {
	t.Helper()
	before := l.Stat().Current.ID
	must(t, os.Rename(path, fmt.Sprintf("%s.%d", path, nr)))
	must(t, os.WriteFile(path, text(nr, 500), 0o644))
	eventually(t, "the next generation", func() bool {
		cur := l.Stat().Current
		return cur != nil && cur.ID != before
	})
}

// A process that is killed has written down which generations there are, however often
// they were rotated: what is new is added, and the file is not written whole.
func TestGenerationsAreAddedAtOnce(t *testing.T) {
	t.Parallel()
	path, state := filepath.Join(t.TempDir(), "app.log"), t.TempDir()
	must(t, os.WriteFile(path, text(9, 500), 0o644))
	l, done := collect(t, state, path)
	defer done()
	eventually(t, "the first generation is written down", func() bool { return writtenDown(t, state, l) })
	before, err := os.Stat(filepath.Join(state, "generations"))
	must(t, err)
	for nr := range 5 {
		rotate(t, l, path, 5-nr)
		eventually(t, "the next generation is written down", func() bool { return writtenDown(t, state, l) })
	}
	if after, err := os.Stat(filepath.Join(state, "generations")); err != nil || !os.SameFile(before, after) {
		t.Errorf("the file was written whole for five generations: %v", err)
	}
}

// What a process adds, another one that writes the file whole keeps, and of each log
// only what was said last.
func TestGenerationsAddedByOthersAreKept(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), t.TempDir()
	ours, others := filepath.Join(dir, "ours.log"), filepath.Join(dir, "others.log")
	must(t, os.WriteFile(ours, text(8, 500), 0o644))
	must(t, os.WriteFile(others, text(9, 500), 0o644))
	l, done := collect(t, state, others)
	defer done()
	eventually(t, "the first generation is written down", func() bool { return writtenDown(t, state, l) })
	first := l.Stat().Current.ID
	rotate(t, l, others, 1)
	eventually(t, "the next generation is written down", func() bool { return writtenDown(t, state, l) })
	_, stop := collect(t, state, ours)
	stop() // which writes the file whole
	b, err := os.ReadFile(filepath.Join(state, "generations"))
	must(t, err)
	if !writtenDown(t, state, l) || strings.Count(string(b), first.String()) != 1 || strings.Contains(string(b), "anew ") {
		t.Errorf("others' generations %s and %s are not there once each: %q", first.Short(), l.Stat().Current.ID.Short(), b)
	}
}
