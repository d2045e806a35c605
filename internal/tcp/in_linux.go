package tcp

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// pipeSize is how much a splice can carry: what any user may have.
const pipeSize = 1 << 20

// A splicer is the way in of a TCP connection: the kernel takes the bytes from the
// socket to the page cache. While it waits it has no pipe.
type splicer struct {
	conn net.Conn
	raw  syscall.RawConn
	slow bool // the file system knows no splice
}

// NewIn returns the way in of a connection. What of it was read before is not taken.
func NewIn(conn net.Conn) In {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return copyIn{conn}
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return copyIn{conn}
	}
	return &splicer{conn: conn, raw: raw}
}

// Take implements [In].
func (s *splicer) Take(f *os.File, off int64) (int, error) {
	for !s.slow {
		p, err := getPipe()
		if err != nil {
			break
		}
		n, err := s.fill(p)
		switch {
		case err == unix.EAGAIN:
			p.put()
			if err := s.raw.Read(readable); err != nil {
				return 0, err
			}
			continue
		case err == nil && n == 0:
			p.put()
			return 0, io.EOF
		case err != nil:
			p.close()
			return 0, err
		}
		return s.empty(p, n, f, off)
	}
	return copyIn{s.conn}.Take(f, off)
}

// fill takes what the socket has into an empty pipe.
func (s *splicer) fill(p *pipe) (n int, err error) {
	failed := s.raw.Read(func(fd uintptr) bool {
		err = retryIntr(func() error {
			m, err := unix.Splice(int(fd), nil, p.w, nil, pipeSize, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
			n = int(m) // of another type where int has 32 bits
			return err
		})
		return true
	})
	if failed != nil {
		err = failed
	}
	return n, err
}

// empty takes n bytes of a pipe to the file.
func (s *splicer) empty(p *pipe, n int, f *os.File, off int64) (done int, err error) {
	for done < n && err == nil {
		err = retryIntr(func() error {
			at := off + int64(done)
			m, err := unix.Splice(p.r, nil, int(f.Fd()), &at, n-done, unix.SPLICE_F_MOVE)
			if err == nil && m == 0 {
				err = io.ErrShortWrite
			}
			done += max(0, int(m))
			return err
		})
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		s.slow = true
		var m int64
		m, err = io.Copy(io.NewOffsetWriter(f, off+int64(done)), io.LimitReader(p, int64(n-done)))
		done += int(m)
	}
	if err != nil {
		p.close()
		return done, &FileError{&os.PathError{Op: "write", Path: f.Name(), Err: err}}
	}
	p.put()
	return done, nil
}

func retryIntr(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// readable says that there is something to read, or an end.
func readable(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
}

// A pipe is what splice needs between a socket and a file.
type pipe struct{ r, w int }

// pipes are those that are not in use, at most keptPipes.
var pipes struct {
	sync.Mutex
	free []*pipe
}

const keptPipes = 8

func getPipe() (*pipe, error) {
	pipes.Lock()
	defer pipes.Unlock()
	if last := len(pipes.free) - 1; last >= 0 {
		p := pipes.free[last]
		pipes.free = pipes.free[:last]
		return p, nil
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	unix.FcntlInt(uintptr(ends[1]), unix.F_SETPIPE_SZ, pipeSize) // else it carries less
	return &pipe{ends[0], ends[1]}, nil
}

// put gives back an empty pipe.
func (p *pipe) put() {
	pipes.Lock()
	defer pipes.Unlock()
	if len(pipes.free) < keptPipes {
		pipes.free = append(pipes.free, p)
		return
	}
	p.close()
}

func (p *pipe) close() {
	unix.Close(p.r)
	unix.Close(p.w)
}

// Read reads what is in the pipe, for where it cannot be spliced.
func (p *pipe) Read(b []byte) (n int, err error) {
	err = retryIntr(func() (err error) {
		n, err = unix.Read(p.r, b)
		return err
	})
	return max(0, n), err
}
