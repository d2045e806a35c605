package stream

import (
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fairlead/internal/tcp"
)

// A sendfile has the kernel take lines from the page cache to the socket. The
// segment's descriptor is shared by all who read it, so the offset is explicit.
// The file is ours and never changes, so nothing has to be checked after it.
type sendfile struct {
	conn *net.TCPConn
	raw  syscall.RawConn
	step func(fd uintptr) (done bool) // try, bound once
	copy copier

	f   *os.File
	off int64 // in f
	n   int
	err error
}

func newSender(conn net.Conn) sender {
	c, ok := conn.(*net.TCPConn)
	if !ok {
		return copyTo(conn)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return copyTo(conn)
	}
	s := &sendfile{conn: c, raw: raw, copy: copyTo(conn)}
	s.step = s.try
	return s
}

func (s *sendfile) piece(r *reader, n int64) (int, error) {
	s.f = r.seg.File()
	if s.f == nil {
		return s.copy.piece(r, n)
	}
	s.off, s.n, s.err = r.off.Load()-r.seg.Base(), int(n), nil
	s.conn.SetWriteDeadline(time.Now().Add(tcpSlice))
	err := s.raw.Write(s.step)
	if err == nil {
		err = s.err
	}
	if err != nil {
		return 0, err
	}
	return s.n, nil
}

func (s *sendfile) try(fd uintptr) (done bool) {
	n, err := tcp.Sendfile(fd, s.f, s.off, s.n)
	if err == unix.EAGAIN {
		return false
	}
	if err == nil && n == 0 {
		err = os.ErrClosed // shorter than what was shown of it
	}
	s.n, s.err = n, err
	return true
}
