package stream

import (
	"cmp"
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"fairlead/internal/tcp"
)

// What a TCP's fields mean when they are zero.
const (
	DefaultMaxClients = 10_000
	DefaultDrain      = 5 * time.Second
)

// tcpSlice is how long one send may wait before it is asked whether the client
// has to be moved on.
const tcpSlice = time.Second

// A TCP sends entries as JSON lines to whoever connects, from that moment on.
// What clients say is ignored. Its fields are set before use.
type TCP struct {
	Stream        *Stream
	Heartbeat     Heartbeat           // common to all: it counts from the start
	SendBuffer    int                 // SO_SNDBUF of a client, in bytes
	MaxClients    int                 // lowered where descriptors would run out
	MaxPerAddress int                 // 0: no limit
	Drain         time.Duration       // how long clients are sent what is there when we end
	Allow         func(net.Conn) bool // nil: everybody may read

	outlet
	gate tcp.Gate
}

// Stats returns the counters.
func (t *TCP) Stats() OutletStats { return t.stats(t.Stream.spool.End()) }

var errNoRoom = errors.New("too few file descriptors to serve anyone: raise the limit (ulimit -n)")

// Serve accepts clients until ctx ends. Then those it has get what is there at
// that moment, for as long as Drain, and Serve returns nil.
func (t *TCP) Serve(ctx context.Context, ln net.Listener) error {
	defer ln.Close()
	if t.gate.Open(cmp.Or(t.MaxClients, DefaultMaxClients)) <= 0 {
		return errNoRoom
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	var clients sync.WaitGroup
	defer clients.Wait()
	defer end()
	log := t.Stream.log()
	keeper := tcp.Doorkeeper{
		Refused: func(peer net.Addr, err error) { log.Info("client refused", "peer", peer.String(), "err", err) },
		Paused:  func(err error, d time.Duration) { log.Warn("accepting paused", "err", err, "dur", d) },
	}
	for {
		conn, err := t.gate.Accept(ctx, ln, t.MaxPerAddress, keeper)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		clients.Go(func() { t.client(ctx, conn) })
	}
}

// client serves one connection until it is gone, or ctx ends and it has got all.
func (t *TCP) client(ctx context.Context, conn net.Conn) {
	defer t.gate.Leave(conn)
	defer tcp.Underlying(conn).Close()
	s := t.Stream
	if t.Allow != nil && !t.Allow(conn) {
		s.log().Info("client refused", "peer", conn.RemoteAddr().String(), "err", "not for other users of this machine")
		return
	}
	tcp.Tune(conn, cmp.Or(t.SendBuffer, tcp.DefaultSendBuffer))
	c := &tcpClient{tcp: t, conn: conn, out: newSender(conn)}
	var v *view
	if s.filter != nil {
		v = s.views.join(s.filter, false)
	}
	c.reader = s.newReader(&t.outlet, v, s.spool.End())
	defer c.close()

	here, left := context.WithCancel(ctx)
	defer left()
	unwatch := tcp.Watch(tcp.Underlying(conn), left)
	err := c.run(here)
	if ctx.Err() != nil && err == nil {
		err = c.finish(cmp.Or(t.Drain, DefaultDrain))
	}
	unwatch()
	if err != nil {
		tcp.Abort(conn)
	} else {
		tcp.Part(ctx, conn)
	}
	s.log().Debug("client left", "peer", conn.RemoteAddr().String(), "err", err)
}

// A tcpClient is one connection.
type tcpClient struct {
	*reader
	tcp  *TCP
	conn net.Conn
	out  sender
}

// A sender is the way out of a connection. piece sends at most n bytes of a
// segment, at least one unless there is an error. It waits no longer than
// tcpSlice, if that can be done without harm, and then returns
// os.ErrDeadlineExceeded.
type sender interface {
	piece(r *reader, n int64) (int, error)
}

// run sends lines until ctx ends, which is no error.
func (c *tcpClient) run(ctx context.Context) error {
	beat, again, stop := c.tcp.Heartbeat.timer(c.stream.started)
	defer stop()
	for ctx.Err() == nil {
		changed := c.stream.spool.Changed()
		sent, err := c.send(ctx)
		if err != nil {
			return err
		}
		if sent {
			continue
		}
		beats, err := c.wait(ctx, changed, beat)
		if err != nil {
			return nil
		}
		if beats {
			again()
			if err := c.write(c.tcp.Heartbeat.tcpPulse(c.stream.pulse(c.tcp.clients()))); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish sends what is there when we end.
func (c *tcpClient) finish(drain time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	defer context.AfterFunc(ctx, func() { c.conn.SetWriteDeadline(time.Unix(1, 0)) })()
	for end := c.stream.spool.End(); c.off.Load() < end; {
		if sent, err := c.send(ctx); err != nil || !sent {
			return err
		}
	}
	return nil
}

// send sends what is there; sent is false if that is nothing.
func (c *tcpClient) send(ctx context.Context) (sent bool, err error) {
	gap, err := c.settle()
	if err != nil {
		return false, err
	}
	if gap != nil {
		return true, c.write(gap)
	}
	off := c.off.Load()
	if c.look != nil {
		data, next, err := c.stream.views.read(c.look, c.seg, off)
		if err == nil && len(data) > 0 {
			err = c.write(data)
		}
		c.off.Store(next)
		return next != off, err
	}
	n := c.seg.End() - off
	if n == 0 {
		return false, nil
	}
	return true, c.sendRaw(ctx, min(n, 1<<20))
}

// sendRaw sends a piece of the spool as it is. A client that takes nothing is
// waited for, but not beyond the time that its segment may be held.
func (c *tcpClient) sendRaw(ctx context.Context, n int64) error {
	for waited := time.Duration(0); ; waited += tcpSlice {
		sent, err := c.out.piece(c.reader, n)
		if sent > 0 {
			c.off.Add(int64(sent))
			c.tcp.sent.Add(int64(sent))
			return nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || waited >= tcp.WriteTimeout || ctx.Err() != nil {
			return cmp.Or(err, ctx.Err())
		}
		if c.expired() {
			return nil // settle moves it on
		}
	}
}

// write sends what is not in the spool.
func (c *tcpClient) write(p []byte) error {
	c.conn.SetWriteDeadline(time.Now().Add(tcp.WriteTimeout))
	n, err := c.conn.Write(p)
	c.tcp.sent.Add(int64(n))
	return err
}

// A copier sends what is in memory, or was read into it: under TLS, on other
// systems, and from a spool without files.
type copier struct {
	conn net.Conn
	tls  bool
}

func (o copier) piece(r *reader, n int64) (int, error) {
	off := r.off.Load()
	text := r.seg.Bytes(off)
	if text == nil {
		piece := pieces.Get().(*[blockSize]byte)
		defer pieces.Put(piece)
		m, err := r.seg.ReadAt(piece[:min(n, blockSize)], off)
		if m == 0 {
			return 0, err
		}
		text = piece[:m]
	}
	limit := tcpSlice
	if o.tls {
		limit = tcp.WriteTimeout // half a TLS record is the end of the connection
	}
	o.conn.SetWriteDeadline(time.Now().Add(limit))
	return o.conn.Write(text[:min(int64(len(text)), n)])
}

func copyTo(conn net.Conn) copier { return copier{conn, tcp.Underlying(conn) != conn} }
