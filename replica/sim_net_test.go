package replica_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"time"

	"fairlead/replica"
)

// A simConn is a connection of the simulated network: bytes on their way to both
// ends, which arrive in pieces, late, damaged or not at all.
type simConn struct {
	sink *replica.Sink // nil: the receiver's end is gone
	src  bool          // the sender's end is there
	up   simPipe       // to the receiver
	down simPipe
	over bool // the sink has said its last

	heard time.Time // when the sender got something last
}

// A simPipe is one direction.
type simPipe struct {
	name    string
	way     []byte // sent, and not arrived
	in      []byte // arrived, and not taken
	fin     bool   // nothing will be sent any more
	stalled bool
	flipped int64 // where a bit was changed, from the beginning; 0: nowhere
	taken   int64
}

const frameHeader = 24

// arrive lets up to n bytes arrive, and says whether there were any.
func (p *simPipe) arrive(n int) bool {
	n = min(n, len(p.way))
	p.in = append(p.in, p.way[:n]...)
	p.way = p.way[n:]
	return n > 0
}

// flip changes a bit of what is on its way.
func (p *simPipe) flip(s *sim) {
	if p.flipped != 0 || len(p.way) == 0 {
		return
	}
	i := s.rng.IntN(len(p.way))
	if s.one(2) {
		i = min(i, 200)
	}
	p.way[i] ^= 1 << s.rng.IntN(8)
	p.flipped = p.taken + int64(len(p.in)+i) + 1
	s.count.flips++
}

// next returns a frame that has arrived, io.EOF or another end, or ok false if
// there is nothing yet.
func (p *simPipe) next(s *sim) (f replica.Frame, ok bool, err error) {
	whole := -1
	if len(p.in) >= frameHeader {
		whole = frameHeader + int(binary.BigEndian.Uint32(p.in[16:]))
	}
	atEnd := p.fin && len(p.way) == 0
	if (whole < 0 || whole > len(p.in)) && !atEnd && whole < 1<<20 {
		return f, false, nil
	}
	in := bytes.NewReader(p.in)
	r := replica.Reader{R: in}
	if f, err = r.Next(); err != nil {
		if _, isProtocol := err.(*replica.ProtocolError); !isProtocol && err != io.EOF && err != io.ErrUnexpectedEOF {
			s.fail("Next = %v", err)
		}
		return f, true, err
	}
	n := len(p.in) - in.Len()
	if at := p.flipped - 1; p.flipped != 0 && at >= p.taken && at < p.taken+int64(n) {
		s.fail("a frame of type %d was taken although a bit of it was changed", f.Type)
	}
	p.taken += int64(n)
	p.in = p.in[n:]
	if s.loud {
		s.say("\n%s type %d channel %d flags %d offset %d: %d bytes\n", p.name, f.Type, f.Channel, f.Flags, f.Offset, len(f.Payload))
	}
	return f, true, nil
}

// connect begins a connection.
func (s *sim) connect() {
	if s.cur != nil {
		return
	}
	s.cur = &simConn{sink: s.r.Sink(simSender), src: true, heard: s.now, up: simPipe{name: "to the receiver"}, down: simPipe{name: "to the sender"}}
	s.conns = append(s.conns, s.cur)
	s.src.Connected()
	s.count.connections++
}

// cut ends the sender's end of its connection: the receiver may see it at once, in
// the middle of a frame, or not for long.
func (s *sim) cut() {
	c := s.cur
	if c == nil {
		return
	}
	s.src.Disconnected()
	c.src, s.cur = false, nil
	switch s.rng.IntN(3) {
	case 0: // a reset
		s.drop(c)
	case 1: // FIN, perhaps inside a frame
		c.up.way = c.up.way[:s.rng.IntN(len(c.up.way)+1)]
		c.up.fin = true
	default: // half alive: the receiver knows nothing, and gets what was on its way
	}
}

// silence ends a connection on which nothing was heard for too long.
func (s *sim) silence() {
	if s.src.Ping(); s.cur != nil && s.now.Sub(s.cur.heard) > replica.Silence {
		s.cut()
	}
}

// drop ends the receiver's end.
func (s *sim) drop(c *simConn) {
	if c.sink != nil {
		c.sink.Close()
	}
	c.sink, c.up = nil, simPipe{}
	c.down.fin = true
	s.forget()
}

// forget removes connections that are over on both ends.
func (s *sim) forget() {
	list := s.conns[:0]
	for _, c := range s.conns {
		if c.sink != nil || c.src {
			list = append(list, c)
		}
	}
	s.conns = list
}

// next has the source say what it has to.
func (s *sim) next() {
	c := s.cur
	if c == nil || s.inNext {
		return
	}
	s.inNext = true
	b, err := s.src.Next(nil)
	s.inNext = false
	c.up.way = append(c.up.way, b...)
	if err != nil {
		c.up.fin = true
		c.src, s.cur = false, nil
		s.src.Disconnected()
	}
}

// take has the source take what has arrived of what the receiver said.
func (s *sim) take(n int) {
	c := s.cur
	if c == nil || c.down.stalled {
		return
	}
	if c.down.arrive(n) {
		c.heard = s.now
	}
	for c == s.cur {
		f, ok, err := c.down.next(s)
		if !ok {
			return
		}
		if err == nil {
			err = s.src.Take(f)
		}
		s.look()
		if err != nil && s.inNext {
			return // it is closed when Next has returned
		}
		if err != nil {
			s.next()
			if s.cur == c {
				s.cut()
			}
			return
		}
	}
}

// sinkTake has a sink take what has arrived.
func (s *sim) sinkTake(c *simConn, n int) {
	if c.sink == nil || c.up.stalled {
		return
	}
	c.up.arrive(n)
	for c.sink != nil && !c.over {
		f, ok, err := c.up.next(s)
		if !ok {
			return
		}
		if err == nil {
			err = c.sink.Take(f)
		}
		if err != nil {
			c.over = true
			s.sinkNext(c)
		}
	}
}

// sinkNext has a sink say what it has to.
func (s *sim) sinkNext(c *simConn) {
	if c.sink == nil {
		return
	}
	b, err := c.sink.Next(nil)
	c.down.way = append(c.down.way, b...)
	if err != nil || c.over {
		s.drop(c)
	}
}
