package ship

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/replica"
)

// A road is the connections to a station, with what happens to what is sent there.
type road struct {
	to *station

	mu      sync.Mutex // guards what follows
	flip    int        // after so many bytes one is wrong, once for each connection; 0: none
	flipped int
	stalled chan struct{} // nothing moves until it is closed; nil: it does
}

// destination is the station at the end of the road.
func (r *road) destination() Destination {
	d := r.to.destination()
	return Destination{Name: d.Name, Dial: func(ctx context.Context) (replica.Conn, error) {
		c, err := d.Dial(ctx)
		if err != nil {
			return nil, err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		return &traveller{c.(net.Conn), r, r.flip}, nil
	}}
}

// A traveller is one connection.
type traveller struct {
	net.Conn
	road *road
	left int // bytes until one is wrong
}

func (c *traveller) Write(b []byte) (int, error) {
	c.road.mu.Lock()
	stalled := c.road.stalled
	if c.left > 0 {
		if c.left -= len(b); c.left <= 0 {
			b = bytes.Clone(b)
			b[len(b)+c.left-1] ^= 0x20
			c.road.flipped++
		}
	}
	c.road.mu.Unlock()
	if stalled != nil {
		<-stalled
	}
	return c.Conn.Write(b)
}

// F37: a bit is another on the way, wherever that is, and nothing below sees it. The
// frame's checksum does: the connection ends, and the copies are what was written.
func TestF37FlippedBits(t *testing.T) {
	t.Parallel()
	for _, after := range []int{1, 3, 25, 60, 100, 140, 200, 500, 5000, 200_000, 300_000, 1_300_000} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := &road{to: w.at, flip: after}
			w.to = []Group{{r.destination()}}
			p := w.newPen("app.log").write(1_500_000)
			q := w.newPen("small.log").write(100)
			w.up()
			eventually(t, func() string {
				r.mu.Lock()
				defer r.mu.Unlock()
				if r.flipped == 0 {
					return "nothing was flipped yet"
				}
				r.flip = 0 // the next connection is a good one
				return ""
			})
			p.write(300)
			p.rotate()
			p.write(400)
			w.judge(w.at, p)
			w.judge(w.at, q)
			w.lostBytes(0)
		})
	}
}

// F40: a receiver that does not read holds up nobody but itself.
func TestF40StalledReceiver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slow := newStation(t, "slow")
	slow.up()
	r := &road{to: slow, stalled: make(chan struct{})}
	w.to = append(w.to, Group{r.destination()})
	t.Cleanup(func() { close(r.stalled) }) // before the sender is stopped
	p := w.newPen("app.log").write(2_000_000)
	w.up()
	w.judge(w.at, p)
	p.write(1000)
	p.rotate()
	p.write(1000)
	w.judge(w.at, p)
	if list, _ := slow.copies(p.path); len(list) != 0 {
		t.Errorf("the slow one has %s, want nothing", glimpse(list))
	}
}

// T10: the base name says nothing: two directories, and two senders behind one
// address, are copies apart, though all the bytes are equal.
func TestT10SameBaseName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.newPen("one/app.log"), w.newPen("two/app.log")
	for _, p := range []*pen{one, two} {
		p.page.bytes = []byte("Starting\n")
		_, err := io.WriteString(p.f, "Starting\n")
		must(t, err)
	}
	w.up()
	w.judge(w.at, one)
	w.judge(w.at, two)
	one.write(100)
	two.rotate()
	two.write(50)
	w.judge(w.at, one)
	w.judge(w.at, two)

	// Another machine, by another key, has the same path.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r := &Receiver{Store: w.at.store, Name: "vault", Sender: func(net.Conn) (string, bool) { return "web2", true }}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, ln) }()
	d := Destination{Name: "vault", Dial: func(ctx context.Context) (replica.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "tcp", ln.Addr().String())
	}}
	s := &Sender{Files: w.set, State: t.TempDir(), To: []Group{{d}}}
	must(t, s.Open())
	go func() { done <- s.Run(ctx) }()
	eventually(t, func() string {
		if !s.Settled() {
			return "web2 is not settled"
		}
		return ""
	})
	cancel()
	must(t, <-done)
	must(t, <-done)
	have := map[string]int{}
	for rec, file := range w.at.store.All {
		b, err := os.ReadFile(file)
		must(t, err)
		if path := "/" + strings.Join(rec.Path, "/"); path == one.path {
			have[rec.ID.Sender]++
			if !bytes.Equal(b, one.page.bytes) {
				t.Errorf("%s has %d bytes of %s, want %d", file, len(b), path, len(one.page.bytes))
			}
		}
	}
	if len(have) != 2 || have["web1"] != 1 || have["web2"] != 1 {
		t.Errorf("copies of %s: %v, want one of each sender", one.path, have)
	}
}

// F43: the receiver's clock is in 1970, then ten years ahead, then right. No byte
// depends on it.
func TestF43WrongClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.newPen("app.log").write(1_200_000)
	w.up()
	w.judge(w.at, p)
	for _, now := range []time.Time{time.Unix(0, 0), time.Now().AddDate(10, 0, 0), time.Now().AddDate(-10, 0, 0), time.Now()} {
		w.at.down()
		w.at.options.Now = func() time.Time { return now }
		w.at.up()
		p.write(500)
		p.rotate()
		p.write(700)
		w.judge(w.at, p)
	}
	w.lostBytes(0)
}
