package serve

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"fairlead/logfile"
)

// client serves one connection: its line, then bytes until its generation ends
// or it leaves. When ctx ends it still gets what is there; when cut ends it is
// cut off.
func (s *Server) client(ctx, cut context.Context, conn net.Conn, keep *keepers) {
	defer s.gate.leave(remoteIP(conn))
	defer underlying(conn).Close()
	defer func() {
		if p := recover(); p != nil {
			s.contain(p)
		}
	}()
	defer context.AfterFunc(cut, func() { abort(conn) })()

	req, why, err := s.greet(ctx, conn)
	if err != nil {
		s.end(why, conn.RemoteAddr(), "err", err)
		return
	}
	log, err := s.find(req.name)
	if err != nil {
		s.end(unknownLog, conn.RemoteAddr(), "err", err)
		return
	}
	s.tune(underlying(conn))
	r := &reader{srv: s, log: log, out: newOut(conn), atEnd: s.AtEnd, keep: keep.of(log), stranger: s.stranger(conn)}
	s.logger().Debug("client reads", "path", log.Name(), "off", req.off, "peer", addr(conn.RemoteAddr()))
	s.stream(ctx, conn, r, req.off)
}

// stream runs the reader while somebody watches whether the client is still
// there.
func (s *Server) stream(ctx context.Context, conn net.Conn, r *reader, off int64) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	unwatch := watch(underlying(conn), func() { cancel(errLeft) })
	defer unwatch()
	err := r.run(ctx, logfile.FromOffset(off))
	unwatch()

	attrs := []any{"path", r.log.Name(), "off", r.off.Load(), "err", err}
	var end *logfile.Ended
	switch {
	case errors.As(err, &end) && end.Lost.Len() > 0:
		abort(conn) // what is on its way may have been overwritten, too
		s.end(cut, conn.RemoteAddr(), attrs...)
	case errors.Is(err, logfile.ErrEnded):
		s.end(ended, conn.RemoteAddr(), attrs...)
		part(ctx, conn)
	case errors.Is(err, errStopped):
		s.end(stopped, conn.RemoteAddr(), attrs...)
		part(ctx, conn)
	case errors.Is(err, errRefused) && !dead(underlying(conn)): // whose socket a dead one was, nobody can tell
		s.end(refused, conn.RemoteAddr(), attrs...)
	case errors.Is(err, errChanged):
		abort(conn)
		s.end(changed, conn.RemoteAddr(), attrs...)
	default:
		s.logger().Debug("client left", append(attrs, "peer", addr(conn.RemoteAddr()))...)
	}
}

// greet reads a client's line.
func (s *Server) greet(ctx context.Context, conn net.Conn) (req request, why reason, err error) {
	v := s.gate.wait(conn)
	conn.SetReadDeadline(time.Now().Add(cmp.Or(s.HeaderTimeout, DefaultHeaderTimeout)))
	unheard := context.AfterFunc(ctx, func() { conn.SetReadDeadline(past) })
	line, err := readHeader(conn)
	stays := s.gate.done(v)
	if !unheard() {
		return request{}, stopped, errStopped
	}
	conn.SetReadDeadline(time.Time{})
	var timeout net.Error
	switch {
	case !stays:
		return request{}, crowded, errCrowded
	case errors.As(err, &timeout) && timeout.Timeout():
		return request{}, lateHeader, err
	case err != nil:
		return request{}, badHeader, err
	}
	req, err = parseRequest(line)
	return req, badHeader, err
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

var (
	errCrowded = errors.New("too many connections without a header")
	errLeft    = errors.New("the client left")
	errStopped = errors.New("we end")
)

// find returns the log of that name, or the first one.
func (s *Server) find(name string) (*logfile.Log, error) {
	if name != "" {
		return s.Files.Lookup(name)
	}
	if log := s.Files.First(); log != nil {
		return log, nil
	}
	return nil, errNoLog
}

var errNoLog = errors.New("there is no log yet: no target has matched a file")

// underlying is the socket under TLS, or the connection itself.
func underlying(conn net.Conn) net.Conn {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return conn
}

// A client that has gone without a word is noticed within 75 seconds: 15 of
// silence, then four questions. One that half-closed and then closed answers
// them for up to a minute more.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}

// tune sets what a client's socket needs. TCP_NODELAY is on already: Go sees to
// it, and without it an append takes 40 ms longer.
func (s *Server) tune(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetWriteBuffer(cmp.Or(s.SendBuffer, DefaultSendBuffer))
		tcp.SetKeepAliveConfig(keepAlive)
		limitSilence(tcp, writeTimeout)
	}
}

// abort closes a connection with a reset: the client knows that it has not got
// what it was promised.
func abort(conn net.Conn) {
	conn = underlying(conn)
	if t, ok := conn.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	conn.Close()
}

// How long and how much we listen to a client that we have said goodbye to.
const (
	partTime  = 5 * time.Second
	partLast  = time.Second // once we end ourselves
	partBytes = 1 << 20
)

// part says goodbye to a client that has got everything. What it may have sent
// us is read first: closed unread it would become a reset, which can destroy
// bytes that are still on their way. One that holds its end open delays our own
// end little: ctx says when that has come.
func part(ctx context.Context, conn net.Conn) {
	socket := underlying(conn)
	for _, c := range []net.Conn{conn, socket} { // under TLS there are two ends to say
		if w, ok := c.(interface{ CloseWrite() error }); ok {
			w.CloseWrite()
		}
	}
	socket.SetReadDeadline(time.Now().Add(partTime))
	defer context.AfterFunc(ctx, func() { socket.SetReadDeadline(time.Now().Add(partLast)) })()
	io.CopyN(io.Discard, socket, partBytes)
}

// watch calls left when the peer has reset the connection or is unreachable. A
// half-closed connection is not left. What it returns ends the watching.
func watch(conn net.Conn, left func()) (unwatch func()) {
	var wg sync.WaitGroup
	wg.Go(func() {
		if awaitHangup(conn) {
			left()
		}
	})
	return func() {
		conn.SetReadDeadline(past)
		wg.Wait()
		conn.SetReadDeadline(time.Time{})
	}
}
