package spool

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
)

// What is kept unless Options say otherwise.
const (
	DefaultBudget int64 = 1 << 30  // bytes on disk
	DefaultMemory int64 = 64 << 20 // bytes in memory
	MaxSegment    int64 = 64 << 20 // bytes of a segment
)

// Options say where a spool is and how much it keeps. The zero value keeps
// DefaultMemory in memory.
type Options struct {
	Dir     string        // made with mode 0700 if it is missing; empty: in memory
	Budget  int64         // bytes kept; 0: DefaultBudget, in memory DefaultMemory
	Segment int64         // a segment of so many bytes is followed by another; 0: Budget/16, at most MaxSegment
	Boot    string        // names this boot of the machine; empty: the kernel's name for it, or a fresh one where it has none
	Mark    func() []byte // what is kept beside a segment that begins; called by Append and Note, nil: nothing
}

func (o Options) filled() Options {
	if o.Budget <= 0 {
		o.Budget = DefaultBudget
		if o.Dir == "" {
			o.Budget = DefaultMemory
		}
	}
	if o.Segment <= 0 {
		o.Segment = max(1, min(o.Budget/16, MaxSegment))
	}
	if o.Boot == "" {
		o.Boot = thisBoot()
	}
	return o
}

// marksBudget is how much the .pos files of dropped segments may take, with all
// others.
func (o Options) marksBudget() int64 { return max(1<<20, o.Budget/16) }

// A Spool has one writer: calls of Append, Note and Close come one after the
// other. All else may be called by anyone at any time.
type Spool struct {
	o     Options
	epoch Epoch
	aside int

	start, end atomic.Int64
	wake       atomic.Pointer[chan struct{}]

	write sync.Mutex // held by the writer
	sync  sync.Mutex // held while something is made durable

	mu       sync.RWMutex // guards what follows, and what it says at Segment and mark; only the writer changes segs and marks
	segs     []*Segment   // oldest first
	marks    []*mark      // in the order they were made
	seq      uint64       // of the newest mark
	pinned   []*Segment   // dropped and still held, oldest first
	expiries int64
	previous *Segment
	asked    bool // for previous
	writing  bool // the epoch has a mark: it goes on when the spool is opened again
	closed   bool
	syncDir  bool // it is to be made durable that files are there
	unsound  bool // that failed
	syncErrs int64
	syncErr  error
	work     chan struct{} // tells Run that there is something to sync
}

// Epoch returns the epoch in which it is written.
func (s *Spool) Epoch() Epoch { return s.epoch }

// Start returns the oldest offset that is kept.
func (s *Spool) Start() int64 { return s.start.Load() }

// End returns the offset of the next byte.
func (s *Spool) End() int64 { return s.end.Load() }

// Changed returns a channel that is closed at the next Append, and at Close.
func (s *Spool) Changed() <-chan struct{} {
	for {
		if c := s.wake.Load(); c != nil {
			return *c
		}
		c := make(chan struct{})
		if s.wake.CompareAndSwap(nil, &c) {
			return c
		}
	}
}

// Append adds whole records, which readers see when it returns; they are in one
// segment. After an error nothing was added, and it may be tried again.
func (s *Spool) Append(p []byte) error {
	s.write.Lock()
	defer s.write.Unlock()
	if s.closed {
		return fmt.Errorf("append: %w", ErrClosed)
	}
	if len(p) == 0 {
		return nil
	}
	g, err := s.room(len(p))
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	off := g.End()
	if _, err := g.out.WriteAt(p, off-g.base); err != nil {
		s.cut(g)
		return fmt.Errorf("append at %d: %w", off, err)
	}
	off += int64(len(p))
	g.end.Store(off)
	s.end.Store(off)
	if off-s.Start() > s.o.Budget && len(s.segs) > 1 {
		s.drop()
		s.dropMarks()
	}
	if off-g.base >= s.o.Segment {
		s.seal(g)
	}
	if c := s.wake.Swap(nil); c != nil {
		close(*c)
	}
	return nil
}

// room returns the newest segment, or another one if that has no room for n
// bytes.
func (s *Spool) room(n int) (*Segment, error) {
	if len(s.segs) > 0 {
		g := s.segs[len(s.segs)-1]
		if g.torn {
			if err := g.out.Truncate(0); err != nil {
				return nil, fmt.Errorf("cut off a failed write: %w", err)
			}
			g.torn = false
		}
		switch size := g.End() - g.base; {
		case g.mem == nil || size+int64(n) <= int64(len(g.mem)):
		case size == 0: // the next one would have its base
			g.mem = make(memory, n)
			g.out = g.mem
		default:
			s.seal(g)
		}
		if !g.Sealed() {
			return g, nil
		}
	}
	return s.begin(n)
}

// cut cuts off what a failed write may have left behind the end. If it cannot,
// the segment is sealed, and the base of the next one says where it ends; an
// empty one stays, since the next would have its name.
func (s *Spool) cut(g *Segment) {
	n := g.End() - g.base
	if err := g.out.Truncate(n); err == nil {
		return
	}
	if n == 0 {
		g.torn = true
		return
	}
	s.seal(g)
}

func (s *Spool) seal(g *Segment) {
	g.sealed.Store(true)
	s.mu.Lock()
	g.syncSeg = g.path != ""
	s.mu.Unlock()
	s.kick()
}

// begin makes another segment, for n bytes at least.
func (s *Spool) begin(n int) (*Segment, error) {
	var text []byte
	if s.o.Mark != nil {
		text = s.o.Mark()
	}
	base := s.End()
	h := header{epoch: s.epoch, base: base, seq: s.seq + 1, text: int64(len(text)), boot: s.o.Boot}
	m := &mark{header: h, raw: encodeMark(h, text)}
	m.size = int64(len(m.raw))
	g := &Segment{s: s, mark: m, base: base, expired: make(chan struct{}), ours: true}
	if s.o.Dir == "" {
		g.mem = make(memory, max(s.o.Segment, int64(n)))
		g.out = g.mem
	} else if err := s.create(g); err != nil {
		return nil, err
	}
	g.end.Store(base)
	g.refs.Store(1)

	s.mu.Lock()
	if n := len(s.segs); n > 0 && g.path != "" {
		s.segs[n-1].syncPos = true // and then closed
	}
	g.syncPos = g.path != ""
	s.syncDir = g.path != ""
	s.segs = append(s.segs, g)
	s.marks = append(s.marks, m)
	s.seq++
	s.writing = true
	done := func() {}
	if s.previous != nil {
		done = s.letGo(s.previous)
	}
	s.mu.Unlock()
	done()
	s.kick()
	s.dropMarks()
	return g, nil
}

// create makes the files of g, first the one of its mark.
func (s *Spool) create(g *Segment) error {
	m := g.mark
	name := filepath.Join(s.o.Dir, baseName(m.epoch, m.base))
	m.path, g.path = name+posExt, name+segExt
	pos, err := os.OpenFile(m.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("begin segment: %w", err)
	}
	undo := func(err error) error {
		pos.Close()
		os.Remove(m.path)
		return fmt.Errorf("begin segment: %w", err)
	}
	if _, err := pos.WriteAt(m.raw, 0); err != nil {
		return undo(err)
	}
	f, err := os.OpenFile(g.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return undo(err)
	}
	m.raw, m.out = nil, pos
	g.f, g.out = f, f
	return nil
}

// Note adds b to what is kept beside the newest segment, and begins the first
// one if there is none. It is no more durable than what is appended.
func (s *Spool) Note(b []byte) error {
	s.write.Lock()
	defer s.write.Unlock()
	if s.closed {
		return fmt.Errorf("note: %w", ErrClosed)
	}
	if len(s.segs) == 0 {
		if _, err := s.begin(0); err != nil {
			return fmt.Errorf("note: %w", err)
		}
	}
	m := s.segs[len(s.segs)-1].mark
	frame := encodeFrame(noteFrame, b)
	if m.path != "" {
		if _, err := m.out.WriteAt(frame, m.size); err != nil {
			m.out.Truncate(m.size) // if it cannot, the next note is written over it, and what it leaves is no frame
			return fmt.Errorf("note: %w", err)
		}
	}
	s.mu.Lock()
	if m.path == "" {
		m.raw = append(m.raw, frame...)
	}
	m.size += int64(len(frame))
	s.mu.Unlock()
	s.dropMarks()
	return nil
}

// dropMarks drops the oldest marks beyond their budget. Those of kept segments,
// or the newest, stay, and the one before.
func (s *Spool) dropMarks() {
	var total int64
	for _, m := range s.marks {
		total += m.size
	}
	needed := len(s.marks) - 1
	if len(s.segs) > 0 {
		needed = slices.Index(s.marks, s.segs[0].mark)
	}
	n := 0
	for ; n < needed-1 && total > s.o.marksBudget(); n++ {
		total -= s.marks[n].size
		if s.marks[n].path != "" {
			os.Remove(s.marks[n].path) // if it stays, Open drops it again
		}
	}
	if n > 0 {
		s.mu.Lock()
		s.marks = slices.Delete(s.marks, 0, n)
		s.mu.Unlock()
	}
}

// Previous returns the newest segment of the epoch that a power cut ended, cut
// to its last newline, nil if there is none or nothing is left of it. The caller
// releases it. When it has been released, or at Close, its file is removed; but
// not before something was written in the new epoch, so that a process that
// ends earlier finds it again.
func (s *Spool) Previous() *Segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.previous == nil || s.closed || s.open(s.previous) != nil {
		return nil
	}
	s.asked = true
	return s.previous
}

// Stats are numbers of a moment.
type Stats struct {
	Bytes    int64 // kept
	Start    int64
	End      int64
	Segments int
	Pinned   int64 // bytes of dropped segments that are still held
	Expired  int64 // segments whose readers were told to let go
	Aside    int   // segments that were not whole and were set aside by Open
	SyncErrs int64
	SyncErr  error // the last one
}

// Stats returns the numbers of now.
func (s *Spool) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := Stats{
		Start: s.Start(), End: s.End(), Segments: len(s.segs),
		Expired: s.expiries, Aside: s.aside, SyncErrs: s.syncErrs, SyncErr: s.syncErr,
	}
	st.Bytes = st.End - st.Start
	for _, g := range s.pinned {
		if g.refs.Load() > 0 {
			st.Pinned += g.End() - g.base
		}
	}
	return st
}
