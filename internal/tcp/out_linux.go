package tcp

import (
	"net"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// A sender is the way out of a TCP connection: the kernel takes the bytes from
// the page cache to the socket. The descriptor is shared by all who read the
// generation, so the offset is always explicit.
type sender struct {
	raw  syscall.RawConn
	send func(fd uintptr) (done bool) // a step of Piece, bound once

	f      File
	off    int64
	n      int
	waited bool // the socket was full since the last check
	err    error
}

// NewOut returns the way out of a connection. Over TCP it waits for a client as long as
// the connection's write deadline and [WriteTimeout] say.
func NewOut(conn net.Conn) Out {
	c, ok := conn.(*net.TCPConn)
	if !ok {
		return copyTo(conn)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return copyTo(conn)
	}
	s := &sender{raw: raw}
	s.send = s.try
	return s
}

// Piece sends what the socket takes at once, and waits only if that is nothing.
func (s *sender) Piece(f File, off int64, n int) (int, error) {
	s.f, s.off, s.n, s.waited, s.err = f, off, n, false, nil
	err := s.raw.Write(s.send)
	s.f = nil
	if err != nil {
		return 0, err
	}
	if s.err != nil {
		return 0, s.err
	}
	if !stillGood(f, s.n) {
		return s.n, ErrChanged
	}
	return s.n, nil
}

// bulk is so much that its check costs nothing beside it.
const bulk = 64 << 10

// stillGood says that the n bytes sent just now are of the generation. When a
// line wakes a thousand clients they all send it, and one check after that is
// enough for all: whoever has sent lets the others send first. Who sends much
// goes on with the same client: to change it now would only cool the caches.
func stillGood(f File, n int) bool {
	if n >= bulk {
		return f.Check() == nil
	}
	sent := f.Now()
	runtime.Gosched()
	return f.CheckedSince(sent) || f.Check() == nil
}

// try calls sendfile once. A client that was slow may have been waited for a
// long time: then the file is checked before, too.
func (s *sender) try(fd uintptr) (done bool) {
	if s.waited && s.f.Check() != nil {
		s.err = ErrStale
		return true
	}
	n, err := Sendfile(fd, s.f.File(), s.off, s.n)
	switch {
	case err == unix.EAGAIN:
		s.waited = true
		return false
	case err == nil && n == 0:
		err = ErrStale // shorter than it was
	}
	s.n, s.err = n, err
	return true
}
