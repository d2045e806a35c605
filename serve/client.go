package serve

import (
	"cmp"
	"context"
	"errors"
	"net"
	"time"

	"fairlead/internal/tcp"
	"fairlead/logfile"
)

// client serves one connection: its line, then bytes until its generation ends
// or it leaves. When ctx ends it still gets what is there; when cut ends it is
// cut off.
func (s *Server) client(ctx, cut context.Context, conn net.Conn, keep *keepers) {
	defer s.gate.Leave(conn)
	defer tcp.Underlying(conn).Close()
	defer func() {
		if p := recover(); p != nil {
			s.contain(p)
		}
	}()
	defer context.AfterFunc(cut, func() { tcp.Abort(conn) })()

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
	tcp.Tune(conn, s.sendBuffer())
	r := &reader{srv: s, log: log, out: tcp.NewOut(conn), atEnd: s.AtEnd, keep: keep.of(log), stranger: s.stranger(conn)}
	s.logger().Debug("client reads", "path", log.Name(), "off", req.off, "peer", addr(conn.RemoteAddr()))
	s.stream(ctx, conn, r, req.off)
}

// stream runs the reader while somebody watches whether the client is still
// there.
func (s *Server) stream(ctx context.Context, conn net.Conn, r *reader, off int64) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	unwatch := tcp.Watch(tcp.Underlying(conn), func() { cancel(errLeft) })
	defer unwatch()
	err := r.run(ctx, logfile.FromOffset(off))
	unwatch()

	attrs := []any{"path", r.log.Name(), "off", r.off.Load(), "err", err}
	var end *logfile.Ended
	switch {
	case errors.As(err, &end) && end.Lost.Len() > 0:
		tcp.Abort(conn) // what is on its way may have been overwritten, too
		s.end(cut, conn.RemoteAddr(), attrs...)
	case errors.Is(err, logfile.ErrEnded):
		s.end(ended, conn.RemoteAddr(), attrs...)
		tcp.Part(ctx, conn)
	case errors.Is(err, errStopped):
		s.end(stopped, conn.RemoteAddr(), attrs...)
		tcp.Part(ctx, conn)
	case errors.Is(err, errRefused) && !tcp.Dead(tcp.Underlying(conn)): // whose socket a dead one was, nobody can tell
		s.end(refused, conn.RemoteAddr(), attrs...)
	case errors.Is(err, tcp.ErrChanged):
		tcp.Abort(conn)
		s.end(changed, conn.RemoteAddr(), attrs...)
	default:
		s.logger().Debug("client left", append(attrs, "peer", addr(conn.RemoteAddr()))...)
	}
}

// greet reads a client's line.
func (s *Server) greet(ctx context.Context, conn net.Conn) (req request, why reason, err error) {
	v := s.lobby.wait(conn)
	conn.SetReadDeadline(time.Now().Add(cmp.Or(s.HeaderTimeout, DefaultHeaderTimeout)))
	unheard := context.AfterFunc(ctx, func() { conn.SetReadDeadline(past) })
	line, err := readHeader(conn)
	stays := s.lobby.done(v)
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
