package stream

import (
	"context"
	"slices"
	"time"

	"fairlead/logfile"
)

const (
	maxWalk   = 32 << 20 // bytes of a file that are looked at for one answer
	maxAnswer = 8 << 20  // bytes of entries in it
	// groupBack is how far the beginning of lines that are one entry is looked for.
	groupBack = 1 << 20
	// How much is taken at a time going back: the first step, and the largest.
	stepFirst, stepLast = excerptSize, 1 << 20
	// bite is how much is made entries of at a time.
	bite = 16 << 10
)

// A walk gathers entries of one generation by their places. Whether it goes
// forward or back they are the same, and those of the stream.
type walk struct {
	excerpt
	filter *sieve
	lines  func() *Lines
	probe  *Lines // to ask it about lines
	most   int    // entries

	skip           int64 // entries that end at or before it are not wanted, going forward
	got            kept
	from, to       int64 // what has been covered
	entries, bytes int   // of the parts that were gathered, going back
}

func newWalk(s *Stream, src logfile.Source, g *logfile.Gen, q entriesQuery) *walk {
	now := g.Modified // no line of it is newer
	if now.IsZero() {
		now = time.Now()
	}
	lines := func() *Lines {
		return &Lines{Source: s.opt.Name(src.Name()), LogWisp: s.opt.LogWisp, MultiLine: s.opt.MultiLine,
			Now: func() time.Time { return now }}
	}
	w := &walk{filter: &sieve{filter: q.filter.and(s.filter)}, lines: lines, probe: lines(), most: q.limit}
	w.excerpt = excerpt{src: src, gen: g.ID, floor: g.From, size: g.Size}
	w.probe.begin()
	return w
}

// lower takes the bytes before floor, which are another log's to deliver, for
// whoever asks for a place among them.
func (w *walk) lower(off int64) {
	if off < w.floor {
		w.floor = 0
	}
}

// forward gathers entries that begin at from or behind, and before until.
func (w *walk) forward(ctx context.Context, from, until int64) error {
	w.lower(from)
	w.from, w.to = from, from
	f, err := w.feeder(ctx, from, func(entry []byte, at, end int64) bool {
		if at >= until {
			return false
		}
		if end <= w.skip {
			w.from, w.to = end, end
			return true
		}
		if w.filter.lets(entry) {
			if w.got.n > 0 && w.got.n+len(entry) > maxAnswer {
				return false
			}
			w.got.add(entry, end)
		}
		w.to = end
		return len(w.got.all) < w.most
	})
	for err == nil && f.more && f.off < w.size && f.off-from < maxWalk && f.next() < until {
		if err = f.bite(ctx, w.size); f.cut && f.more {
			w.to = max(w.to, f.off)
		}
	}
	switch {
	case err != nil || !f.more || f.next() >= until:
		return err
	case f.off == w.size:
		f.flush()
		if f.more {
			w.to = w.size
		}
	case w.to == from: // one group of lines, and no end of it
		f.flushGroup()
	}
	return nil
}

// back gathers the last entries that end at or before to.
func (w *walk) back(ctx context.Context, to int64) error {
	to = min(to, w.size)
	w.lower(to)
	w.from, w.to = to, to
	var parts []kept // the last first
	end := to
	for step := int64(stepFirst); end > w.floor; step = min(2*step, stepLast) {
		start, err := w.entryStart(ctx, max(w.floor, end-step))
		if err != nil {
			return err
		}
		if to-start > maxWalk && end < to {
			break
		}
		part, err := w.part(ctx, start, end, end == to)
		if err != nil {
			return err
		}
		parts = append(parts, part)
		w.entries, w.bytes = w.entries+len(part.all), w.bytes+part.n
		if w.from = max(start, part.from); part.from > 0 || w.entries == w.most {
			break
		}
		end = start
	}
	for _, part := range slices.Backward(parts) {
		w.got.all = append(w.got.all, part.all...)
	}
	return nil
}

// part returns the last entries between start, where one begins, and end, for
// which there is room beside those behind it. At the last end of all a line may be
// cut, or a group of lines: that is no entry then.
func (w *walk) part(ctx context.Context, start, end int64, last bool) (part kept, err error) {
	f, err := w.feeder(ctx, start, func(entry []byte, at, next int64) bool {
		if w.filter.lets(entry) {
			part.add(entry, next)
		}
		for n := len(part.all) + w.entries; n > w.most || n > 1 && part.n+w.bytes > maxAnswer; n-- {
			part.dropFirst()
		}
		return true
	})
	for err == nil && f.off < end {
		err = f.bite(ctx, end)
	}
	if err != nil {
		return kept{}, err
	}
	if !last || end == w.size {
		f.flush()
		return part, nil
	}
	if f.lines.group.n > 0 {
		line, err := w.line(ctx, f.lines.lineStart())
		if err != nil {
			return kept{}, err
		}
		if !f.lines.joins(line) {
			f.flushGroup()
		}
	}
	w.to = min(end, f.next())
	return part, nil
}

// near returns where the entry begins that has a byte, or entries before it, if
// that is not too far away.
func (w *walk) near(ctx context.Context, off int64) (int64, error) {
	w.lower(off)
	least := max(w.floor, off-maxLine)
	at, found, err := w.behindLine(ctx, least, off+1)
	if err != nil || !found {
		return least, err
	}
	for p := at; ; {
		begins, err := w.begins(ctx, p)
		if err != nil || begins {
			return p, err
		}
		if p, found, err = w.behindLine(ctx, least, p); err == nil && !found && least == w.floor {
			return least, nil
		}
		if err != nil || !found {
			return at, err
		}
	}
}

// entryStart returns the last place at or before off where an entry begins, coming
// from wherever. Behind a group that is too long it is where a line begins.
func (w *walk) entryStart(ctx context.Context, off int64) (int64, error) {
	if off <= w.floor {
		return w.floor, nil
	}
	p, err := w.start(ctx, off+1)
	for least := p - groupBack; err == nil && p > w.floor && p > least; p, err = w.start(ctx, p) {
		begins, err := w.begins(ctx, p)
		if err != nil || begins {
			return p, err
		}
	}
	return p, err
}

// begins says that the line at p, where one begins or there is a break, cannot
// belong to the entry before.
func (w *walk) begins(ctx context.Context, p int64) (bool, error) {
	inside, err := w.inside(ctx, p)
	if err != nil || inside || p == w.floor {
		return true, err
	}
	line, err := w.line(ctx, p)
	if err != nil || len(line) == 0 {
		return true, err
	}
	if w.probe.MultiLine && indented(line) {
		return false, nil
	}
	c, ok := w.probe.peek(line)
	if !ok {
		return true, nil
	}
	stream := string(c.stream)
	prev, err := w.start(ctx, p)
	if err != nil {
		return false, err
	}
	if inside, err = w.inside(ctx, prev); err != nil || inside {
		return true, err // the rest of a line is plain text
	}
	if line, err = w.line(ctx, prev); err != nil {
		return false, err
	}
	c, ok = w.probe.peek(line)
	return !ok || !c.more || string(c.stream) != stream, nil
}
