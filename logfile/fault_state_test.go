package logfile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fairlead/logfile"
)

// Two processes share a state directory: each keeps the ids of its own logs,
// and those of the other.
func TestStateShared(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), t.TempDir()
	paths := []string{filepath.Join(dir, "a.log"), filepath.Join(dir, "b \"\n c.log ")}
	var ids [2]logfile.GenID
	for i, path := range paths {
		must(t, os.WriteFile(path, text(i, 500), 0o644))
	}
	for round := range 5 {
		logs, done := runTwo(t, state, paths)
		for i, l := range logs {
			got := l.Stat().Current.ID
			if round > 0 && got != ids[i] {
				t.Errorf("round %d: %s has generation %s, want %s", round, paths[i], got.Short(), ids[i].Short())
			}
			ids[i] = got
			appendTo(t, paths[i], "more\n")
		}
		done()
	}
}

// runTwo runs two Sets of one state, with one log each.
func runTwo(t *testing.T, state string, paths []string) (logs []*logfile.Log, done func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error)
	for _, path := range paths {
		set := &logfile.Set{State: state, Active: 5 * time.Millisecond, Sweep: 5 * time.Millisecond}
		must(t, set.Add(path))
		logs = append(logs, set.First())
		go func() { ran <- set.Run(ctx) }()
	}
	return logs, func() {
		cancel()
		for range paths {
			must(t, <-ran)
		}
	}
}

func appendTo(t *testing.T, path, s string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	defer f.Close()
	_, err = f.WriteString(s)
	must(t, err)
}

// Two processes that follow one log give it one id.
func TestStateSameLog(t *testing.T) {
	t.Parallel()
	path, state := filepath.Join(t.TempDir(), "app.log"), t.TempDir()
	must(t, os.WriteFile(path, text(1, 500), 0o644))
	logs, done := runTwo(t, state, []string{path})
	first := logs[0].Stat().Current.ID
	done()
	logs, done = runTwo(t, state, []string{path, path})
	for _, l := range logs {
		if got := l.Stat().Current.ID; got != first {
			t.Errorf("generation %s, want %s", got.Short(), first.Short())
		}
	}
	done()
}

// A generations file that is damaged, cut, or of another program costs ids at
// most: what is delivered is what is in the files.
func TestStateDamaged(t *testing.T) {
	t.Parallel()
	x := newFixture(t, down)
	w := newWriter(t, x.path("app.log"))
	w.write(9)
	x.follow("app.log").expect(w.contents()...)
	w.rotate()
	w.write(9)
	x.reader("app.log").expect(w.contents()...)
	x.down()
	file := filepath.Join(x.conf.State, "generations")
	whole, err := os.ReadFile(file)
	must(t, err)
	damages := map[string][]byte{
		"empty": nil, "foreign": []byte("#!/bin/sh\n"), "no lines": []byte("fairlead generations 1\n"),
		"doubled": append(bytes.Clone(whole), whole...), "binary": bytes.Repeat([]byte{0, 0xff, '\n'}, 1000),
		"no newlines": bytes.ReplaceAll(whole, []byte("\n"), nil),
	}
	for i := 0; i < len(whole); i += 37 {
		damages[fmt.Sprintf("cut at %d", i)] = whole[:i]
		flipped := bytes.Clone(whole)
		flipped[i] ^= 1 << (i % 8)
		damages[fmt.Sprintf("bit flipped at %d", i)] = flipped
	}
	for name, b := range damages {
		t.Run(name, func(t *testing.T) { beginWith(t, w.path, b, w.gen.bytes) })
	}
}

// beginWith begins with a generations file and reads what is at the path, in
// whatever generation it is taken for.
func beginWith(t *testing.T, path string, generations, want []byte) {
	t.Helper()
	state := t.TempDir()
	must(t, os.WriteFile(filepath.Join(state, "generations"), generations, 0o600))
	logs, done := runTwo(t, state, []string{path})
	defer done()
	f := logfile.Follow(logs[0], logfile.FromStart)
	defer f.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var got []byte
	for buf := make([]byte, 1000); !bytes.Equal(got, want); {
		span, err := f.Read(ctx, buf)
		switch {
		case errors.Is(err, logfile.ErrEnded): // it was not what the state says
			got = nil
		case err != nil:
			t.Fatalf("read %s, then %v, want %s", glimpse(got), err, glimpse(want))
		default:
			got = append(got, buf[:span.N]...)
		}
	}
}

// A state directory that cannot be written is an error at the end, and nothing
// less is delivered.
func TestStateUnwritable(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.log")
	must(t, os.WriteFile(path, text(1, 500), 0o644))
	set := &logfile.Set{State: filepath.Join(path, "not a directory")}
	must(t, set.Add(path))
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- set.Run(ctx) }()
	f := logfile.Follow(set.First(), logfile.FromStart)
	defer f.Close()
	buf := make([]byte, 1000)
	if span, err := f.Read(ctx, buf); err != nil || span.N != 500 {
		t.Errorf("Read() = %+v, %v, want 500 bytes", span, err)
	}
	cancel()
	if err := <-ran; err == nil {
		t.Error("Run() = nil, want an error: the state could not be written")
	}
}

// Nothing is found in our own state directory, nor in a directory to skip.
func TestStateIsNoSource(t *testing.T) {
	t.Parallel()
	x := newFixture(t, live)
	x.conf.State, x.conf.Skip = x.path("state"), x.path("store")
	for _, dir := range []string{"state", "store", "logs"} {
		must(t, os.MkdirAll(x.path(dir+"/deep"), 0o755))
		must(t, os.WriteFile(x.path(dir+"/deep/app.log"), text(1, 100), 0o644))
	}
	x.followAll(x.dir, "logs/deep/app.log", "logs/new.log")
	x.reader("logs/deep/app.log").expect(text(1, 100))
	for _, dir := range []string{"state", "store", "logs"} {
		must(t, os.WriteFile(x.path(dir+"/new.log"), text(2, 100), 0o644))
	}
	x.reader("logs/new.log").expect(text(2, 100))
	if n := len(x.engine().set.Logs()); n != 2 {
		t.Errorf("%d logs, want 2", n)
	}
	if why := x.run.why(x.path("state/new.log")); !bytes.Contains([]byte(why), []byte("itself writes to")) {
		t.Errorf("Why = %q, want that Fairlead itself writes there", why)
	}
}
