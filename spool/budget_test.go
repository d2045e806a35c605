package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"fairlead/spool"
)

func expired(g *spool.Segment) bool {
	select {
	case <-g.Expired():
		return true
	default:
		return false
	}
}

// Readers finish what they hold within one more budget; beyond it those of the
// oldest segments must let go, and no others.
func TestPinned(t *testing.T) {
	places(t, func(t *testing.T, dir string) {
		s := open(t, spool.Options{Dir: dir, Segment: 4, Budget: 12})
		var held []*spool.Segment
		next := func() {
			must(t, s.Append(fmt.Appendf(nil, "%03d\n", len(held))))
			held = append(held, acquire(t, s, s.End()-1))
		}
		want := func(pinned, told int64) {
			t.Helper()
			if st := s.Stats(); st.Bytes != 12 || st.Pinned != pinned || st.Expired != told {
				t.Fatalf("Stats() = %+v, want %d pinned, %d expired", st, pinned, told)
			}
			for i, g := range held {
				if expired(g) != (int64(i) < told) {
					t.Errorf("segment %d expired: %v, want the oldest %d", i, expired(g), told)
				}
				if b, err := content(g); err != nil || string(b) != fmt.Sprintf("%03d\n", i) {
					t.Errorf("segment %d has %q, %v", i, b, err)
				}
			}
		}
		for range 6 {
			next()
		}
		want(12, 0)
		next()
		want(16, 1)
		next()
		want(20, 2)
		if _, err := s.Acquire(0); err == nil {
			t.Error("a dropped segment was acquired")
		}
		held[0].Release()
		held[1].Release()
		if st := s.Stats(); st.Pinned != 12 {
			t.Errorf("after the oldest are released %d bytes are pinned, want 12", st.Pinned)
		}
		held[2].Release() // room for one more
		must(t, s.Append([]byte("xyz\n")))
		if st := s.Stats(); st.Pinned != 12 || st.Expired != 2 {
			t.Errorf("Stats() = %+v, want 12 pinned, 2 expired", st)
		}
		for _, g := range held[3:] {
			g.Release()
		}
		if st := s.Stats(); st.Pinned != 0 {
			t.Errorf("after all are released %d bytes are pinned", st.Pinned)
		}
	})
}

// A dropped segment has no name any more, also while it is held.
func TestDroppedFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Options{Dir: dir, Segment: 4, Budget: 8})
	must(t, s.Append([]byte("abc\n")))
	g := acquire(t, s, 0)
	defer g.Release()
	first := files(t, dir, ".seg")[0]
	for range 2 {
		must(t, s.Append([]byte("abc\n")))
	}
	if _, err := os.Stat(first); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat(%s) = %v, want that it is gone", first, err)
	}
	if b, err := content(g); err != nil || string(b) != "abc\n" {
		t.Errorf("the held segment has %q, %v", b, err)
	}
}

// Marks outlive their segments, up to their own budget; those of kept segments
// and the one before stay in any case.
func TestMarksOutlive(t *testing.T) {
	places(t, func(t *testing.T, dir string) {
		text := bytes.Repeat([]byte("m"), 500<<10) // two fit in 1 MiB
		s := open(t, spool.Options{Dir: dir, Segment: 4, Budget: 8, Mark: func() []byte { return text }})
		bases := func(marks []spool.Mark) (bases []int64) {
			for _, m := range marks {
				if !bytes.Equal(m.Text, text) {
					t.Errorf("the text at %v has %d bytes, want %d", m.Pos, len(m.Text), len(text))
				}
				bases = append(bases, m.Pos.Off)
			}
			return bases
		}
		check := func(from int64, want string, wantOK bool) {
			t.Helper()
			marks, ok := s.Marks(spool.Pos{Epoch: s.Epoch(), Off: from})
			if got := fmt.Sprint(bases(marks)); got != want || ok != wantOK {
				t.Errorf("Marks(%d) = %s, %v, want %s, %v", from, got, ok, want, wantOK)
			}
		}
		for range 6 {
			must(t, s.Append([]byte("abc\n")))
		}
		check(0, "[12 16 20]", false) // 16 and 20 are kept, 12 is the one before
		check(12, "[12 16 20]", true)
		check(19, "[16 20]", true)
		check(100, "[20]", true)
		if dir == "" {
			return
		}
		must(t, s.Close())
		epoch := s.Epoch()
		s = open(t, spool.Options{Dir: dir, Segment: 4, Budget: 8, Mark: func() []byte { return text }})
		check(13, "[12 16 20]", true)
		must(t, s.Append([]byte("abc\n")))
		check(13, "[16 20 24]", false)
		// In another epoch they go on.
		s = open(t, spool.Options{Dir: dir, Segment: 4, Budget: 8, Boot: "boot 2", Mark: func() []byte { return text }})
		must(t, s.Append([]byte("abc\n")))
		marks, ok := s.Marks(spool.Pos{Epoch: epoch, Off: 25})
		if got := fmt.Sprint(bases(marks)); got != "[24 28]" || !ok || marks[0].Pos.Epoch != epoch || marks[1].Pos.Epoch != s.Epoch() {
			t.Errorf("Marks(25) of the epoch before = %s, %v, want [24 28] of both", got, ok)
		}
		if n := len(files(t, dir, ".pos")); n != 2 {
			t.Errorf("there are %d .pos files, want 2", n)
		}
	})
}

// Many small marks stay, long after their segments.
func TestMarksStay(t *testing.T) {
	places(t, func(t *testing.T, dir string) {
		s := open(t, spool.Options{Dir: dir, Segment: 4, Budget: 8})
		for range 100 {
			must(t, s.Append([]byte("abc\n")))
			must(t, s.Note([]byte("n")))
		}
		marks, ok := s.Marks(spool.Pos{Epoch: s.Epoch(), Off: 1})
		if len(marks) != 100 || !ok || marks[50].Pos.Off != 200 || string(marks[50].Notes) != "n" {
			t.Errorf("there are %d marks, %v, want 100", len(marks), ok)
		}
	})
}

// The budget may be smaller than it was.
func TestBudgetShrinks(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Options{Dir: dir, Segment: 4})
	for range 10 {
		must(t, s.Append([]byte("abc\n")))
	}
	must(t, s.Close())
	s = open(t, spool.Options{Dir: dir, Segment: 4, Budget: 12})
	if s.Start() != 28 || len(files(t, dir, ".seg")) != 3 {
		t.Errorf("Start() = %d with %d files, want 28 with 3", s.Start(), len(files(t, dir, ".seg")))
	}
}

// A power cut leaves what survived to be read once, and no other segment.
func TestPrevious(t *testing.T) {
	dir := quick(t)
	s := open(t, spool.Options{Dir: dir, Segment: 8})
	for i := range 5 {
		must(t, s.Append(fmt.Appendf(nil, "rc%d\n", i)))
	}
	seg := files(t, dir, ".seg")[2]
	must(t, os.WriteFile(seg, []byte("rc4\n\x00\x00\x00"), 0o600))
	s = open(t, spool.Options{Dir: dir, Segment: 8, Boot: "boot 2"})
	g := s.Previous()
	if g == nil || g.Base() != 16 || g.End() != 20 || s.Start() != 20 || s.End() != 20 {
		t.Fatalf("Previous() = %v, Start() = %d, want [16, 20), 20", g, s.Start())
	}
	if left := files(t, dir, ".seg"); len(left) != 1 || left[0] != seg {
		t.Errorf("there are %v, want only %s", left, seg)
	}
	must(t, s.Append([]byte("new\n")))
	if b, err := content(g); err != nil || string(b) != "rc4\n" {
		t.Errorf("Previous() has %q, %v", b, err)
	}
	g.Release()
	if _, err := os.Stat(seg); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat(%s) after release = %v, want that it is gone", filepath.Base(seg), err)
	}
	if s.Previous() != nil {
		t.Error("Previous() after release is not nil")
	}
	if n := len(files(t, dir, ".pos")); n != 4 {
		t.Errorf("there are %d .pos files, want 4", n)
	}
	if got := text(t, s); got != "new\n" {
		t.Errorf("the log is %q, want what is new", got)
	}
}

// Close removes what a power cut left, asked for or not; but not if nothing was
// written since: then it is found again.
func TestPreviousAtClose(t *testing.T) {
	for _, ask := range []bool{false, true} {
		for _, write := range []bool{false, true} {
			dir := quick(t)
			s := open(t, spool.Options{Dir: dir})
			must(t, s.Append([]byte("old\n")))
			s = open(t, spool.Options{Dir: dir, Boot: "boot 2"})
			if ask {
				g := s.Previous()
				defer g.Release()
			}
			if write {
				must(t, s.Append([]byte("new\n")))
			}
			must(t, s.Close())
			s = open(t, spool.Options{Dir: dir, Boot: "boot 3"})
			g := s.Previous()
			if (g != nil) == write {
				t.Errorf("asked %v, written %v: Previous() = %v next time", ask, write, g)
			}
			if g != nil {
				g.Release()
			}
			if want := 1; len(files(t, dir, ".seg")) != want {
				t.Errorf("asked %v, written %v: %d segments, want %d", ask, write, len(files(t, dir, ".seg")), want)
			}
		}
	}
}
