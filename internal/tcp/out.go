package tcp

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A File is an open file that others may change at any moment; a logfile.Handle is one.
type File interface {
	File() *os.File
	// Check returns nil if the file still is what it was: whatever was read or sent
	// from it before is right.
	Check() error
	// Now returns the number of checks that have begun so far, and CheckedSince says
	// that one which began after Now had returned n has found the file to be right.
	Now() uint64
	CheckedSince(n uint64) bool
}

// An Out takes bytes of a file to a client, one piece at a time. The file may
// change at any moment:
//
//   - ErrChanged: it has, and what was sent may be something else;
//   - ErrStale: it has, and all that was sent is right.
type Out interface {
	Piece(f File, off int64, n int) (sent int, err error)
}

var (
	ErrChanged = errors.New("the file was changed under a send")
	ErrStale   = errors.New("the file was changed before a send")
)

// copyMax is how much is in memory for one client while it is written to.
const copyMax = 32 << 10

var buffers = sync.Pool{New: func() any { return new([copyMax]byte) }}

// A Copier is the way out where there is no sendfile: under TLS, to unix
// sockets, into HTTP chunks, on other systems. What it sends was read and
// checked before.
type Copier struct {
	W      io.Writer
	Before func() // called before each write
}

func copyTo(conn net.Conn) Copier {
	return Copier{conn, func() { conn.SetWriteDeadline(time.Now().Add(WriteTimeout)) }}
}

// Piece implements [Out].
func (c Copier) Piece(f File, off int64, n int) (int, error) {
	buf := buffers.Get().(*[copyMax]byte)
	defer buffers.Put(buf)
	n, err := f.File().ReadAt(buf[:min(n, copyMax)], off)
	if n == 0 && err != io.EOF {
		return 0, err
	}
	if n == 0 || f.Check() != nil {
		return 0, ErrStale
	}
	c.Before()
	return c.W.Write(buf[:n])
}
