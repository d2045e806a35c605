package serve

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"fairlead/internal/tcp"
	"fairlead/logfile"
)

// pieceMax bounds what one send can carry of a file that was changed under it.
const pieceMax = 1 << 20

// A reader is a position over a log, and a way out for its bytes. It has no
// queue: the file is the queue.
type reader struct {
	srv      *Server
	log      *logfile.Log
	out      tcp.Out
	atEnd    AtEnd
	keep     *keeper // holds the file under AtEndLinger and AtEndExit
	stranger bool    // gets only what everyone may read

	gen    logfile.GenID // that is being read; the reader alone changes it, under srv.mu
	off    atomic.Int64  // in gen
	waited time.Duration // for a file that cannot be opened
}

// run sends bytes from a position on. It ends with an *Ended when the generation
// does, errStopped when ctx ends and what was there is sent, tcp.ErrChanged,
// errRefused, or why the client left.
func (r *reader) run(ctx context.Context, from logfile.From) error {
	st := r.log.Stat()
	if gen, size, gone := r.keep.gone(st); gone {
		pos := from.Resolve(logfile.Stat{Current: &logfile.Gen{ID: gen, Size: size}})
		if r.atEnd == AtEndLinger {
			return r.linger(ctx, pos.Off)
		}
		from = logfile.FromByte(pos)
	}
	pos := from.Resolve(st)
	if g := st.Find(pos.Gen); g != nil {
		if from = logfile.FromByte(pos); pos.Off > g.Size {
			r.srv.logger().Info("offset beyond size", "path", r.log.Name(), "off", pos.Off, "size", g.Size)
		}
	}
	r.off.Store(pos.Off)
	return r.follow(ctx, from)
}

// follow holds no descriptor while it waits.
func (r *reader) follow(ctx context.Context, from logfile.From) error {
	f := logfile.Follow(r.log, from)
	defer f.Close()
	r.srv.add(r)
	defer r.srv.remove(r)
	for ctx.Err() == nil {
		span, err := f.Next(ctx)
		if err == nil {
			err = r.send(ctx, f, span)
		} else {
			err = r.over(ctx, err)
		}
		if err != nil {
			return err
		}
	}
	return r.last(ctx, f)
}

// over decides what happens when there is nothing to send any more; nil means:
// go on.
func (r *reader) over(ctx context.Context, err error) error {
	var end *logfile.Ended
	switch {
	case errors.As(err, &end):
		return r.ended(ctx, end)
	case ctx.Err() != nil:
		return nil
	}
	return err
}

// ended decides what happens at a generation's end; nil means: go on.
func (r *reader) ended(ctx context.Context, end *logfile.Ended) error {
	if lost := end.Lost.Len(); lost > 0 {
		r.srv.lost.Add(lost)
		r.srv.logger().Debug("bytes lost", "path", r.log.Name(), "gen", end.Gen.Short(), "off", end.Lost.From, "n", lost)
	}
	if r.atEnd == AtEndFollow {
		return nil
	}
	if r.atEnd == AtEndLinger && r.keep.holds(end) {
		return r.linger(ctx, r.off.Load())
	}
	return end
}

// send sends a span. Bytes of a generation that was left already do not belong
// behind those of the next: they can be had over HTTP.
func (r *reader) send(ctx context.Context, f *logfile.Follower, span logfile.Span) error {
	if span.Late {
		r.srv.late.Add(span.N)
		f.Advance(span.N)
		return nil
	}
	h, err := r.log.Open(span.Gen)
	if err != nil {
		return r.unopened(ctx, err)
	}
	defer h.Close()
	r.waited = 0
	if err := r.enter(span.Gen, h.File()); err != nil {
		return err
	}
	for span.N > 0 {
		n, err := r.push(&h, span.Off, span.N)
		f.Advance(n)
		span.Off, span.N = span.Off+n, span.N-n
		if errors.Is(err, tcp.ErrStale) {
			return nil // the follower knows what became of it
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// push sends one piece of at most n bytes.
func (r *reader) push(h tcp.File, off, n int64) (int64, error) {
	sent, err := r.out.Piece(h, off, int(min(n, pieceMax)))
	r.off.Store(off + int64(sent))
	r.srv.sent.Add(int64(sent))
	return int64(sent), err
}

// enter begins with a generation, if the client may read it.
func (r *reader) enter(gen logfile.GenID, f *os.File) error {
	if r.gen == gen {
		return nil
	}
	if r.stranger {
		if err := everyoneMayRead(r.log, gen, f); err != nil {
			return err
		}
	}
	r.srv.mu.Lock()
	defer r.srv.mu.Unlock()
	r.gen = gen
	return nil
}

// unopened waits before the next try, unless the generation has ended, which
// the follower tells.
func (r *reader) unopened(ctx context.Context, err error) error {
	const first, most = time.Second, 30 * time.Second
	if errors.Is(err, logfile.ErrEnded) {
		return nil
	}
	if ctx.Err() != nil {
		return whyOver(ctx)
	}
	r.waited = min(max(first, 2*r.waited), most)
	r.srv.logger().Warn("file not readable", "path", r.log.Name(), "err", err, "dur", r.waited)
	select {
	case <-time.After(r.waited):
	case <-ctx.Done():
	}
	return nil
}

// last sends what is there at this moment, if it is us who end.
func (r *reader) last(ctx context.Context, f *logfile.Follower) error {
	if err := whyOver(ctx); err != errStopped {
		return err
	}
	var end logfile.Pos
	for {
		span, ok, err := f.Ready()
		if !ok || err != nil {
			break
		}
		if !span.Late {
			if end.Gen.IsZero() {
				end = logfile.Pos{Gen: span.Gen, Off: span.Off + span.N}
			}
			if span.Gen != end.Gen || span.Off >= end.Off {
				break
			}
			span.N = min(span.N, end.Off-span.Off)
		}
		if err := r.send(ctx, f, span); err != nil {
			return err
		}
	}
	return errStopped
}

// whyOver says who ended ctx: the client, or we.
func whyOver(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, errLeft) {
		return cause
	}
	return errStopped
}

// linger serves a file that no longer has its name, and never ends by itself.
func (r *reader) linger(ctx context.Context, off int64) error {
	h, gen := r.keep.file()
	if err := r.enter(gen, h.File()); err != nil {
		return err
	}
	r.srv.add(r)
	defer r.srv.remove(r)
	for {
		size, err := r.keep.grown(ctx, off)
		if err != nil {
			return err
		}
		for off < size {
			n, err := r.push(&h, off, size-off)
			off += n
			if errors.Is(err, tcp.ErrStale) {
				return &logfile.Ended{Gen: gen, At: off, Reason: logfile.Truncated}
			}
			if err != nil {
				return err
			}
		}
	}
}
