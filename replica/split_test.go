package replica_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/logfile"
	"fairlead/replica"
)

// A wire is a connection that gives out bytes one at a time, or is cut behind some.
type wire struct {
	net.Conn
	single bool
	left   *atomic.Int64 // bytes until it is cut, over both ends; nil: never
}

var errCut = errors.New("cut")

func (w *wire) Read(p []byte) (int, error) {
	if w.single && len(p) > 1 {
		p = p[:1]
	}
	return w.Conn.Read(p)
}

func (w *wire) Write(p []byte) (n int, err error) {
	if w.left == nil {
		return w.Conn.Write(p)
	}
	now := w.left.Add(int64(-len(p)))
	if now >= 0 {
		return w.Conn.Write(p)
	}
	if most := int64(len(p)) + now; most > 0 {
		n, _ = w.Conn.Write(p[:most])
	}
	w.Conn.Close()
	return n, errCut
}

// joined runs a source and a receiver over two ends until they end, or until is so.
func joined(t *testing.T, s *replica.Source, r *replica.Receiver, single bool, left *atomic.Int64, until func() bool) {
	t.Helper()
	here, there := net.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { r.Serve(ctx, "web1", &wire{there, single, left}); cancel() })
	wg.Go(func() { s.Run(ctx, &wire{here, single, left}, nil); cancel() })
	for ctx.Err() == nil && !until() {
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Microsecond):
		}
	}
	cancel()
	wg.Wait()
}

// rotated is a file that is complete.
func rotated(name string, b []byte) *text {
	f := newText(name, b)
	f.st.Ended, f.st.Final, f.st.Reason = true, true, replica.Rotated
	return f
}

// A session arrives byte by byte.
func TestT07Split(t *testing.T) {
	defer goleak.VerifyNone(t)
	p := newPair(t)
	files := []*text{rotated("a.log", random(1, 70_000)), rotated("b.log", nil), rotated("c.log", []byte("c\n"))}
	for _, f := range files {
		p.s.Add(f)
	}
	joined(t, p.s, p.r, true, nil, func() bool { return len(p.s.Files()) == 0 })
	for _, f := range files {
		if !p.has(f.st.Path[2], f.bytes) {
			t.Errorf("%v is not there", f.st.Path)
		}
	}
	p.stop()
}

// A session is cut behind each of its bytes, in either direction, and goes on over
// the next connection: each copy is exact, and there is one.
func TestF39Cut(t *testing.T) {
	defer goleak.VerifyNone(t)
	for at := int64(0); ; at++ {
		p := newPair(t)
		p.r.Now = func() time.Time { return time.Time{}.Add(time.Duration(at) * time.Hour) }
		files := []*text{rotated("a.log", random(1, 300)), rotated("b.log", nil), rotated("c.log", []byte("c\n"))}
		for _, f := range files {
			p.s.Add(f)
		}
		done := func() bool { return len(p.s.Files()) == 0 }
		left := new(atomic.Int64)
		left.Store(at)
		joined(t, p.s, p.r, false, left, done)
		whole := done() && left.Load() >= 0
		joined(t, p.s, p.r, false, nil, done)
		for _, f := range files {
			if !p.has(f.st.Path[2], f.bytes) || p.store.of(f.st.Path[2])[0].rec.State != replica.Sealed {
				t.Fatalf("cut behind %d bytes: %v is %+v", at, f.st.Path, p.store.of(f.st.Path[2]))
			}
		}
		p.stop()
		if st := p.r.Stats(); st.Copies != 0 || st.Connections != 0 {
			t.Fatalf("cut behind %d bytes: %+v", at, st)
		}
		if whole {
			t.Logf("cut behind each of %d bytes", at)
			return
		}
	}
}

// Several processes send one file, and are killed and started again: there is one
// copy, and it is a beginning of the file.
func TestT08OneWriter(t *testing.T) {
	defer goleak.VerifyNone(t)
	p := newPair(t)
	all := random(1, 3<<20)
	gen := logfile.NewGenID()
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for try := range 6 {
				f := rotated("a.log", all)
				f.gen = gen
				s := &replica.Source{Name: "web1", Instance: [16]byte{byte(n % 3)}}
				s.Add(f)
				left := new(atomic.Int64)
				left.Store(int64(1+n+try) * 200_000)
				limit := time.Now().Add(time.Second)
				joined(t, s, p.r, false, left, func() bool { return len(s.Files()) == 0 || time.Now().After(limit) })
			}
		})
	}
	wg.Wait()
	got := p.store.of("a.log")
	if len(got) != 1 || !bytes.HasPrefix(all, got[0].bytes) {
		t.Fatalf("there are %d copies", len(got))
	}
	t.Logf("%d of %d bytes", len(got[0].bytes), len(all))
	p.stop()
}

// A peer that reads nothing, and one that says nothing, cost no goroutine when the
// context ends.
func TestF38Stalled(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, name := range []string{"receiver", "source"} {
		t.Run(name, func(t *testing.T) {
			here, there := net.Pipe()
			defer there.Close()
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			if name == "receiver" {
				r := &replica.Receiver{Store: newShelf()}
				go func() { done <- r.Serve(ctx, "web1", here) }()
				there.Write(sayHello) // and the WELCOME is not read
			} else {
				s := &replica.Source{}
				s.Add(newText("a.log", random(1, 1<<20)))
				go func() { done <- s.Run(ctx, here, nil) }()
				io.ReadFull(there, make([]byte, 10))
			}
			cancel()
			select {
			case <-done:
			case <-time.After(patience):
				t.Fatal("it goes on")
			}
		})
	}
}
