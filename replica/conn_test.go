package replica_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"fairlead/replica"
)

const patience = 30 * time.Second

// A pair is a source and a receiver that are connected over loopback.
type pair struct {
	t     *testing.T
	store *shelf
	r     *replica.Receiver
	s     *replica.Source

	disconnect func()
	stop       func() // ends the receiver
}

func newPair(t *testing.T) *pair {
	p := &pair{t: t, store: newShelf(), s: &replica.Source{Name: "web1", Zstd: true}}
	p.r = &replica.Receiver{Store: p.store, Name: "vault"}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.r.Run(ctx) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(p.stop)
	return p
}

// connect connects the two until the test ends or disconnect is called.
func (p *pair) connect() {
	p.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	defer ln.Close()
	here, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		p.t.Fatal(err)
	}
	there, err := ln.Accept()
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(p.t.Context())
	ended := make(chan error, 2)
	go func() { ended <- p.r.Serve(ctx, "web1", there) }()
	go func() { ended <- p.s.Run(ctx, here, nil) }()
	p.disconnect = sync.OnceFunc(func() {
		cancel()
		<-ended
		<-ended
	})
	p.t.Cleanup(p.disconnect)
}

func (p *pair) until(what string, cond func() bool) {
	p.t.Helper()
	for limit := time.After(patience); !cond(); {
		select {
		case <-limit:
			p.t.Fatalf("waited %s for: %s; %+v", patience, what, p.s.Files())
		case <-time.After(time.Millisecond):
		}
	}
}

func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	r.Read(b)
	return b
}

func (p *pair) has(name string, want ...[]byte) bool {
	got := p.store.of(name)
	if len(got) != len(want) {
		return false
	}
	for i := range want {
		if !bytes.Equal(got[i].bytes, want[i]) {
			return false
		}
	}
	return true
}

func TestShip(t *testing.T) {
	p := newPair(t)
	big, small, empty := newText("big.log", random(1, 5<<20+12345)), newText("small.log", []byte("a line\n")), newText("empty.log", nil)
	for _, f := range []*text{big, small, empty} {
		p.s.Add(f)
	}
	p.connect()
	p.until("all to be there", func() bool {
		return p.has("big.log", big.bytes) && p.has("small.log", []byte("a line\n")) && p.has("empty.log", nil)
	})
	small.append([]byte("another\n"))
	p.s.Changed(small.gen)
	p.until("what was appended", func() bool { return p.has("small.log", []byte("a line\nanother\n")) })

	p.disconnect()
	big.append(random(2, 3<<20))
	p.connect()
	p.until("what was appended meanwhile", func() bool { return p.has("big.log", big.bytes) })

	big.change(func(st *replica.FileStat) { st.Ended, st.Final, st.Reason = true, true, replica.Rotated })
	p.s.Changed(big.gen)
	p.until("the seal", func() bool { return p.store.of("big.log")[0].rec.State == replica.Sealed })
	rec := p.store.of("big.log")[0].rec
	var tree replica.Tree
	tree.Write(big.bytes)
	if rec.Seal.Proof != tree.Proof() || rec.Seal.N != int64(len(big.bytes)) || rec.Ended.IsZero() && !big.st.Modified.IsZero() {
		t.Errorf("the seal is %+v", rec.Seal)
	}
	p.until("the source to forget it", func() bool { return len(p.s.Files()) == 2 })
}

// A sender that has lost its state finds its generations again by content.
func TestKnown(t *testing.T) {
	p := newPair(t)
	f := newText("a.log", random(3, 2<<20+777))
	p.s.Add(f)
	p.connect()
	p.until("the copy", func() bool { return p.has("a.log", f.bytes) })
	p.disconnect()

	again := newText("a.log", append(bytes.Clone(f.bytes), "more"...))
	p.s = &replica.Source{Name: "web1", Instance: [16]byte{1}}
	p.s.Add(again)
	p.connect()
	p.until("it to go on", func() bool { return p.has("a.log", again.bytes) })
	if got := p.store.of("a.log")[0].rec.Gen; got != f.gen {
		t.Errorf("the copy is %s, want %s", got, f.gen)
	}
}

// A source that no longer begins with what was sent gets a copy of its own.
func TestDiverged(t *testing.T) {
	for name, now := range map[string][]byte{
		"other bytes": append([]byte("X"), random(4, 3<<20)...),
		"shorter":     random(4, 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			was := random(4, 2<<20+5)
			f := newText("a.log", was)
			p.s.Add(f)
			p.connect()
			p.until("the copy", func() bool { return p.has("a.log", was) })
			p.disconnect()
			p.s = &replica.Source{Name: "web1", Instance: [16]byte{1}}
			f.mu.Lock()
			f.bytes, f.st.Size = now, int64(len(now))
			f.mu.Unlock()
			p.s.Add(f)
			p.connect()
			p.until("the second copy", func() bool { return p.has("a.log", was, now) })
			if rec := p.store.of("a.log")[0].rec; rec.State != replica.Diverged {
				t.Errorf("the first is %s, want diverged", rec.State)
			}
		})
	}
}

// Of two files that both are what a copy is of one goes on with it, and the other
// gets a copy of its own.
func TestF08bKnownOnce(t *testing.T) {
	p := newPair(t)
	f := newText("a.log", []byte("Starting\n"))
	p.s.Add(f)
	p.connect()
	p.until("the copy", func() bool { return p.has("a.log", f.bytes) })
	p.disconnect()

	p.s = &replica.Source{Name: "web1", Instance: [16]byte{1}}
	one, two := newText("a.log", []byte("Starting\none\n")), newText("a.log", []byte("Starting\ntwo\n"))
	p.s.Add(one)
	p.s.Add(two)
	p.connect()
	p.until("two copies", func() bool { return p.has("a.log", one.bytes, two.bytes) || p.has("a.log", two.bytes, one.bytes) })
}
