package logfile

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"sync/atomic"
)

// A Follower is a position over a Source, and nothing else: it holds no bytes.
// It is used by one goroutine at a time.
type Follower struct {
	src Source
	on  *interest // what the Log keeps readable for us; nil for other sources

	pos   Pos   // a zero Gen: waiting for the generation after left
	left  Pos   // the end of the one we were in last
	ord   int64 // of pos's generation; see Gen.ord
	prev  int64 // of left's
	stand Pos   // if not zero: what Pos says instead; see standBefore
	late  []Pos // where we stand in those that may still grow
	span  *Pos  // what Next returned last: &pos, or one of late
}

// An interest tells a Log how far a follower is, so that what it has not read
// is kept readable.
type interest struct {
	ord, off atomic.Int64
}

// Follow returns a follower of src that begins at from. late is what Late
// returned, of a follower that goes on in another process. As long as it is not
// closed, a Log keeps readable what the follower has not read, within the Set's
// limits.
func Follow(src Source, from From, late ...Pos) *Follower {
	f := &Follower{src: src, late: slices.Clone(late)}
	if l, ok := src.(*Log); ok {
		f.on = l.register()
	}
	f.begin(from, src.Stat())
	if f.on != nil {
		l := src.(*Log)
		l.set.catchUp(l.hold)
	}
	return f
}

// A Span is bytes that are there to be read: [Off, Off+N) of Gen.
type Span struct {
	Gen  GenID
	Off  int64
	N    int64 // above 0
	Late bool  // of a generation that was left already: its writer reopened late
}

// Next waits until there is something to read and returns it, without moving.
//
// It returns an *Ended once for each generation whose end was reached. The
// follower then stands at Ended.Next, or waits for the generation that is still
// to come, and Next may be called again. A file that is not there, or cannot be
// read at the moment, is waited for.
func (f *Follower) Next(ctx context.Context) (Span, error) {
	for {
		st := f.src.Stat()
		if span, ok, err := f.step(st); ok {
			return span, err
		}
		if err := f.src.Wait(ctx, st.Seq); err != nil {
			return Span{}, err
		}
	}
}

// Ready is Next without waiting: ok is false if there is nothing to tell now.
func (f *Follower) Ready() (span Span, ok bool, err error) { return f.step(f.src.Stat()) }

func (f *Follower) step(st Stat) (span Span, ok bool, err error) {
	if span, ok := f.lateSpan(st); ok {
		return span, true, nil
	}
	if f.pos.Gen.IsZero() {
		if st, ok = f.goOn(st); !ok {
			return Span{}, false, nil
		}
	}
	g := st.at(f.pos, f.ord)
	switch {
	case g == nil:
		return Span{}, true, f.forgotten(st)
	case g.Size > f.pos.Off && (g.Readable || g.End == nil):
		f.span = &f.pos
		return Span{Gen: g.ID, Off: f.pos.Off, N: g.Size - f.pos.Off}, g.Readable, nil
	case g.End != nil:
		return Span{}, true, f.leave(g, st)
	}
	return Span{}, false, nil
}

// begin fixes the position. Without a generation it is one in the first that
// comes; the end of an empty log is its start.
func (f *Follower) begin(from From, st Stat) {
	pos, g := from.resolve(st)
	if f.pos = pos; g != nil {
		f.ord = g.ord
	}
	if pos.Gen.IsZero() && len(st.Old) > 0 {
		last := st.Old[len(st.Old)-1]
		f.left, f.prev = Pos{last.ID, last.Size}, last.ord
	}
	f.tell(st)
}

// goOn moves to the generation after the one that was left.
func (f *Follower) goOn(st Stat) (Stat, bool) {
	next := func(st Stat) (Pos, int64) { return after(st, f.left, f.prev) }
	st, pos, ord := f.claim(st, next)
	if pos.Gen.IsZero() {
		return st, false
	}
	pos.Off += f.pos.Off
	f.enter(pos, ord, st)
	f.tell(st)
	return st, true
}

// claim tells the Log that we are about to enter what comes next. Until it knows,
// it may put others before it, which are then what comes next.
func (f *Follower) claim(st Stat, next func(Stat) (Pos, int64)) (Stat, Pos, int64) {
	pos, ord := next(st)
	for f.on != nil && !pos.Gen.IsZero() {
		f.tellOf(ord, pos.Off)
		st = f.src.Stat()
		p, o := next(st)
		if p == pos && o == ord {
			break
		}
		pos, ord = p, o
	}
	return st, pos, ord
}

// enter moves to another generation. One that was left before, and is at the
// log's path again, goes on where it was left.
func (f *Follower) enter(next Pos, ord int64, st Stat) {
	f.pos, f.ord, f.span = next, ord, nil
	if i := f.lateIndex(next.Gen); i >= 0 {
		f.pos = f.late[i]
		f.late = slices.Delete(f.late, i, i+1)
	}
	switch first := st.at(f.pos, 0); {
	case next.Gen.IsZero(): // what Pos says is still true
	case first != nil && first.ord < ord:
		f.stand = standBefore(st, ord)
	default:
		f.stand = Pos{}
	}
}

// standBefore is how the beginning of a later part of a generation is told from
// the end of the part before it, when nothing but the position is remembered: as
// the end of what came between the two.
func standBefore(st Stat, ord int64) (p Pos) {
	for _, g := range st.Old {
		if g.ord < ord && g.Size > g.From && g.Readable {
			p = Pos{g.ID, g.Size}
		}
	}
	return p
}

// after returns where the log goes on behind a generation; behind the zero one
// is the first.
func after(st Stat, left Pos, ord int64) (Pos, int64) {
	g := st.at(left, ord)
	if g != nil && g.End != nil && !g.End.Next.Gen.IsZero() {
		return g.End.Next, g.End.nextOrd
	}
	next := st.Current
	i := slices.Index(st.Old, g) + 1
	if i < len(st.Old) && (i > 0 || left.Gen.IsZero()) { // else it is forgotten, or the last
		next = st.Old[i]
	}
	if next == nil {
		return Pos{}, 0
	}
	return Pos{next.ID, next.From}, next.ord
}

// leave returns the end of g and moves on.
func (f *Follower) leave(g *Gen, st Stat) *Ended {
	e := *g.End
	e.At = g.Size
	off := f.pos.Off
	if off < g.Size { // not readable, else there would be a span
		e.Lost = Range{off, g.Size}
		f.lost(e.Lost.Len(), e.Reason)
	}
	if !g.Final {
		f.late = append(f.late, Pos{g.ID, max(off, g.Size)})
	}
	f.left, f.prev = Pos{g.ID, max(off, g.Size)}, g.ord
	st, e.Next, e.nextOrd = f.claim(st, func(st Stat) (Pos, int64) {
		if now := st.at(f.left, f.prev); now != nil && now.ord == g.ord && now.End != nil {
			return now.End.Next, now.End.nextOrd
		}
		return e.Next, e.nextOrd
	})
	f.enter(e.Next, e.nextOrd, st)
	if e.Next.Gen.IsZero() {
		f.tellOf(g.ord, math.MaxInt64)
	} else {
		f.tellOf(e.nextOrd, e.Next.Off)
	}
	return &e
}

func (f *Follower) forgotten(st Stat) *Ended {
	e := &Ended{Gen: f.pos.Gen, At: f.pos.Off, Reason: Forgotten}
	var ord int64
	if st.Current != nil {
		e.Next, ord = Pos{st.Current.ID, st.Current.From}, st.Current.ord
	}
	f.left, f.prev = f.pos, 0
	f.enter(e.Next, ord, st)
	return e
}

// lateSpan finds bytes of generations that were left already.
func (f *Follower) lateSpan(st Stat) (Span, bool) {
	if len(f.late) == 0 {
		return Span{}, false
	}
	f.late = slices.DeleteFunc(f.late, func(p Pos) bool {
		g := st.lateAt(p)
		return g == nil || !g.Readable || g.Final && g.Size <= p.Off
	})
	for i := range f.late {
		p := &f.late[i]
		if g := st.lateAt(*p); g.Size > p.Off {
			f.span = p
			return Span{Gen: p.Gen, Off: p.Off, N: g.Size - p.Off, Late: true}, true
		}
	}
	return Span{}, false
}

// Advance moves past n bytes of the span that Next returned last.
func (f *Follower) Advance(n int64) {
	f.span.Off += n
	if f.span != &f.pos {
		return
	}
	f.stand = Pos{}
	if f.on != nil {
		f.on.off.Store(f.pos.Off)
	}
}

// Read waits for bytes, reads some into p, checked, and moves past them.
func (f *Follower) Read(ctx context.Context, p []byte) (Span, error) {
	for {
		span, err := f.Next(ctx)
		if err != nil {
			return Span{}, err
		}
		n, err := f.src.ReadAt(ctx, p[:min(int64(len(p)), span.N)], Pos{span.Gen, span.Off})
		switch {
		case err == nil:
			f.Advance(int64(n))
			span.N = int64(n)
			return span, nil
		case errors.Is(err, io.EOF), errors.Is(err, ErrEnded):
			continue // what Next saw is no longer so: ask again
		default:
			return Span{}, err
		}
	}
}

// Pos returns where the follower stands: between two generations, in the
// earlier one. The Gen is zero while it waits for the first.
func (f *Follower) Pos() Pos {
	p := f.stand
	if p.Gen.IsZero() {
		p = f.pos
	}
	if p.Gen.IsZero() {
		p = f.left
	}
	if i := f.lateIndex(p.Gen); i >= 0 {
		return f.late[i]
	}
	return p
}

// Late returns where the follower stands in generations it has left but whose
// files may still grow, the one that Pos names aside.
func (f *Follower) Late() []Pos {
	at := f.Pos()
	return slices.DeleteFunc(slices.Clone(f.late), func(p Pos) bool { return p.Gen == at.Gen })
}

func (f *Follower) lateIndex(gen GenID) int {
	return slices.IndexFunc(f.late, func(p Pos) bool { return p.Gen == gen })
}

// Close gives up what was kept readable.
func (f *Follower) Close() {
	if f.on != nil {
		f.src.(*Log).unregister(f.on)
		f.on = nil
	}
}

// tell notes our position for the Log.
func (f *Follower) tell(st Stat) {
	if g := st.at(f.pos, f.ord); g != nil {
		f.tellOf(g.ord, f.pos.Off)
	}
}

func (f *Follower) tellOf(ord, off int64) {
	if f.on != nil {
		f.on.off.Store(off)
		f.on.ord.Store(ord)
	}
}

func (f *Follower) lost(n int64, why Reason) {
	if l, ok := f.src.(*Log); ok {
		l.set.stats.lost(why, n)
	}
}

// register makes room for a follower's position. Until it has one, it needs
// all that comes.
func (l *Log) register() *interest {
	l.mu.Lock()
	defer l.mu.Unlock()
	in := &interest{}
	in.ord.Store(l.lastOrd)
	l.followers = append(l.followers, in)
	return in
}

func (l *Log) unregister(in *interest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.followers = slices.DeleteFunc(l.followers, func(f *interest) bool { return f == in })
	l.begun = max(l.begun, in.ord.Load())
}

// hold opens what a follower has still to read: from now on it may be unlinked.
func (l *Log) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range append(slices.Clone(l.old), l.cur) {
		if g == nil || !g.pub.Readable || !l.needs(g) {
			continue
		}
		if h, err := l.open(g, true); err == nil {
			h.release()
		}
	}
}

// wanted says that somebody reads this log.
func (l *Log) wanted() bool { return len(l.followers) > 0 || l.awaited() }

// needs says whether a follower has bytes of g still to read.
func (l *Log) needs(g *generation) bool {
	for _, in := range l.followers {
		if ord := in.ord.Load(); ord < g.pub.ord || ord == g.pub.ord && in.off.Load() < g.pub.Size {
			return true
		}
	}
	return false
}

func (l *Log) isNeeded(g *generation) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.needs(g)
}

// hasBegun says whether a follower stands in g, or beyond it, or has done so and
// may go on there.
func (l *Log) hasBegun(g *generation) bool {
	if l.begun >= g.pub.ord {
		return true
	}
	for _, in := range l.followers {
		if in.ord.Load() >= g.pub.ord {
			return true
		}
	}
	return false
}

// behind says whether a follower stands at or before generation ord.
func (l *Log) behind(ord int64) bool {
	for _, in := range l.followers {
		if in.ord.Load() <= ord {
			return true
		}
	}
	return false
}
