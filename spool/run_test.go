package spool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/spool"
)

// run runs s until the test ends.
func run(t testing.TB, s *spool.Spool) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v, want nil", err)
		}
		if _, ok := t.(*testing.T); ok {
			goleak.VerifyNone(t)
		}
	})
}

// Many readers see every byte in order, or that bytes are gone, while segments
// are written, made durable, dropped and expired; and Close wakes them all.
func TestReaders(t *testing.T) {
	places(t, func(t *testing.T, dir string) {
		if dir != "" {
			dir = quick(t)
		}
		s := open(t, spool.Options{Dir: dir, Segment: 1 << 10, Budget: 8 << 10, Mark: func() []byte { return []byte("m") }})
		run(t, s)
		var want bytes.Buffer
		for i := range 5000 {
			fmt.Fprintf(&want, "record %d %s\n", i, strings.Repeat("x", i%50))
		}
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				if err := follow(s, want.Bytes(), i%2 == 0); !errors.Is(err, spool.ErrClosed) {
					t.Errorf("reader %d: %v", i, err)
				}
			})
		}
		for b := want.Bytes(); len(b) > 0; {
			n := min(len(b), 1+rand.IntN(300))
			n += bytes.IndexByte(b[n-1:], '\n')
			must(t, s.Append(b[:n]))
			must(t, s.Note([]byte("n")))
			s.Stats()
			b = b[n:]
		}
		must(t, s.Close())
		wg.Wait()
		if st := s.Stats(); st.Pinned != 0 || st.SyncErrs != 0 || st.End != int64(want.Len()) {
			t.Errorf("Stats() = %+v, want nothing pinned, no error, %d bytes", st, want.Len())
		}
	})
}

// follow reads s to its end, and goes on where it begins when it was too slow.
func follow(s *spool.Spool, want []byte, marks bool) error {
	off := int64(0)
	buf := make([]byte, 100)
	for {
		g, err := s.Acquire(off)
		var gone *spool.Gone
		if errors.As(err, &gone) {
			if off >= gone.Start {
				return fmt.Errorf("%d is gone, but the log begins at %d", off, gone.Start)
			}
			off = gone.Start
			continue
		}
		if err != nil {
			return err
		}
		if marks && g.End() > off { // not the one of before the first append
			if _, ok := s.Marks(spool.Pos{Epoch: s.Epoch(), Off: off}); !ok {
				return fmt.Errorf("no mark for %d", off)
			}
		}
		for {
			changed, sealed := s.Changed(), g.Sealed()
			n, err := g.ReadAt(buf, off)
			if !bytes.Equal(buf[:n], want[off:off+int64(n)]) {
				return fmt.Errorf("at %d: %q, %v, want %q", off, buf[:n], err, want[off:off+int64(n)])
			}
			if off += int64(n); n > 0 {
				continue
			}
			if !sealed || off == s.End() {
				select {
				case <-changed:
				case <-g.Expired():
				}
			}
			if sealed {
				break
			}
		}
		g.Release()
	}
}

// A reader that looks after it took Changed is woken for what it did not see.
func TestNoWakeIsLost(t *testing.T) {
	s := open(t, spool.Options{})
	const rounds = 20000
	seen := make(chan int64)
	go func() {
		for off := int64(0); off < 2*rounds; {
			changed := s.Changed()
			if end := s.End(); end > off {
				off = end
				seen <- off
				continue
			}
			<-changed
		}
	}()
	late := time.After(time.Minute)
	for i := range int64(rounds) {
		must(t, s.Append([]byte("x\n")))
		select {
		case off := <-seen:
			if off != 2*i+2 {
				t.Fatalf("the reader is at %d, want %d", off, 2*i+2)
			}
		case <-late:
			t.Fatalf("after append %d the reader still waits", i)
		}
	}
}

// The end of a sealed segment, asked for after Sealed, is final.
func TestSealedIsFinal(t *testing.T) {
	s := open(t, spool.Options{Segment: 8, Budget: 1 << 10})
	for range 5000 {
		must(t, s.Append([]byte("abc\n")))
		g := acquire(t, s, s.End())
		ended := make(chan int64)
		go func() {
			for !g.Sealed() {
			}
			ended <- g.End()
		}()
		must(t, s.Append([]byte("abc\n")))
		if end := <-ended; end != g.Base()+8 {
			t.Fatalf("sealed [%d, %d), want 8 bytes", g.Base(), end)
		}
		g.Release()
	}
}

// Holding and dropping the same segment at once leaves no descriptor and no
// segment that is held by nobody.
func TestAcquireWhileDropping(t *testing.T) {
	dir := quick(t)
	s := open(t, spool.Options{Dir: dir, Segment: 4, Budget: 8})
	run(t, s)
	must(t, s.Append([]byte("abc\n")))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				g, err := s.Acquire(s.Start())
				var gone *spool.Gone
				if errors.As(err, &gone) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if b, err := content(g); err != nil || len(b)%4 != 0 {
					t.Errorf("segment %d has %q, %v", g.Base(), b, err)
				}
				g.Release()
			}
		})
	}
	for range 500 {
		must(t, s.Append([]byte("abc\n")))
	}
	close(stop)
	wg.Wait()
	if st := s.Stats(); st.Pinned != 0 || st.SyncErrs != 0 {
		t.Errorf("Stats() = %+v, want nothing pinned and no error", st)
	}
	if n := len(files(t, dir, ".seg")); n != 2 {
		t.Errorf("there are %d segments, want 2", n)
	}
}

func benchmarkAppend(b *testing.B, dir string, n int) {
	s, err := spool.Open(spool.Options{Dir: dir, Budget: 256 << 20})
	must(b, err)
	run(b, s)
	defer s.Close()
	p := append(bytes.Repeat([]byte("x"), n-1), '\n')
	b.SetBytes(int64(n))
	b.ReportAllocs()
	for b.Loop() {
		must(b, s.Append(p))
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{300, 256 << 10} {
		b.Run(fmt.Sprintf("disk/%d", n), func(b *testing.B) { benchmarkAppend(b, b.TempDir(), n) })
		b.Run(fmt.Sprintf("memory/%d", n), func(b *testing.B) { benchmarkAppend(b, "", n) })
	}
}

// One reader holds a segment again and again, beside all the others.
func BenchmarkAcquire(b *testing.B) {
	s, err := spool.Open(spool.Options{Dir: b.TempDir()})
	must(b, err)
	defer s.Close()
	must(b, s.Append([]byte("x\n")))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			g, err := s.Acquire(0)
			if err != nil {
				b.Error(err)
				return
			}
			g.Release()
		}
	})
}
