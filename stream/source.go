package stream

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"fairlead/logfile"
)

const (
	readSize = 256 << 10
	// How much of one log is encoded before others have their turn.
	quantum = 16 * readSize
	// How long something that failed is left alone.
	retryFirst, retryLast = 100 * time.Millisecond, 5 * time.Second
)

// A source reads one log.
type source struct {
	stream *Stream
	log    logfile.Source
	f      *logfile.Follower
	name   string // what its entries have as source
	lines  *Lines
	late   *Lines // of generations that were left
	gen    logfile.GenID
	begun  int64         // where in gen reading began
	alone  bool          // the end of the generation before was told, and no other was known
	turned int           // generations that ended
	bad    time.Duration // how long the log was left alone after the last error

	queuing
}

func (s *Stream) newSource(src logfile.Source, at start) *source {
	r := &source{stream: s, log: src, f: logfile.Follow(src, at.from, at.late...), name: s.opt.Name(src.Name())}
	r.wake = func() { s.queue.put(r) }
	r.changed = func() {
		r.awaits.Store(false)
		r.wake()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.stands[src.Name()]; len(known) > 0 {
		at := known[len(known)-1].pos
		r.gen, r.begun = at.Gen, at.Off
	}
	return r
}

// linesOf returns what cuts the bytes of a span: a log that was always quiet has
// none.
func (r *source) linesOf(late bool) *Lines {
	l := &r.lines
	if late {
		l = &r.late
	}
	if *l == nil {
		*l = &Lines{Source: r.name, LogWisp: r.stream.opt.LogWisp, MultiLine: r.stream.opt.MultiLine}
	}
	return *l
}

func (r *source) unfinished() bool {
	return r.lines != nil && r.lines.Unfinished() || r.late != nil && r.late.Unfinished()
}

// run encodes what is there, and says what it takes until there may be more:
// nothing but its turn, a change of the log behind seq, or a while.
func (r *source) run(ctx context.Context, t *turn) (again next) {
	defer t.settle() // its errors are ctx's
	for n := int64(0); n < quantum && ctx.Err() == nil; {
		seq := r.log.Stat().Seq
		_, ok, err := r.f.Ready()
		overdue := r.overdue.Swap(false)
		if !ok && err == nil {
			t.settle()
			switch {
			case !r.unfinished():
				return next{seq: seq}
			case !overdue:
				return next{seq: seq, partial: r.stream.opt.Partial}
			}
			r.flush(ctx)
			continue
		}
		var span logfile.Span
		if err == nil {
			span, err = r.read(ctx, t)
		}
		var ended *logfile.Ended
		switch {
		case err == nil:
			r.bad = 0
			n += span.N
		case ctx.Err() != nil:
		case errors.As(err, &ended):
			t.settle()
			r.end(ctx, ended)
		default:
			r.bad = min(max(2*r.bad, retryFirst), retryLast)
			r.stream.log().Warn("cannot read; trying again", "path", r.log.Name(), "err", err, "dur", r.bad)
			return next{rest: r.bad}
		}
	}
	return next{ready: true} // or over: what is unfinished comes again the next time
}

// read encodes one span, at most a buffer full.
func (r *source) read(ctx context.Context, t *turn) (logfile.Span, error) {
	span, err := r.f.Read(ctx, t.in)
	if err == nil {
		err = r.encode(ctx, t, span)
	}
	return span, err
}

func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// encode turns a span, which was read, into entries and puts them into the spool.
func (r *source) encode(ctx context.Context, t *turn, span logfile.Span) error {
	s := r.stream
	if s.limit != nil {
		if err := s.limit.WaitN(ctx, int(span.N)); err != nil {
			return err
		}
	}
	t.out = t.out[:0]
	if span.Gen != r.gen && !span.Late {
		t.out = r.enter(t.out, span)
	}
	lines := r.linesOf(span.Late)
	t.out = lines.Add(t.out, span, t.in[:span.N])
	if len(t.out) == 0 {
		return nil
	}
	if err := t.settle(); err != nil {
		return err
	}
	entries, levels, at := t.out, lines.levels.take(), stand{name: r.log.Name(), pos: lines.Pos(logfile.Pos{Gen: span.Gen, Off: span.Off + span.N})}
	if span.N < readSize {
		return r.append(ctx, entries, levels, at, r.note(at))
	}
	// There is more to read: that goes on while this is written.
	t.out, t.written = t.written, t.out
	t.writes = make(chan error, 1)
	go func(note *note, writes chan<- error) { writes <- r.append(ctx, entries, levels, at, note) }(r.note(at), t.writes)
	return nil
}

// enter begins a generation. One that came without the end of another before it
// being told of both is told of now.
func (r *source) enter(out []byte, span logfile.Span) []byte {
	r.gen, r.begun = span.Gen, span.Off
	if r.alone {
		out = r.stream.appendRotate(out, r, nil, logfile.Pos{Gen: span.Gen, Off: span.Off})
	}
	r.alone = false
	return out
}

// append puts entries into the spool, and what they say of the stand with them.
// It comes back only when that is done, however long the disk is full, or when
// ctx ends.
func (r *source) append(ctx context.Context, entries []byte, levels tally, p stand, note *note) error {
	s := r.stream
	for bad := retryFirst; ; bad = min(2*bad, retryLast) {
		err := s.append(entries, p, note)
		if err == nil {
			s.count(&levels)
		}
		if err == nil || ctx.Err() != nil {
			return cmp.Or(err, ctx.Err())
		}
		s.failed(err)
		rest(ctx, bad)
	}
}

// A note is what is to be written down before the first entry of a generation, and
// once more when there is enough of it to recognise it by.
type note struct {
	stand
	late []logfile.Pos // generations of the log that may still grow
}

// note returns what has to be noted before entries that end at p; nil if that has
// been done.
func (r *source) note(p stand) *note {
	s := r.stream
	s.mu.Lock()
	var before stand
	known := s.stands[p.name].find(p.pos.Gen)
	if known != nil {
		before = *known
	}
	s.mu.Unlock()
	if known != nil && (!before.weak || p.pos.Off < strong) {
		return nil
	}
	n := &note{newStand(r.log, p.pos), r.f.Late()}
	switch {
	case known != nil:
		n.pos = before.pos
	case p.pos.Gen == r.gen:
		n.pos.Off = min(r.begun, p.pos.Off)
	}
	return n
}

// newStand is a stand with a mark of all that is before it.
func newStand(src logfile.Source, pos logfile.Pos) stand {
	p := stand{name: src.Name(), pos: pos, mark: markText(src, pos)}
	p.weak = p.mark != "" && pos.Off < strong
	return p
}

// markText is what recognises a generation again where the Set's state is lost,
// or was not saved yet. Without one, as of a log of another machine or a file
// that is gone, the id must do.
func markText(src logfile.Source, pos logfile.Pos) string {
	l, ok := src.(interface {
		Mark(logfile.Pos) (logfile.Mark, error)
	})
	if !ok {
		return ""
	}
	mark, err := l.Mark(pos)
	if err != nil {
		return ""
	}
	text, err := mark.MarshalText()
	if err != nil {
		return ""
	}
	return string(text)
}

// append adds entries that end at p. note is of a generation that nothing has been
// said of yet, or nil.
func (s *Stream) append(entries []byte, p stand, note *note) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if note != nil {
		if err := s.spool.Note(note.append(nil)); err != nil {
			return err
		}
		s.noted(note)
	}
	if err := s.spool.Append(entries); err != nil {
		return err
	}
	s.wrote()
	if known := s.stands[p.name].find(p.pos.Gen); known != nil {
		known.pos.Off = max(known.pos.Off, p.pos.Off)
	}
	return nil
}

// noted adds the stand of a generation to those of the log that may still grow.
func (s *Stream) noted(n *note) {
	if known := s.stands[n.name].find(n.pos.Gen); known != nil {
		known.mark, known.weak = n.mark, n.weak
		return
	}
	known := slices.DeleteFunc(slices.Clone(s.stands[n.name]), func(old stand) bool {
		return !slices.ContainsFunc(n.late, func(pos logfile.Pos) bool { return pos.Gen == old.pos.Gen })
	})
	s.stands[n.name] = append(known, n.stand)
}

// flush makes entries of what has waited long enough for its end.
func (r *source) flush(ctx context.Context) {
	for _, lines := range []*Lines{r.late, r.lines} {
		if lines == nil || !lines.Unfinished() {
			continue
		}
		out := lines.Flush(nil)
		if pos, ok := behindLast(out); ok {
			at := stand{name: r.log.Name(), pos: pos}
			r.append(ctx, out, lines.levels.take(), at, r.note(at))
		}
	}
}

// end ends a generation: its last line may have no end, and bytes of it may be
// lost.
func (r *source) end(ctx context.Context, e *logfile.Ended) {
	s := r.stream
	r.flush(ctx)
	at := stand{name: r.log.Name(), pos: logfile.Pos{Gen: e.Gen, Off: e.At}}
	if e.Lost.Len() > 0 {
		s.log().Error("bytes are lost: they were gone before they could be read",
			"path", r.log.Name(), "gen", e.Gen, "off", e.Lost.From, "n", e.Lost.Len(), "reason", e.Reason.String())
		s.lost.Add(e.Lost.Len())
		r.append(ctx, AppendLost(nil, r.name, e), tally{}, at, r.note(at))
		if err := s.write(at); err != nil {
			s.failed(err) // at the next start it will be told again
		}
	}
	if e.Reason == logfile.Forgotten {
		s.log().Warn("nothing is known of the generation to go on in: going on with the current one, from its start",
			"path", r.log.Name(), "gen", e.Gen, "off", e.At)
	} else {
		s.log().Info("file rotated", "path", r.log.Name(), "old", e.Gen.Short(), "reason", e.Reason.String())
	}
	r.turned++
	r.alone = e.Next.Gen.IsZero()
	if out := s.appendRotate(nil, r, e, e.Next); len(out) > 0 {
		r.append(ctx, out, tally{}, at, r.note(at))
	}
}

// write notes a stand that no entry tells.
func (s *Stream) write(p stand) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spool.Note(p.append(nil))
}
