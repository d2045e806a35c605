package serve

import (
	"io"
	"net"
	"sync"
	"time"

	"fairlead/internal/tcp"
	"fairlead/logfile"
)

// copyMax is how much is in memory for one client while it is written to.
const copyMax = 32 << 10

var buffers = sync.Pool{New: func() any { return new([copyMax]byte) }}

// A copier is the way out where there is no sendfile: under TLS, to unix
// sockets, into HTTP chunks, on other systems. What it sends was read and
// checked before.
type copier struct {
	w      io.Writer
	before func() // called before each write
}

func copyTo(conn net.Conn) copier {
	return copier{conn, func() { conn.SetWriteDeadline(time.Now().Add(tcp.WriteTimeout)) }}
}

func (c copier) piece(h logfile.Handle, off int64, n int) (int, error) {
	buf := buffers.Get().(*[copyMax]byte)
	defer buffers.Put(buf)
	n, err := h.File().ReadAt(buf[:min(n, copyMax)], off)
	if n == 0 && err != io.EOF {
		return 0, err
	}
	if n == 0 || h.Check() != nil {
		return 0, errStale
	}
	c.before()
	return c.w.Write(buf[:n])
}
