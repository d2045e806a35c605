package spool_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/spool"
)

// A place is where a spool is kept: what holds in one holds in the other.
func places(t *testing.T, f func(t *testing.T, dir string)) {
	t.Run("disk", func(t *testing.T) { f(t, t.TempDir()) })
	t.Run("memory", func(t *testing.T) { f(t, "") })
}

// What is appended is read back, also over several segments.
func TestAppend(t *testing.T) {
	places(t, func(t *testing.T, dir string) {
		s := open(t, spool.Options{Dir: dir, Segment: 10})
		want := ""
		for i := range 20 {
			p := fmt.Sprintf("record %d\n", i)
			must(t, s.Append([]byte(p)))
			want += p
			if got := text(t, s); got != want {
				t.Fatalf("after %d records: %q, want %q", i+1, got, want)
			}
		}
		if st := s.Stats(); st.Bytes != int64(len(want)) || st.Start != 0 || st.End != int64(len(want)) || st.Segments < 10 {
			t.Errorf("Stats() = %+v, want %d bytes in 10 segments or more", st, len(want))
		}
	})
}

// Nothing was appended yet: there is a segment to hold, with nothing in it.
func TestAcquireEmpty(t *testing.T) {
	places(t, func(t *testing.T, dir string) {
		s := open(t, spool.Options{Dir: dir})
		changed := s.Changed()
		g := acquire(t, s, 0)
		if g.Base() != 0 || g.End() != 0 || !g.Sealed() || g.Bytes(0) != nil {
			t.Errorf("Acquire(0) = [%d, %d), sealed %v, want an empty sealed one", g.Base(), g.End(), g.Sealed())
		}
		if _, err := g.ReadAt(make([]byte, 1), 0); err != io.EOF {
			t.Errorf("ReadAt(0) = %v, want EOF", err)
		}
		g.Release()
		must(t, s.Append([]byte("one\n")))
		<-changed
		g = acquire(t, s, 0)
		defer g.Release()
		if b, err := content(g); string(b) != "one\n" || err != nil {
			t.Errorf("the first segment has %q, %v, want one record", b, err)
		}
	})
}

func TestAcquireRange(t *testing.T) {
	places(t, func(t *testing.T, dir string) {
		s := open(t, spool.Options{Dir: dir, Segment: 4, Budget: 8})
		for range 4 {
			must(t, s.Append([]byte("abc\n")))
		}
		for _, off := range []int64{-1, 17} {
			if _, err := s.Acquire(off); err == nil {
				t.Errorf("Acquire(%d) = nil, want an error", off)
			}
		}
		for off := range int64(8) {
			_, err := s.Acquire(off)
			wantGone(t, err, 8)
		}
		for off := int64(8); off <= 16; off++ {
			g := acquire(t, s, off)
			if want := min(12, off&^3); g.Base() != want || !g.Sealed() {
				t.Errorf("Acquire(%d).Base() = %d, sealed %v, want %d, true", off, g.Base(), g.Sealed(), want)
			}
			g.Release()
		}
	})
}

// An append is never split, and may be longer than a segment or the budget.
func TestAppendLong(t *testing.T) {
	places(t, func(t *testing.T, dir string) {
		s := open(t, spool.Options{Dir: dir, Segment: 10, Budget: 100})
		must(t, s.Append([]byte("short\n")))
		long := strings.Repeat("long\n", 50)
		must(t, s.Append([]byte(long)))
		g := acquire(t, s, s.End()-1)
		defer g.Release()
		b, err := content(g)
		must(t, err)
		if !strings.HasSuffix(string(b), long) {
			t.Errorf("the newest segment has %d bytes, want %d", len(b), len(long))
		}
	})
}

// Changed wakes everybody, once each, and wakes them for good at Close.
func TestChanged(t *testing.T) {
	places(t, func(t *testing.T, dir string) {
		s := open(t, spool.Options{Dir: dir})
		closed := func(c <-chan struct{}) bool {
			select {
			case <-c:
				return true
			default:
				return false
			}
		}
		a, b := s.Changed(), s.Changed()
		if a != b || closed(a) {
			t.Fatal("Changed() before an append: two channels, or a closed one")
		}
		must(t, s.Append([]byte("x\n")))
		c := s.Changed()
		if !closed(a) || closed(c) {
			t.Error("after an append the channel from before is open, or the one from after closed")
		}
		must(t, s.Close())
		if !closed(c) || !closed(s.Changed()) {
			t.Error("after Close a channel is open")
		}
	})
}

func TestClosed(t *testing.T) {
	places(t, func(t *testing.T, dir string) {
		s := open(t, spool.Options{Dir: dir})
		must(t, s.Append([]byte("kept\n")))
		g := acquire(t, s, 0)
		must(t, s.Close())
		must(t, s.Close())
		if b, err := content(g); string(b) != "kept\n" || err != nil || !g.Sealed() {
			t.Errorf("a held segment after Close() has %q, %v, want all of it", b, err)
		}
		g.Release()
		_, err := s.Acquire(0)
		for what, err := range map[string]error{"Append": s.Append([]byte("x\n")), "Note": s.Note(nil), "Acquire": err} {
			if !errors.Is(err, spool.ErrClosed) {
				t.Errorf("%s after Close() = %v, want ErrClosed", what, err)
			}
		}
	})
}

// A descriptor is open for what is written or held, and for nothing else.
func TestDescriptors(t *testing.T) {
	fds := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(entries)
	}
	before := fds()
	dir := t.TempDir()
	s := open(t, spool.Options{Dir: dir, Segment: 4})
	for range 10 {
		must(t, s.Append([]byte("abc\n")))
	}
	must(t, s.Close())
	if n := fds(); n != before {
		t.Errorf("%d descriptors after Close(), want %d", n, before)
	}
	s = open(t, spool.Options{Dir: dir, Segment: 4})
	opened := fds()
	var held []*spool.Segment
	for range 100 {
		held = append(held, acquire(t, s, 0), acquire(t, s, 5))
	}
	if n := fds(); n != opened+2 {
		t.Errorf("%d descriptors while 200 hold two segments, want %d", n, opened+2)
	}
	must(t, s.Close())
	for _, g := range held {
		g.Release()
	}
	if n := fds(); n != before {
		t.Errorf("%d descriptors after all is released, want %d", n, before)
	}
}

func TestReleaseTwice(t *testing.T) {
	s := open(t, spool.Options{Dir: t.TempDir()})
	must(t, s.Append([]byte("abc\n")))
	g := acquire(t, s, 0)
	must(t, s.Close())
	g.Release()
	defer func() {
		if recover() == nil {
			t.Error("Release() twice did not panic")
		}
	}()
	g.Release()
}

// The directory is for its owner alone.
func TestOpenMakesDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := open(t, spool.Options{Dir: dir})
	must(t, s.Append([]byte("x\n")))
	fi, err := os.Stat(dir)
	must(t, err)
	if fi.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v, want 0700", fi.Mode().Perm())
	}
	for _, path := range append(files(t, dir, ".seg"), files(t, dir, ".pos")...) {
		fi, err := os.Stat(path)
		must(t, err)
		if fi.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", path, fi.Mode().Perm())
		}
	}
}

// Changed and Append cost nothing where nobody waits.
func TestAppendAllocates(t *testing.T) {
	s := open(t, spool.Options{Dir: t.TempDir()})
	p := []byte("record\n")
	must(t, s.Append(p))
	if n := testing.AllocsPerRun(100, func() { must(t, s.Append(p)) }); n > 0 {
		t.Errorf("Append() allocates %v times, want 0", n)
	}
}
