package serve

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// A gate counts who is inside and keeps the rest out.
type gate struct {
	once sync.Once
	max  int

	mu    sync.Mutex // guards what follows
	in    int
	from  map[netip.Addr]int
	lobby list.List // of *visitor, the longest waiting first
}

// maxLobby is how many connections may be without a header.
const maxLobby = 1024

// reserve is how many descriptors no client gets: they are for the files, and
// for whoever asks how we are.
const reserve = 32

// open fixes how many can be let in with the descriptors that are left.
func (g *gate) open(wanted int) (max int) {
	g.once.Do(func() {
		g.max = wanted
		if free, ok := freeDescriptors(); ok && free-reserve < wanted {
			g.max = free - reserve
		}
	})
	return g.max
}

// enter lets a connection in. Every one that was let in must leave.
func (g *gate) enter(a netip.Addr, perAddress int) (why reason, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.in >= g.max:
		return full, false
	case a.IsValid() && perAddress > 0 && g.from[a] >= perAddress:
		return addressFull, false
	}
	if g.from == nil {
		g.from = make(map[netip.Addr]int)
	}
	g.in++
	g.from[a]++
	return 0, true
}

func (g *gate) leave(a netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.in--
	if g.from[a]--; g.from[a] == 0 {
		delete(g.from, a)
	}
}

// A visitor is a connection that has not said yet what it wants.
type visitor struct {
	conn  net.Conn
	place *list.Element
	out   bool // was shown out
}

// wait puts a connection into the lobby. If that is full the one that has been
// there longest is shown out.
func (g *gate) wait(conn net.Conn) *visitor {
	v := &visitor{conn: conn}
	if oldest := g.seat(v); oldest != nil {
		abort(oldest.conn)
	}
	return v
}

func (g *gate) seat(v *visitor) (oldest *visitor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v.place = g.lobby.PushBack(v)
	if g.lobby.Len() <= maxLobby {
		return nil
	}
	oldest = g.lobby.Remove(g.lobby.Front()).(*visitor)
	oldest.out = true
	return oldest
}

// done takes a visitor out of the lobby; false if it was shown out.
func (g *gate) done(v *visitor) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if v.out {
		return false
	}
	g.lobby.Remove(v.place)
	return true
}

// remoteIP is the address that connections are counted by. A unix socket's
// client has none.
func remoteIP(conn net.Conn) netip.Addr {
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// accept returns the next connection that may come in. Where descriptors run
// out it waits: the kernel queues who comes meanwhile.
func (s *Server) accept(ctx context.Context, ln net.Listener) (net.Conn, error) {
	const first, last = 5 * time.Millisecond, time.Second
	for delay := first; ; {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			delay = first
			why, ok := s.gate.enter(remoteIP(conn), s.perAddress())
			if ok {
				return conn, nil
			}
			abort(conn)
			s.end(why, conn.RemoteAddr())
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !exhausted(err):
			return nil, fmt.Errorf("accept on %s: %w", ln.Addr(), err)
		default:
			s.logger().Warn("accepting paused", "err", err, "dur", delay)
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
