//go:build linux

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// The reference is what Fairlead's stream is measured against: each appended line is encoded once
// into a buffer that all clients share, and each client, a goroutine, writes what lies between its
// place in it and its end. It leaves out whatever a real server owes: resumption, a spool, filters,
// limits, rotation. The entries have the keys and the length of Fairlead's, so that bytes can be
// compared.

const (
	pieceSize = 1 << 20   // of the buffer
	writeMost = 256 << 10 // bytes in one write to a client
)

// piece is a part of the buffer. One that all clients have left is garbage.
type piece struct {
	data [pieceSize]byte
	n    atomic.Int64
	next atomic.Pointer[piece]
}

// broadcast is the buffer's end.
type broadcast struct {
	last    atomic.Pointer[piece]
	changed atomic.Pointer[chan struct{}] // closed when there is more
}

func newBroadcast() *broadcast {
	b := &broadcast{}
	b.last.Store(new(piece))
	b.changed.Store(new(make(chan struct{})))
	return b
}

// add appends whole entries. It has one caller.
func (b *broadcast) add(p []byte) {
	for last := b.last.Load(); len(p) > 0; {
		n := last.n.Load()
		if n == pieceSize {
			last.next.Store(new(piece))
			last = last.next.Load()
			b.last.Store(last)
			continue
		}
		copied := copy(last.data[n:], p)
		last.n.Store(n + int64(copied))
		p = p[copied:]
	}
	close(*b.changed.Swap(new(make(chan struct{}))))
}

// send writes all that is added from now on, until write fails.
func (b *broadcast) send(write func([]byte) error) error {
	at := b.last.Load()
	for off := at.n.Load(); ; {
		changed := *b.changed.Load()
		switch n := at.n.Load(); {
		case off < n:
			n = min(n, off+writeMost)
			if err := write(at.data[off:n]); err != nil {
				return err
			}
			off = n
		case off == pieceSize && at.next.Load() != nil:
			at, off = at.next.Load(), 0
		default:
			<-changed
		}
	}
}

// runReference serves what is appended to a file: OUTLET PORT FILE.
func runReference(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("want tcp or sse, a port and a file, not %q", args)
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:"+args[1])
	if err != nil {
		return err
	}
	b := newBroadcast()
	go func() {
		if err := follow(args[2], args[0] == "sse", b); err != nil {
			fmt.Fprintln(os.Stderr, "reference:", err)
			os.Exit(1)
		}
	}()
	if args[0] == "sse" {
		return serveSSE(ln, b)
	}
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		conn.(*net.TCPConn).SetWriteBuffer(writeMost)
		go func() {
			defer conn.Close()
			b.send(func(p []byte) error {
				_, err := conn.Write(p)
				return err
			})
		}()
	}
}

func serveSSE(ln net.Listener, b *broadcast) error {
	s := &http.Server{
		ConnState: func(c net.Conn, state http.ConnState) {
			if state == http.StateNew {
				c.(*net.TCPConn).SetWriteBuffer(writeMost)
			}
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			rc := http.NewResponseController(w)
			rc.Flush()
			b.send(func(p []byte) error {
				_, err := w.Write(p)
				return cmp.Or(err, rc.Flush())
			})
		}),
	}
	return s.Serve(ln)
}

// follow encodes what is appended to a file.
func follow(path string, sse bool, b *broadcast) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	news := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_MODIFY); err != nil {
		return fmt.Errorf("watch %s: %w", path, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	e := encoder{sse: sse, source: filepath.Base(path)}
	if e.off, err = f.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	events, buf, rest := make([]byte, 4096), make([]byte, writeMost), 0
	for {
		n, err := f.Read(buf[rest:])
		if n > 0 {
			b.add(e.encode(buf[:rest+n]))
			rest = copy(buf, buf[rest+n-e.left:rest+n])
			continue
		}
		if err != io.EOF {
			return err
		}
		if _, err := news.Read(events); err != nil {
			return err
		}
	}
}

// encoder makes entries of lines.
type encoder struct {
	sse    bool
	source string
	off    int64 // of the next line
	left   int   // bytes behind the last whole line
	out    []byte
}

const (
	anyEpoch      = "00000000-"
	anyGeneration = "00000000000000000000000000000000:"
)

func (e *encoder) encode(p []byte) []byte {
	out := e.out[:0]
	now := time.Now().Format(time.RFC3339Nano)
	for {
		n := bytes.IndexByte(p, '\n')
		if n < 0 {
			break
		}
		if e.sse {
			out = append(append(out, "id: "...), anyEpoch...)
			out = append(strconv.AppendInt(out, e.off, 10), "\ndata: "...)
		}
		out = append(append(out, `{"time":"`...), now...)
		out = append(append(out, `","source":"`...), e.source...)
		out = appendEscaped(append(out, `","message":"`...), p[:n])
		out = append(append(out, `","at":"`...), anyGeneration...)
		out = append(strconv.AppendInt(out, e.off, 10), `","len":`...)
		out = append(strconv.AppendInt(out, int64(n+1), 10), "}\n"...)
		if e.sse {
			out = append(out, '\n')
		}
		e.off += int64(n + 1)
		p = p[n+1:]
	}
	e.out, e.left = out, len(p)
	return out
}

// appendEscaped appends what stands between the quotes of a JSON string: runs of bytes that need no
// escape are copied at once.
func appendEscaped(out, p []byte) []byte {
	from := 0
	for i, c := range p {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		out = append(out, p[from:i]...)
		from = i + 1
		if c >= ' ' {
			out = append(out, '\\', c)
			continue
		}
		out = fmt.Appendf(out, "\\u%04x", c)
	}
	return append(out, p[from:]...)
}
