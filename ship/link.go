package ship

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"fairlead/replica"
)

// A Destination is a receiver that files are sent to.
type Destination struct {
	Name string // for people: what the operator calls it
	// Dial connects, within the time that ctx gives.
	Dial func(ctx context.Context) (replica.Conn, error)
}

const (
	// How long a receiver that cannot be reached is left alone, and one for which
	// another sender stands.
	redialFirst, redialLast = 250 * time.Millisecond, 30 * time.Second
	fencedFor               = 30 * time.Second
	dialFor                 = 20 * time.Second
)

// A link is what is sent to one receiver.
type link struct {
	to     Destination
	source *replica.Source
	limit  replica.Limit // nil: none
	log    *slog.Logger
	rate   meter

	mu    sync.Mutex // guards what follows
	since time.Time  // since when it is connected, or is not
	up    bool
	err   error // of the last attempt
	tries int   // in a row that came to nothing
	times int   // that it was connected
}

// run keeps the connection up until ctx ends.
func (l *link) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := l.attempt(ctx)
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// attempt connects once, sends until that ends, and says how long to wait.
func (l *link) attempt(ctx context.Context) (wait time.Duration) {
	l.mu.Lock()
	if l.since.IsZero() {
		l.since = time.Now()
	}
	l.mu.Unlock()
	dialing, cancel := context.WithTimeout(ctx, dialFor)
	conn, err := l.to.Dial(dialing)
	cancel()
	if err == nil {
		err = l.source.Run(ctx, conn, l.limit)
	}
	if ctx.Err() != nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.up {
		l.tries = 0
	}
	if l.up || l.err == nil || l.err.Error() != err.Error() {
		l.log.Warn("not connected to the receiver; trying again", "peer", l.to.Name, "err", err)
	}
	if l.up {
		l.since = time.Now()
	}
	l.up, l.err = false, err
	l.tries++
	wait = min(redialFirst<<min(l.tries-1, 10), redialLast)
	var peer *replica.PeerError
	if errors.Is(err, replica.ErrFenced) || errors.As(err, &peer) && peer.Code == replica.CodeParked {
		wait = fencedFor
	}
	return wait/2 + rand.N(wait) // so that a hundred senders do not come at once
}

// welcomed is called when the receiver has let us in.
func (l *link) welcomed(peer string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up, l.since, l.err, l.times = true, time.Now(), nil, l.times+1
	l.log.Info("connected to the receiver", "peer", l.to.Name, "name", peer)
}

// downFor is how long there has been no connection; 0: there is one.
func (l *link) downFor(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.up || l.since.IsZero() {
		return 0
	}
	return now.Sub(l.since)
}

// newLimit delays bytes to a rate per second; nil: there is none.
func newLimit(bytesPerSecond int64) replica.Limit {
	if bytesPerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), int(max(64<<10, min(bytesPerSecond/4, 1<<20))))
}

// A meter is a rate, as it was over the last seconds.
type meter struct {
	mu    sync.Mutex // guards what follows
	bytes int64
	per   float64
	at    time.Time
}

// count takes in how many bytes there have been in all.
func (m *meter) count(bytes int64, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if took := now.Sub(m.at).Seconds(); !m.at.IsZero() && took > 0 {
		weight := min(1, took/5)
		m.per += weight * (float64(bytes-m.bytes)/took - m.per)
	}
	m.bytes, m.at = bytes, now
}

// get returns bytes per second.
func (m *meter) get() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.per
}
