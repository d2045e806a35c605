package tcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// Why Accept did not let a client in.
var (
	ErrFull        = errors.New("as many clients are here as there may be")
	ErrAddressFull = errors.New("as many clients of this address are here as there may be")
)

// A Gate counts who is inside and keeps the rest out.
type Gate struct {
	Each int // descriptors that a client takes beside its connection; set before use

	once sync.Once
	max  int

	mu   sync.Mutex // guards what follows
	in   int
	from map[netip.Addr]int
}

// reserve is how many descriptors no client gets: they are for the files, and
// for whoever asks how we are.
const reserve = 32

// Open fixes how many can be let in with the descriptors that are left. Below one
// there is no room for any.
func (g *Gate) Open(wanted int) (max int) {
	g.once.Do(func() {
		g.max = wanted
		if free, ok := freeDescriptors(); ok {
			g.max = min(wanted, (free-reserve)/(1+g.Each))
		}
	})
	return g.max
}

// enter lets a connection in. Every one that was let in must leave.
func (g *Gate) enter(conn net.Conn, perAddress int) error {
	a := remoteIP(conn)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.in >= g.max:
		return ErrFull
	case a.IsValid() && perAddress > 0 && g.from[a] >= perAddress:
		return ErrAddressFull
	}
	if g.from == nil {
		g.from = make(map[netip.Addr]int)
	}
	g.in++
	g.from[a]++
	return nil
}

// Leave makes room. It comes once for each connection that Accept returned.
func (g *Gate) Leave(conn net.Conn) {
	a := remoteIP(conn)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.in--
	if g.from[a]--; g.from[a] == 0 {
		delete(g.from, a)
	}
}

// remoteIP is the address that connections are counted by. A unix socket's
// client has none.
func remoteIP(conn net.Conn) netip.Addr {
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// A Doorkeeper is told what Accept does beside letting clients in. None of its
// functions is nil.
type Doorkeeper struct {
	Refused func(net.Addr, error)      // a client, with ErrFull or ErrAddressFull
	Paused  func(error, time.Duration) // accepting, until something is there again
}

// Accept returns the next connection that may come in: at most perAddress of one
// address, unless that is below one. Where descriptors run out it waits: the
// kernel queues who comes meanwhile.
func (g *Gate) Accept(ctx context.Context, ln net.Listener, perAddress int, keeper Doorkeeper) (net.Conn, error) {
	const first, last = 5 * time.Millisecond, time.Second
	for delay := first; ; {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			delay = first
			if err = g.enter(conn, perAddress); err == nil {
				return conn, nil
			}
			Abort(conn)
			keeper.Refused(conn.RemoteAddr(), err)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !exhausted(err):
			return nil, fmt.Errorf("accept on %s: %w", ln.Addr(), err)
		default:
			keeper.Paused(err, delay)
			select {
			case <-time.After(delay):
			case <-ctx.Done():
			}
			delay = min(2*delay, last)
		}
	}
}

// exhausted says that something has run out and may come back.
func exhausted(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
