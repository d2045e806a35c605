package plain

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"fairlead/internal/tcp"
	"fairlead/logfile"
)

// How long a receiver that cannot be reached, or does not answer, is left alone.
const retryFirst, retryLast = 250 * time.Millisecond, 30 * time.Second

// maxAsking is how many connections of a receiver may be without an answer: a queue of
// logship's holds few.
const maxAsking = 8

// backoff is how long to wait after so many attempts that came to nothing.
func backoff(tries int) time.Duration {
	wait := min(retryFirst<<min(max(tries-1, 0), 10), retryLast)
	return wait/2 + rand.N(wait/2) // so that a hundred do not come at once
}

// A host is a receiver.
type host struct {
	s      *Sender
	addr   string
	slots  slots
	limit  *rate.Limiter // nil: none
	asking chan struct{} // one place for each connection that has no answer yet
	probe  chan struct{} // taken by whoever tries whether it is there again

	mu      sync.Mutex // guards what follows
	gens    map[logfile.GenID]*sending
	flowing int           // connections whose receiver has answered
	tries   int           // in a row that came to nothing; 0: it is there
	until   time.Time     // the next try
	back    chan struct{} // closed and replaced when it is there again
	since   time.Time     // that it is there, or is not
	times   int           // that it was there
	err     error         // of the last try
	sent    int64         // bytes
	lost    int64         // and those that were gone before
}

func newHost(s *Sender, addr string) *host {
	h := &host{s: s, addr: addr, asking: make(chan struct{}, maxAsking), probe: make(chan struct{}, 1), back: make(chan struct{}), gens: make(map[logfile.GenID]*sending)}
	h.slots.free = s.MaxConns
	if h.slots.free <= 0 {
		h.slots.free = DefaultMaxConns
	}
	if s.Rate > 0 {
		h.limit = rate.NewLimiter(rate.Limit(s.Rate), int(min(max(s.Rate, minPiece), maxPiece)))
	}
	return h
}

// noteLost counts bytes that cannot be sent any more.
func (h *host) noteLost(n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost += n
}

func (h *host) sending(gen logfile.GenID) *sending {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.gens[gen]
}

func (h *host) add(e *sending) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gens[e.gen] = e
}

func (h *host) remove(e *sending) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.gens, e.gen)
}

func (h *host) all() []*sending {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]*sending, 0, len(h.gens))
	for _, e := range h.gens {
		list = append(list, e)
	}
	return list
}

// An attempt is a connection, and how many attempts before it have come to nothing.
type attempt struct {
	*net.TCPConn
	tries int
}

// connect connects. While the receiver is not there one at a time tries, for all.
func (h *host) connect(ctx context.Context) (attempt, error) {
	for {
		h.mu.Lock()
		tries, back := h.tries, h.back
		h.mu.Unlock()
		if tries == 0 {
			return h.dial(ctx, tries)
		}
		select {
		case h.probe <- struct{}{}:
			conn, err := h.tryAgain(ctx)
			<-h.probe
			if conn.TCPConn != nil || err != nil {
				return conn, err
			}
		case <-back:
		case <-ctx.Done():
			return attempt{}, ctx.Err()
		}
	}
}

// tryAgain connects when it is time; without a connection or error the receiver is
// there again.
func (h *host) tryAgain(ctx context.Context) (attempt, error) {
	h.mu.Lock()
	tries, wait := h.tries, time.Until(h.until)
	h.mu.Unlock()
	if tries == 0 {
		return attempt{}, nil
	}
	if err := sleep(ctx, wait); err != nil {
		return attempt{}, err
	}
	h.mu.Lock()
	h.until = time.Now().Add(backoff(tries)) // for the next, if this one gets no answer
	h.mu.Unlock()
	return h.dial(ctx, tries)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *host) dial(ctx context.Context, tries int) (attempt, error) {
	d := net.Dialer{Timeout: h.s.Timeout}
	conn, err := d.DialContext(ctx, "tcp", h.addr)
	if err != nil {
		err = fmt.Errorf("connect to %s: %w", h.addr, err)
		h.failed(ctx, tries, err)
		return attempt{}, err
	}
	t := conn.(*net.TCPConn)
	tcp.TunePeer(t)
	return attempt{t, tries}, nil
}

// failed notes that the receiver is not there, or does not answer, unless it does so for
// other files. Of attempts that were made at the same time one counts.
func (h *host) failed(ctx context.Context, tries int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ctx.Err() != nil || h.flowing > 0 || h.tries != tries {
		return
	}
	if h.err == nil { // what differs between two attempts is no news
		h.since = time.Now()
		h.s.log().Warn("the receiver is not there, or does not answer; trying again", "peer", h.addr, "err", err)
	}
	h.err = err
	h.tries++
	h.until = time.Now().Add(backoff(h.tries))
}

// answered notes that the receiver has answered for one more file. What it returns is
// called when that connection has ended.
func (h *host) answered() (ended func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil || h.times == 0 {
		h.s.log().Info("the receiver is there", "peer", h.addr)
		h.times++
		h.since, h.err = time.Now(), nil
	}
	if h.tries > 0 {
		close(h.back)
		h.back = make(chan struct{})
	}
	h.tries = 0
	h.flowing++
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.flowing--
	}
}
