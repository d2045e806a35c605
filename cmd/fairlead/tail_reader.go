package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"sync"
	"time"

	"fairlead/logfile"
	"fairlead/stream"
)

const (
	readSize   = 256 << 10
	retryAfter = time.Second // a file that gives an error is tried again
)

// A tailReader follows one log and hands what it says to the sink.
type tailReader struct {
	log   *logfile.Log
	f     *logfile.Follower
	from  logfile.Pos   // the first byte that was read
	until logfile.Pos   // where to stop; a zero Gen: never
	lines *stream.Lines // -o json: bytes become entries
	late  *stream.Lines // the same for generations that were left
	out   []byte        // entries
	sink  *tailSink
	warn  *slog.Logger
}

// reader returns a reader of a log that was there at the start, which ends
// where the flags say.
func (t *tailCommand) reader(ctx context.Context, l *logfile.Log, sink *tailSink) (*tailReader, error) {
	from, err := t.begin(ctx, l, sink)
	if err != nil {
		return nil, err
	}
	r := t.readerFrom(l, sink, from)
	if !t.forever {
		r.until = lastOf(l.Stat())
		if t.follow {
			r.until.Off = math.MaxInt64
		}
	}
	return r, nil
}

// lateReader returns a reader of a log that joined later: from its first byte,
// for ever.
func (t *tailCommand) lateReader(l *logfile.Log, sink *tailSink) *tailReader {
	from := logfile.FromJoined
	if mark, ok := sink.marks[l.Name()]; ok {
		from = logfile.FromPos(mark.Pos)
	}
	return t.readerFrom(l, sink, from)
}

func (t *tailCommand) readerFrom(l *logfile.Log, sink *tailSink, from logfile.From) *tailReader {
	r := &tailReader{log: l, sink: sink, f: logfile.Follow(l, from), warn: t.log.With("path", l.Name())}
	if t.json {
		r.lines, r.late = r.entries(t), r.entries(t)
	}
	return r
}

func (r *tailReader) entries(t *tailCommand) *stream.Lines {
	return &stream.Lines{Source: r.log.Name(), MultiLine: t.multiLine}
}

// begin decides where to begin: at the cursor, where --from says, or before the
// last lines.
func (t *tailCommand) begin(ctx context.Context, l *logfile.Log, sink *tailSink) (logfile.From, error) {
	if mark, ok := sink.marks[l.Name()]; ok {
		return logfile.FromPos(mark.Pos), nil
	}
	if t.from != "" {
		return t.start, nil
	}
	from, err := lastLines(ctx, l, t.count)
	if errors.Is(err, logfile.ErrEnded) {
		return logfile.FromStart, nil // rotated this very moment: what is there now is new
	}
	return from, err
}

// lastOf returns the end of the newest generation; a zero Gen without any.
func lastOf(st logfile.Stat) logfile.Pos {
	g := st.Current
	if g == nil && len(st.Old) > 0 {
		g = st.Old[len(st.Old)-1]
	}
	if g == nil {
		return logfile.Pos{}
	}
	return logfile.Pos{Gen: g.ID, Off: g.Size}
}

// lastLines returns where the last n lines of the current generation begin.
func lastLines(ctx context.Context, src logfile.Source, n int) (logfile.From, error) {
	st := src.Stat()
	if st.Current == nil {
		return logfile.FromStart, nil
	}
	pos := logfile.Pos{Gen: st.Current.ID, Off: st.Current.Size}
	if n == 0 {
		return logfile.FromByte(pos), nil
	}
	buf := make([]byte, 64<<10)
	for atEnd := true; pos.Off > 0; atEnd = false {
		piece := buf[:min(int64(len(buf)), pos.Off)]
		pos.Off -= int64(len(piece))
		if err := readFull(ctx, src, piece, pos); err != nil {
			return logfile.From{}, err
		}
		end := len(piece)
		if atEnd {
			end-- // a newline there ends the last line and begins none
		}
		for {
			i := bytes.LastIndexByte(piece[:end], '\n')
			if i < 0 {
				break
			}
			if n--; n == 0 {
				pos.Off += int64(i) + 1
				return logfile.FromByte(pos), nil
			}
			end = i
		}
	}
	return logfile.FromByte(pos), nil
}

func readFull(ctx context.Context, src logfile.Source, p []byte, pos logfile.Pos) error {
	for len(p) > 0 {
		n, err := src.ReadAt(ctx, p, pos)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		p, pos.Off = p[n:], pos.Off+int64(n)
	}
	return nil
}

// catchUp reads what is there, without waiting for more.
func (r *tailReader) catchUp(ctx context.Context) {
	end := lastOf(r.log.Stat())
	for r.f.Pos() != end {
		if _, there, _ := r.f.Ready(); !there || !r.step(ctx) {
			return
		}
	}
}

// run reads until the end that was asked for, or until ctx ends.
func (r *tailReader) run(ctx context.Context) {
	defer r.f.Close()
	for r.step(ctx) {
	}
}

// step hands over what comes next. It returns false when there is no more.
func (r *tailReader) step(ctx context.Context) (more bool) {
	if pos := r.f.Pos(); pos.Gen == r.until.Gen && !pos.Gen.IsZero() && pos.Off >= r.until.Off {
		r.sink.put(ctx, r.unfinished())
		return false
	}
	err := r.wait(ctx)
	if err == nil {
		err = r.hand(ctx)
	}
	var ended *logfile.Ended
	switch {
	case ctx.Err() != nil:
		return false // what is unfinished comes again
	case err == nil:
	case errors.As(err, &ended):
		r.sink.put(ctx, r.ended(ended))
		return ended.Gen != r.until.Gen
	case errors.Is(err, context.DeadlineExceeded):
		r.sink.put(ctx, r.unfinished())
	case r.until.Gen.IsZero():
		r.warn.Warn("cannot read; trying again", "err", err)
		r.rest(ctx)
	default:
		r.sink.fail(r.log.Name(), err)
		return false
	}
	return true
}

// wait waits for bytes, but gives up on an unfinished line after a while.
func (r *tailReader) wait(ctx context.Context) error {
	if r.lines != nil && (r.lines.Unfinished() || r.late.Unfinished()) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, stream.DefaultPartial)
		defer cancel()
	}
	_, err := r.f.Next(ctx)
	return err
}

// buffers are shared by all readers: a log that is quiet needs none.
var buffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// hand hands over the bytes that are there.
func (r *tailReader) hand(ctx context.Context) error {
	buf := buffers.Get().(*[readSize]byte)
	defer buffers.Put(buf)
	span, err := r.f.Read(ctx, buf[:])
	if err != nil {
		return err
	}
	if r.from.Gen.IsZero() {
		r.from = logfile.Pos{Gen: span.Gen, Off: span.Off}
	}
	r.sink.put(ctx, r.chunk(span, buf[:span.N]))
	return nil
}

func (r *tailReader) rest(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(retryAfter):
	}
}

// chunk is what a span of bytes comes to.
func (r *tailReader) chunk(span logfile.Span, p []byte) chunk {
	c := chunk{log: r.log, from: r.from, pos: r.f.Pos(), late: span.Late, gen: span.Gen, text: p}
	switch {
	case r.lines == nil:
		return c
	case span.Late:
		c.text = r.late.Add(r.out[:0], span, p)
	default:
		c.text = r.lines.Add(r.out[:0], span, p)
	}
	r.out, c.pos = c.text, r.lines.Pos(c.pos)
	return c
}

// unfinished is the line that has no end yet.
func (r *tailReader) unfinished() chunk {
	c := chunk{log: r.log, from: r.from, pos: r.f.Pos()}
	if r.lines != nil {
		c.text = r.lines.Flush(r.late.Flush(nil))
	}
	return c
}

// ended is the end of a generation, and what of it is lost.
func (r *tailReader) ended(e *logfile.Ended) chunk {
	c := r.unfinished()
	switch {
	case e.Lost.Len() > 0:
		r.sink.lost.Store(true)
		r.warn.Error("bytes are lost: they were gone before they could be read",
			"gen", e.Gen, "off", e.Lost.From, "n", e.Lost.Len(), "reason", e.Reason.String())
		if r.lines != nil {
			c.text = stream.AppendLost(c.text, r.log.Name(), e)
		}
	case e.Reason == logfile.Forgotten:
		r.sink.lost.Store(true)
		r.warn.Error("nothing is known of the generation to begin in: going on with the current one, from 0",
			"gen", e.Gen, "off", e.At)
	case e.Gen != r.until.Gen:
		r.warn.Info("file rotated", "old", e.Gen.Short(), "reason", e.Reason.String())
	}
	return c
}
