package serve

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"fairlead/internal/tcp"
)

// Defaults of a Mirror's fields.
const (
	DefaultSilence = 10 * time.Second
	DefaultRetry   = time.Second
)

const (
	maxRetry  = 30          // times Retry: the longest pause between two tries
	syncAfter = time.Second // of quiet: then what was appended is made durable
	syncAtAll = 10 * syncAfter
	probeLen  = 64 // bytes of the copy's end that the server must have too
)

// ErrUnreachable is the answer of a Mirror that runs once and cannot connect.
var ErrUnreachable = errors.New("server unreachable")

// A Mirror keeps a copy of one growing file that a [Server], or the older
// tailsrv, serves. The length of the copy is all it remembers.
//
// The protocol names no generation, so the end of the copy is asked for again
// and compared: only if the server has the same bytes there is anything
// appended. If not, as after a rotation, the copy is moved aside, never over
// another file, and a new one begins at 0.
type Mirror struct {
	Addr string // HOST:PORT
	Path string // of the copy
	Name string // of the log, where the port has many; empty: its only or first one
	Once bool   // return when the server closes, and if it cannot be reached

	TLS      *tls.Config      // nil: in the clear
	Log      *slog.Logger     // nil discards
	Progress func(size int64) // told the size of the copy, when connected and when it has grown, from one goroutine; may be nil
	Silence  time.Duration    // without a byte of what must be there before it is said; 0: DefaultSilence
	Retry    time.Duration    // the first pause between two tries; it doubles up to 30 times this; 0: DefaultRetry

	mu    sync.Mutex
	stats MirrorStats
}

// MirrorStats are plain numbers of a Mirror.
type MirrorStats struct {
	Connected bool
	Waiting   bool  // connected, but the server has less than the copy
	Size      int64 // of the copy
	Received  int64 // bytes appended
	Connects  int64
	Diverged  int64 // copies that were moved aside
	Err       error // why it is not connected; nil if it is
}

// Stats returns what the mirror has done.
func (m *Mirror) Stats() MirrorStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stats
}

func (m *Mirror) note(change func(s *MirrorStats)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.stats)
}

// errDiverged says that the copy is no beginning of what the server has.
var errDiverged = errors.New("the copy does not continue what the server has")

// Run appends to the copy until ctx ends, or with Once until the server closes.
// The copy is locked meanwhile; one that is locked already is an error that
// names the holder.
func (m *Mirror) Run(ctx context.Context) (err error) {
	if err := m.check(); err != nil {
		return err
	}
	c, err := openCopy(m.Path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	for tries := 0; ; tries++ {
		if c.moved() {
			m.log().Warn("the copy was moved or deleted by somebody else: beginning a new one", "path", m.Path)
			if err := c.reopen(); err != nil {
				return err
			}
		}
		before := c.size()
		m.note(func(s *MirrorStats) { s.Size = before })
		err := m.session(ctx, c)
		m.note(func(s *MirrorStats) { s.Connected, s.Waiting, s.Err = false, false, err })
		var local *copyError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &local):
			return err
		case errors.Is(err, errDiverged):
			if err := m.beginAgain(c); err != nil {
				return err
			}
			tries = -1
			continue
		case m.Once:
			return onlyOnce(err)
		}
		if c.size() > before {
			tries = 0
		}
		if !m.pause(ctx, tries, err) {
			return nil
		}
	}
}

// onlyOnce says how a single session ended: with the server's end of it well.
func onlyOnce(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (m *Mirror) check() error {
	if strings.ContainsAny(m.Name, "\r\n") || len(m.Name) > 200 {
		return fmt.Errorf("ask for log %q: a name has at most 200 bytes and no line break", m.Name)
	}
	return nil
}

func (m *Mirror) log() *slog.Logger {
	if m.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return m.Log
}

// pause waits before the next try: 1 s, doubling up to 30 s, less up to a half
// so that many mirrors do not come back at once.
func (m *Mirror) pause(ctx context.Context, tries int, why error) bool {
	first := m.Retry
	if first <= 0 {
		first = DefaultRetry
	}
	d := first << min(tries, 5)
	d = min(d, maxRetry*first)
	d -= time.Duration(rand.Int64N(int64(d/2) + 1))
	if errors.Is(why, io.EOF) {
		m.log().Info("server closed: its file was rotated, or it ended", "addr", m.Addr, "retry_in", d.Round(time.Millisecond))
	} else {
		m.log().Warn("connection lost", "addr", m.Addr, "err", why, "retry_in", d.Round(time.Millisecond))
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// beginAgain moves the copy aside and begins a new one.
func (m *Mirror) beginAgain(c *fileCopy) error {
	to, err := c.moveAside(time.Now())
	if err != nil {
		return err
	}
	m.log().Warn("the copy does not continue what the server has: moved aside, beginning at 0",
		"path", m.Path, "to", to, "n", c.size())
	m.note(func(s *MirrorStats) { s.Diverged++ })
	return c.reopen()
}

// session is one connection. It returns io.EOF when the server closed it.
func (m *Mirror) session(ctx context.Context, c *fileCopy) error {
	end, err := c.end(probeLen)
	if err != nil {
		return err
	}
	conn, err := m.ask(ctx, c.size()-int64(len(end)))
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	m.note(func(s *MirrorStats) { s.Connected, s.Err = true, nil; s.Connects++ })
	m.log().Info("connected", "addr", m.Addr, "path", m.Path, "off", c.size())
	if err := m.prove(ctx, conn, c, end); err != nil {
		return err
	}
	m.note(func(s *MirrorStats) { s.Waiting = false })
	m.progress(c)
	return m.append(conn, c)
}

// ask connects and sends the header for off.
func (m *Mirror) ask(ctx context.Context, off int64) (net.Conn, error) {
	d := net.Dialer{Timeout: 20 * time.Second, KeepAliveConfig: tcp.KeepAlive}
	dial := d.DialContext
	if m.TLS != nil {
		dial = (&tls.Dialer{NetDialer: &d, Config: m.TLS}).DialContext
	}
	conn, err := dial(ctx, "tcp", m.Addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	hangUp(conn)
	header := fmt.Sprintf("%d\n", off)
	if m.Name != "" {
		header = m.Name + " " + header
	}
	if _, err := io.WriteString(conn, header); err != nil {
		conn.Close()
		return nil, fmt.Errorf("ask for offset %d: %w", off, err)
	}
	return conn, nil
}

// hangUp makes the end of a connection a reset: behind a plain close a server
// would wait for us to read on, and not notice while its file is quiet.
func hangUp(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
}

// prove reads from the server what the copy ends in and compares. A server that
// has less than the copy sends less, or nothing, and no word about it: after
// Silence that is said, and the beginning of both is compared, again and again.
func (m *Mirror) prove(ctx context.Context, conn net.Conn, c *fileCopy, want []byte) error {
	silence := m.Silence
	if silence <= 0 {
		silence = DefaultSilence
	}
	longest := maxRetry * silence
	defer conn.SetReadDeadline(time.Time{})
	buf := make([]byte, len(want))
	for len(want) > 0 {
		conn.SetReadDeadline(time.Now().Add(silence))
		n, err := conn.Read(buf[:len(want)])
		if !bytes.Equal(buf[:n], want[:n]) {
			return errDiverged
		}
		want = want[n:]
		switch {
		case err == nil || len(want) == 0:
		case errors.Is(err, os.ErrDeadlineExceeded):
			m.tellWaiting(c)
			if m.otherHead(ctx, c, silence) {
				return errDiverged
			}
			silence = min(2*silence, longest)
		default:
			return err
		}
	}
	return nil
}

// tellWaiting says once per connection what silence means.
func (m *Mirror) tellWaiting(c *fileCopy) {
	if m.Stats().Waiting {
		return
	}
	m.note(func(s *MirrorStats) { s.Waiting = true })
	m.log().Warn("waiting: the server sends nothing, so its file is shorter than the copy (begun anew, or another one)",
		"addr", m.Addr, "path", m.Path, "off", c.size())
}

// otherHead says that the server's file begins otherwise than the copy, asked
// over a second connection. Whatever goes wrong there proves nothing.
func (m *Mirror) otherHead(ctx context.Context, c *fileCopy, limit time.Duration) bool {
	want, err := c.head(probeLen)
	if err != nil {
		return false
	}
	conn, err := m.ask(ctx, 0)
	if err != nil {
		return false
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetReadDeadline(time.Now().Add(limit))
	have := make([]byte, len(want))
	n, _ := io.ReadFull(conn, have)
	return !bytes.Equal(have[:n], want[:n])
}

func (m *Mirror) progress(c *fileCopy) {
	if m.Progress != nil {
		m.Progress(c.size())
	}
}

// append appends what comes. It is made durable when nothing came for a second,
// at least every ten, and at the end.
func (m *Mirror) append(conn net.Conn, c *fileCopy) error {
	buf := make([]byte, 256<<10)
	var unsynced time.Time // of the first byte that is not durable yet
	for {
		if unsynced.IsZero() {
			conn.SetReadDeadline(time.Time{})
		} else {
			conn.SetReadDeadline(time.Now().Add(syncAfter))
		}
		n, err := conn.Read(buf)
		if n > 0 {
			if err := c.append(buf[:n]); err != nil {
				return err
			}
			if unsynced.IsZero() {
				unsynced = time.Now()
			}
			m.note(func(s *MirrorStats) { s.Size = c.size(); s.Received += int64(n) })
			m.progress(c)
		}
		quiet := errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil || !unsynced.IsZero() && time.Since(unsynced) > syncAtAll {
			if err := c.sync(); err != nil {
				return err
			}
			unsynced = time.Time{}
		}
		if err != nil && !quiet {
			return err
		}
	}
}
