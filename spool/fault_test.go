package spool

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A faulty file writes half of what it should, and cannot be cut or synced.
type faulty struct {
	file
	write, cut, sync bool
}

func (f *faulty) WriteAt(p []byte, off int64) (int, error) {
	if !f.write {
		return f.file.WriteAt(p, off)
	}
	n, _ := f.file.WriteAt(p[:len(p)/2], off)
	return n, syscall.ENOSPC
}

func (f *faulty) Truncate(n int64) error {
	if f.cut {
		return syscall.EIO
	}
	return f.file.Truncate(n)
}

func (f *faulty) Sync() error {
	if f.sync {
		return syscall.EIO
	}
	return f.file.Sync()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func opened(t *testing.T, dir, boot string) *Spool {
	t.Helper()
	s, err := Open(Options{Dir: dir, Boot: boot})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// breakNewest makes the newest segment faulty.
func breakNewest(s *Spool) *faulty {
	g := s.segs[len(s.segs)-1]
	f := &faulty{file: g.out}
	g.out = f
	return f
}

func all(t *testing.T, s *Spool) string {
	t.Helper()
	var b []byte
	for off := s.Start(); off < s.End(); {
		g, err := s.Acquire(off)
		must(t, err)
		part := make([]byte, g.End()-off)
		if n, err := g.ReadAt(part, off); n < len(part) {
			t.Fatal(err)
		}
		b = append(b, part...)
		off = g.End()
		g.Release()
	}
	return string(b)
}

// What a failed append wrote is cut off, and the next may succeed.
func TestAppendFails(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir, "boot")
	must(t, s.Append([]byte("one\n")))
	changed := s.Changed()
	f := breakNewest(s)
	f.write = true
	if err := s.Append([]byte("two\ntwo\n")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Append() = %v, want ENOSPC", err)
	}
	select {
	case <-changed:
		t.Error("a failed append woke the readers")
	default:
	}
	if got := all(t, s); got != "one\n" || s.End() != 4 {
		t.Errorf("after a failed append: %q, want one record", got)
	}
	if fi, err := os.Stat(s.segs[0].path); err != nil || fi.Size() != 4 {
		t.Errorf("after a failed append the file has %d bytes, want 4", fi.Size())
	}
	f.write = false
	must(t, s.Append([]byte("three\n")))
	if got := all(t, s); got != "one\nthree\n" || len(s.segs) != 1 {
		t.Errorf("after the next append: %q in %d segments", got, len(s.segs))
	}
}

// What cannot be cut off is behind the end of its segment for ever: the next
// one's base says so.
func TestCutFails(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir, "boot")
	must(t, s.Append([]byte("one\n")))
	f := breakNewest(s)
	f.write, f.cut = true, true
	if err := s.Append([]byte("two\ntwo\n")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Append() = %v, want ENOSPC", err)
	}
	if !s.segs[0].Sealed() || s.End() != 4 {
		t.Errorf("after a failed cut: sealed %v, End() = %d, want true, 4", s.segs[0].Sealed(), s.End())
	}
	must(t, s.Append([]byte("three\n")))
	for _, s := range []*Spool{s, opened(t, dir, "boot")} {
		if got := all(t, s); got != "one\nthree\n" || len(s.segs) != 2 {
			t.Errorf("after the next append: %q in %d segments, want both in 2", got, len(s.segs))
		}
	}
}

// An empty segment is not sealed: the next one would have its name.
func TestCutOfEmptyFails(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir, "boot")
	must(t, s.Note([]byte("note")))
	f := breakNewest(s)
	f.write, f.cut = true, true
	for range 2 {
		if err := s.Append([]byte("two\ntwo\n")); err == nil {
			t.Error("Append() = nil, want an error")
		}
		f.write = false // but not cut
	}
	f.cut = false
	must(t, s.Append([]byte("one\n")))
	for _, s := range []*Spool{s, opened(t, dir, "boot")} {
		if got := all(t, s); got != "one\n" || len(s.segs) != 1 {
			t.Errorf("after the next append: %q in %d segments, want one", got, len(s.segs))
		}
	}
}

// An fsync that failed is counted, not retried, and no close is clean after it;
// the log goes on.
func TestSyncFails(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir, "boot")
	must(t, s.Append([]byte("one\n")))
	f := breakNewest(s)
	f.sync = true
	s.seal(s.segs[0])
	must(t, s.Append([]byte("two\n")))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	for s.Stats().SyncErrs == 0 || dirty(s) {
		s.kick()
	}
	cancel()
	must(t, <-done)
	f.sync = false
	if st := s.Stats(); st.SyncErrs != 1 || !errors.Is(st.SyncErr, syscall.EIO) {
		t.Errorf("Stats() = %+v, want one EIO", st)
	}
	if got := all(t, s); got != "one\ntwo\n" {
		t.Errorf("after a failed fsync: %q", got)
	}
	if err := s.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Close() = %v, want EIO", err)
	}
	if _, err := os.Stat(filepath.Join(dir, cleanName)); err == nil {
		t.Error("the close counts as clean")
	}
	if again := opened(t, dir, "another boot"); again.Epoch() == s.Epoch() {
		t.Error("the epoch goes on in another boot")
	}
}

func dirty(s *Spool) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d := s.syncDir
	for _, g := range s.segs {
		d = d || g.syncPos || g.syncSeg
	}
	return d
}

// Run makes durable what was sealed and the marks, and then holds the
// descriptors of the newest segment alone.
func TestRunSyncs(t *testing.T) {
	s, err := Open(Options{Dir: t.TempDir(), Boot: "boot", Segment: 4})
	must(t, err)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	for range 5 {
		must(t, s.Append([]byte("abc\n")))
	}
	must(t, s.Append([]byte("a\n")))
	for dirty(s) {
		s.kick()
	}
	cancel()
	must(t, <-done)
	for i, g := range s.segs {
		if newest := i == len(s.segs)-1; (g.f != nil) != newest || (g.mark.out != nil) != newest {
			t.Errorf("segment %d: open %v, its mark %v, want %v", i, g.f != nil, g.mark.out != nil, newest)
		}
	}
}

// A mark that cannot be written leaves nothing behind, and nothing changed.
func TestBeginFails(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir, "boot")
	in := filepath.Join(dir, baseName(s.Epoch(), 0)+segExt)
	must(t, os.Mkdir(in, 0o700)) // in the way of the segment
	if err := s.Append([]byte("one\n")); err == nil || !strings.Contains(err.Error(), "begin segment") {
		t.Errorf("Append() = %v, want that no segment begins", err)
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 1 || s.End() != 0 {
		t.Errorf("there are %v, End() = %d, want nothing", entries, s.End())
	}
	must(t, os.Remove(in))
	must(t, s.Append([]byte("one\n")))
	if got := all(t, s); got != "one\n" {
		t.Errorf("after the next append: %q", got)
	}
}
