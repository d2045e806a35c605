package logfile_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"fairlead/logfile"
)

// A file that matches a glob joins within 50 ms, by events alone.
func TestGlobJoinsWithin50ms(t *testing.T) {
	set := &logfile.Set{Active: time.Hour, Sweep: time.Hour}
	dir := t.TempDir()
	must(t, set.Add(filepath.Join(dir, "**", "*.log")))
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- set.Run(ctx) }()
	defer func() {
		cancel()
		must(t, <-ran)
	}()
	var took []time.Duration
	for i := range 40 {
		if i%4 == 0 { // in a directory that is new itself
			dir = filepath.Join(dir, fmt.Sprint(i))
		}
		took = append(took, joinTime(t, set, filepath.Join(dir, fmt.Sprintf("%d.log", i))))
	}
	slices.Sort(took)
	t.Logf("joined within %v, median %v", took[len(took)-1], took[len(took)/2])
	if got := took[len(took)/2]; got > 50*time.Millisecond {
		t.Errorf("half of the files joined within %v, want 50ms", got)
	}
}

// joinTime makes a file and returns how long it takes until it has joined.
func joinTime(t *testing.T, set *logfile.Set, path string) time.Duration {
	t.Helper()
	late := time.After(patience)
	began := time.Now()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte("x\n"), 0o644))
	for {
		changed := set.Changed()
		if _, err := set.Lookup(path); err == nil {
			return time.Since(began)
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("%s did not join within %v", path, patience)
		}
	}
}

// New files, and files in new directories, are delivered from their first byte.
func TestGlobNewFiles(t *testing.T) {
	eachWay(t, func(x *fixture) {
		names := []string{"a.log", "new/b.log", "new/er/c.log", "new/er/yet/d.log"}
		x.followAll(x.path("**/*.log"), names...)
		for _, name := range names {
			var w *refWriter
			x.strike(func() {
				must(t, os.MkdirAll(filepath.Dir(x.path(name)), 0o755))
				w = newWriter(t, x.path(name))
				w.write(3)
			})
			w.write(2)
			x.reader(name).expect(w.contents()...)
		}
	}, live, down)
}

// Older generations beside a log are not logs themselves, whatever they are
// called, and whether they are there at the start or come later.
func TestSiblingsAreNoSources(t *testing.T) {
	for _, target := range []string{"", "*", "app*", "**/*"} {
		t.Run("target="+target, func(t *testing.T) {
			eachWay(t, func(x *fixture) {
				for _, name := range []string{"app.log.1", "app.log.2.gz", "app.log.old", "app.log-20260101", "app.log-20260102.xz", "app.log.2026-01-03"} {
					must(t, os.WriteFile(x.path(name), []byte("of "+name), 0o644))
				}
				w := newWriter(t, x.path("app.log"))
				w.write(3)
				x.followAll(filepath.Join(x.dir, target), "app.log")
				r := x.reader("app.log")
				r.expect(w.contents()...) // and nothing of what was there before
				for range 3 {
					x.strike(func() {
						w.write(1)
						w.rotate()
						w.write(2)
						w.rotateDated()
						compress(t, x.path("app.log.1"))
						w.write(1)
					})
					r.await("the newest", func() bool {
						return len(r.gens) > 0 && string(r.gens[len(r.gens)-1].bytes) == string(w.gen.bytes)
					})
				}
				if logs := x.engine().set.Logs(); len(logs) != 1 {
					t.Errorf("%d logs, want 1: %s", len(logs), logs[1].Name())
				}
			}, live, down)
		})
	}
}
