package plain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"fairlead/internal/tcp"
	"fairlead/logfile"
)

// A stream is what is sent on one connection, once the receiver has said what it has.
type stream struct {
	*sending
	conn attempt
	out  tcp.Out
	told int64 // what the receiver has said
	off  int64
}

// errSaid is for a receiver that says more than it should.
var errSaid = errors.New("the receiver said something behind its length")

// stream sends from off on until the generation has ended, nothing comes any more, or the
// connection breaks.
func (e *sending) stream(ctx context.Context, conn attempt, off int64) (done bool, err error) {
	s := &stream{sending: e, conn: conn, out: tcp.NewOut(conn.TCPConn), told: off, off: off}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n, err := conn.Read(make([]byte, 1))
		if n > 0 {
			err = errSaid
		}
		end(err)
	}()
	defer func() {
		conn.Close()
		<-ended
	}()
	defer context.AfterFunc(ctx, func() { conn.SetWriteDeadline(time.Unix(1, 0)) })()
	done, err = s.run(ctx)
	if err == nil {
		conn.SetReadDeadline(time.Now().Add(e.s.Timeout))
		conn.CloseWrite()
		<-ended // it has read all when it closes too
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("the receiver has closed the connection")
	}
	if err != nil {
		err = fmt.Errorf("send to %s: %w", e.h.addr, err)
	}
	return done, err
}

func (s *stream) run(ctx context.Context) (done bool, err error) {
	for {
		l, st := s.part()
		g := st.Find(s.gen)
		switch {
		case g == nil:
			return true, s.lost(0)
		case s.off < g.Size && g.Readable:
			if err := s.send(ctx, l, st, g.Size); err != nil {
				return false, err
			}
		case s.off < g.Size && g.End != nil:
			return true, s.lost(g.Size - s.off)
		case g.End != nil && s.off == s.told:
			return true, s.complete()
		case s.s.Once && s.off == s.told:
			return true, nil
		case g.End != nil || s.s.Once:
			return false, nil // and then it is asked whether it is there
		default:
			if idle, err := s.wait(ctx, l, st.Seq); idle || err != nil {
				return true, err
			}
		}
	}
}

// wait waits for news; idle if there were none for long, or another file needs the
// connection.
func (s *stream) wait(ctx context.Context, l *logfile.Log, seq uint64) (idle bool, err error) {
	waiting, cancel := context.WithTimeout(ctx, s.s.Idle)
	defer cancel()
	defer s.h.slots.rest(cancel)()
	if l.Wait(waiting, seq) == nil {
		return false, nil
	}
	return ctx.Err() == nil, ctx.Err()
}

// send sends what is known to be there, up to size.
func (s *stream) send(ctx context.Context, l *logfile.Log, st logfile.Stat, size int64) error {
	h, err := l.Open(s.gen)
	if errors.Is(err, logfile.ErrEnded) {
		return nil
	}
	if err != nil {
		return err
	}
	defer h.Close()
	most := int64(maxPiece)
	if s.h.limit != nil {
		most = int64(s.h.limit.Burst())
	}
	for s.off < size {
		piece := int(min(size-s.off, most))
		if s.h.limit != nil {
			if err := s.h.limit.WaitN(ctx, piece); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.conn.SetWriteDeadline(time.Now().Add(s.s.Timeout))
		n, err := s.out.Piece(&h, s.off, piece)
		s.moved(int64(n))
		switch {
		case errors.Is(err, tcp.ErrStale): // the set finds out what became of it
			waiting, cancel := context.WithTimeout(ctx, retryFirst)
			defer cancel()
			l.Wait(waiting, st.Seq)
			return nil
		case errors.Is(err, tcp.ErrChanged):
			tcp.Abort(s.conn.TCPConn)
			s.renamed("a file was changed while it was sent: the receiver may have bytes that are not the file's", s.off, size)
			return errors.Join(err, s.s.names.save())
		case err != nil:
			return err
		}
	}
	return nil
}

// moved counts n bytes that were sent.
func (s *stream) moved(n int64) {
	s.off += n
	s.mu.Lock()
	s.sent = s.off
	s.mu.Unlock()
	s.h.mu.Lock()
	s.h.sent += n
	s.h.mu.Unlock()
}

// complete notes that the receiver has all of a generation.
func (s *stream) complete() error {
	s.s.names.settle(s.h.addr, s.gen, s.off)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.s.log().Info("the receiver has all of a generation", "path", s.log.Name(), "gen", s.gen.Short(), "peer", s.h.addr, "name", s.name, "n", s.off)
	return nil
}

// lost notes that the last n bytes are gone.
func (s *stream) lost(n int64) error {
	s.s.names.settle(s.h.addr, s.gen, s.off+n)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if n > 0 {
		s.h.noteLost(n)
		s.s.log().Error("bytes were gone before they could be sent", "path", s.log.Name(), "gen", s.gen.Short(), "peer", s.h.addr, "from", s.off, "to", s.off+n)
	}
	return nil
}
