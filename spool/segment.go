package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"
)

// A Gone error says that an offset was dropped.
type Gone struct {
	Start int64 // the oldest offset that is kept
}

func (e *Gone) Error() string { return fmt.Sprintf("dropped: the log begins at %d", e.Start) }

// ErrClosed is what is returned after Close.
var ErrClosed = errors.New("the spool is closed")

// A Segment is a part of the log that somebody holds. All who hold it share it;
// each releases it once.
type Segment struct {
	s    *Spool
	mark *mark
	base int64
	path string // empty in memory
	mem  memory // nil on disk

	end     atomic.Int64
	sealed  atomic.Bool
	refs    atomic.Int64  // it is raised from zero only under Spool.mu
	expired chan struct{} // nil if it never is

	f *os.File // open while somebody holds it; changed under Spool.mu while nobody does

	out  file // where the writer writes; changed by the writer alone
	torn bool // a failed write could not be cut off; the writer's

	// Guarded by Spool.mu.
	ours    bool // one of refs is the spool's own: it is written, or not yet durable
	dropped bool
	told    bool // expired is closed
	syncSeg bool // its bytes are to be made durable
	syncPos bool // its mark is
	unsound bool // that failed
}

// Base returns the offset of the first byte.
func (g *Segment) Base() int64 { return g.base }

// End returns the offset up to which it can be read now.
func (g *Segment) End() int64 { return g.end.Load() }

// Sealed says that nothing will be added any more. Ask it before End: the end of
// a segment that was sealed is final, while one may be sealed after End was
// asked, and have more.
//
// A reader at the end of a sealed segment releases it and acquires its offset
// again. It gets the next one, or, as long as nothing was appended, one that
// ends there; so it takes Changed before it looks, and waits if there is nothing.
func (g *Segment) Sealed() bool { return g.sealed.Load() }

// File returns the file, whose first byte has the offset Base. All readers share
// it, so it is used with explicit offsets only, and never beyond End. It is nil
// in memory, and where there is nothing to read because nothing was appended yet.
func (g *Segment) File() *os.File { return g.f }

// Bytes returns what can be read from off on, without copying it, of a segment
// in memory. It returns nil if there is nothing, or it is on disk.
func (g *Segment) Bytes(off int64) []byte {
	end := g.End()
	if off < g.base || off >= end || g.mem == nil { // in this order: an empty one may get more room
		return nil
	}
	return g.mem[off-g.base : end-g.base : end-g.base]
}

// ReadAt reads from off on, an offset of the spool. It returns io.EOF at End.
func (g *Segment) ReadAt(p []byte, off int64) (int, error) {
	end := g.End()
	switch {
	case off < g.base:
		return 0, fmt.Errorf("read segment at %d: it begins at %d", off, g.base)
	case off >= end:
		return 0, io.EOF
	}
	want := int(min(int64(len(p)), end-off))
	if g.mem != nil {
		copy(p[:want], g.mem[off-g.base:])
	} else if n, err := g.f.ReadAt(p[:want], off-g.base); n < want {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return n, fmt.Errorf("read segment at %d: %w", off+int64(n), err)
	}
	if want < len(p) {
		return want, io.EOF
	}
	return want, nil
}

// Expired is closed when the reader must let go: the segment was dropped, and
// with all else that was and is held it takes more than one budget. It can be
// read until it is released.
func (g *Segment) Expired() <-chan struct{} { return g.expired }

// Release gives it back.
func (g *Segment) Release() {
	switch n := g.refs.Add(-1); {
	case n < 0:
		panic("bug: a segment was released more often than acquired")
	case n == 0:
		g.s.mu.Lock()
		done := g.s.letGo(g)
		g.s.mu.Unlock()
		done()
	}
}

// hold adds a reader to those there are; not to none.
func (g *Segment) hold() bool {
	for {
		n := g.refs.Load()
		if n == 0 {
			return false
		}
		if g.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Acquire returns the segment that holds off, or, where off is the end, one
// that ends there; the caller releases it. It returns *Gone if off was dropped.
func (s *Spool) Acquire(off int64) (*Segment, error) {
	s.mu.RLock()
	g, err := s.find(off)
	if err != nil || g.hold() {
		s.mu.RUnlock()
		return g, err
	}
	s.mu.RUnlock()

	s.mu.Lock()
	defer s.mu.Unlock()
	if g, err = s.find(off); err != nil {
		return nil, err
	}
	if err := s.open(g); err != nil {
		return nil, err
	}
	return g, nil
}

// open adds a reader, to none as well. The caller holds mu, under which g is not
// dropped, so its file has its name.
func (s *Spool) open(g *Segment) error {
	if g.f == nil && g.path != "" {
		f, err := os.OpenFile(g.path, os.O_RDWR, 0) // to write: some systems sync nothing else
		if err != nil {
			return fmt.Errorf("open segment: %w", err)
		}
		g.f = f
	}
	g.refs.Add(1)
	return nil
}

// find returns the segment of off. The caller holds mu.
func (s *Spool) find(off int64) (*Segment, error) {
	switch start, end := s.Start(), s.End(); {
	case s.closed:
		return nil, fmt.Errorf("acquire %d: %w", off, ErrClosed)
	case off < 0 || off > end:
		return nil, fmt.Errorf("acquire %d: the log ends at %d", off, end)
	case off < start:
		return nil, fmt.Errorf("acquire %d: %w", off, &Gone{Start: start})
	case len(s.segs) == 0:
		g := &Segment{s: s, base: off}
		g.end.Store(off)
		g.sealed.Store(true)
		g.refs.Store(1) // what hold adds is the reader's; this one keeps it from being opened
		return g, nil
	}
	i, found := slices.BinarySearchFunc(s.segs, off, func(g *Segment, off int64) int {
		return int(max(-1, min(1, g.base-off)))
	})
	if !found {
		i--
	}
	return s.segs[i], nil
}

// drop drops the oldest segments beyond the budget. The newest is always kept.
func (s *Spool) drop() {
	var done []func()
	s.mu.Lock()
	n := 0
	for ; n < len(s.segs)-1 && s.End()-s.segs[n].base > s.o.Budget; n++ {
		g := s.segs[n]
		g.dropped = true
		s.pinned = append(s.pinned, g)
		done = append(done, s.disown(g))
		if out := g.mark.out; out != nil {
			g.mark.out = nil
			done = append(done, func() { out.Close() })
		}
	}
	dropped := slices.Clone(s.segs[:n])
	s.segs = slices.Delete(s.segs, 0, n)
	s.start.Store(s.segs[0].base)
	s.expire()
	s.mu.Unlock()

	for _, g := range dropped {
		if g.path != "" {
			os.Remove(g.path) // if it stays, Open drops it again
		}
	}
	for _, f := range done {
		f()
	}
}

// disown gives up the spool's own hold on g, if any. The caller holds mu, and
// calls what is returned without.
func (s *Spool) disown(g *Segment) (done func()) {
	if g.ours {
		g.ours = false
		g.refs.Add(-1)
	}
	return s.letGo(g)
}

// letGo does what is to be done when nobody holds g any more, also if it was
// done before. The caller holds mu, and calls what is returned without: closing
// the last descriptor of a file without a name frees its blocks.
func (s *Spool) letGo(g *Segment) (done func()) {
	if g.refs.Load() != 0 {
		return func() {}
	}
	f := g.f
	g.f = nil
	if g.dropped {
		s.pinned = slices.DeleteFunc(s.pinned, func(p *Segment) bool { return p == g })
	}
	remove := ""
	if g == s.previous && s.asked && s.writing {
		s.previous, remove = nil, g.path
	}
	return func() {
		if f != nil {
			f.Close()
		}
		if remove != "" {
			os.Remove(remove)
		}
	}
}

// expire tells the readers of the oldest dropped segments to let go, until the
// others fit in one budget. The caller holds mu.
func (s *Spool) expire() {
	n := int64(0)
	for _, g := range slices.Backward(s.pinned) {
		if g.told || g.refs.Load() == 0 {
			continue
		}
		if n += g.End() - g.base; n > s.o.Budget {
			g.told = true
			close(g.expired)
			s.expiries++
		}
	}
}
