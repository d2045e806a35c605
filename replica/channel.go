package replica

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"fairlead/logfile"
)

// A state is that of a channel at the sender:
//
//	closed → opening → proving → flowing → sealing → gone
//
// with busy, from where it is closed again when its time has come. A connection
// that ends makes each closed.
type state uint8

const (
	closed  state = iota
	opening       // OPEN was sent
	proving       // what the receiver says is looked at
	flowing       // all is proven that was sent
	sealing       // SEAL was sent
	busy          // it waits for a time
)

func (s state) String() string {
	return [...]string{"closed", "opening", "proving", "flowing", "sealing", "busy"}[s]
}

// A channel sends one file. The Source's mutex guards it, but for tree, which Next
// alone uses while the state is flowing, and Prove while it is proving.
type channel struct {
	file  File
	id    uint32
	gen   logfile.GenID // what the receiver knows it by
	state state
	path  []string // that the receiver knows
	tree  *Tree    // of what was read to be sent; nil: nothing was proven yet
	sent  int64
	acked int64 // durable at the receiver

	tested   bool // all that the receiver knows under the path is not it
	ended    bool // the receiver knows that it left its path
	adopted  bool // the copy that it is read from was proven
	apart    bool // SEAL said that the receiver has other bytes
	complete bool // the copy is sealed: it gets no more
	listed   bool // in ready
	yields   bool // it is gone, and nothing was proven: its copy may be another's
	orphan   bool // and was, before it came

	task    *task    // what is to be found out while the state is proving
	seal    *Seal    // what it is ended with
	trouble *trouble // why it has to wait; nil: it need not

	size   int64     // as last seen
	lost   bool      // what is behind sent cannot be read any more
	behind time.Time // since when something is not acknowledged
	mark   int64     // behind is gone when so much is
}

// A trouble is what came to nothing. Few of many channels have one.
type trouble struct {
	until time.Time // when it is tried again
	tries int       // in a row
	err   error     // the last
}

// last is the error, nil if there is none.
func (t *trouble) last() error {
	if t == nil {
		return nil
	}
	return t.err
}

// passed forgets the error, but not how often it came.
func (t *trouble) passed() {
	if t != nil {
		t.err = nil
	}
}

// reset is what a connection that ended leaves of a channel.
func (c *channel) reset(to state) {
	c.state, c.ended, c.apart, c.complete, c.task = to, false, false, false, nil
}

// A queue has each wait for its turn.
type queue[T any] struct{ list []*T }

func (q *queue[T]) push(x *T) { q.list = append(q.list, x) }

// pop returns nil if nobody waits.
func (q *queue[T]) pop() *T {
	if len(q.list) == 0 {
		return nil
	}
	x := q.list[0]
	q.list[0] = nil
	if q.list = q.list[1:]; len(q.list) == 0 {
		q.list = nil
	}
	return x
}

const (
	// full is how much Next gathers before it returns.
	full = MaxPiece
	// lookAt is how many files with news are looked at between two pieces: what is
	// written to without end must not keep others from being sent.
	lookAt = 256
)

// Next appends what is to be sent to b, and returns it as it came if there is
// nothing. An error says that the connection ends behind it. It is called by one
// goroutine at a time.
func (s *Source) Next(b []byte) ([]byte, error) {
	s.setup()
	start := len(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		looked := false
		if s.up && s.over == nil {
			looked = s.lookAround()
		}
		b = append(b, s.out...)
		if s.out = s.out[:0]; cap(s.out) > full {
			s.out = nil
		}
		if s.over != nil || !s.up {
			return b, s.over
		}
		if len(b)-start >= full {
			tell(s.wake)
			return b, nil
		}
		c := s.ready.pop()
		switch {
		case c != nil:
			c.listed = false
			b = s.piece(b, c)
		case !looked:
			return b, nil
		}
	}
}

// lookAround looks at files that there may be news of, and says whether there were.
func (s *Source) lookAround() bool {
	gens := s.hints.take(lookAt)
	for _, gen := range gens {
		if c := s.byGen[gen]; c != nil {
			s.look(c)
		}
	}
	return len(gens) > 0
}

// look does for a channel what its file's news ask for.
func (s *Source) look(c *channel) {
	state := c.state
	s.mu.Unlock()
	st := c.file.Stat()
	var head Head
	if state == closed && c.tree == nil {
		head = headOf(c.file, st.Size)
	}
	s.mu.Lock()
	if !s.up || c.state != state || s.byID[c.id] != c {
		return
	}
	c.size = st.Size
	switch state {
	case closed:
		if c.tree == nil && st.Final && !st.Readable && !s.mayClaim(c) {
			return
		}
		s.open(c, st, head)
	case busy:
		if _, rests := s.resting[c]; !rests {
			c.state = closed
			s.hint(c)
		}
	case flowing:
		s.flow(c, st)
	}
}

// yieldFor is how long a file that is gone lets others have its copy.
const yieldFor = 2 * time.Second

// mayClaim says whether a file that is gone may have the copy of its id. A process
// that was killed may have had no time to write down which file an id was given to:
// then another file, which is still there, has the bytes of the copy and a new id. So
// that one goes first, and takes the copy if it is its.
func (s *Source) mayClaim(c *channel) bool {
	if c.orphan || s.byCopy[c.gen] != c {
		c.seal = new(Seal)
		s.done(c)
		return false
	}
	others := !c.yields
	for _, o := range s.byID {
		others = others || !o.yields && (o.state == closed || o.state == opening || o.state == proving)
	}
	if c.yields = true; others {
		s.pause(c, yieldFor)
	}
	return !others
}

func headOf(f File, size int64) (h Head) {
	buf := make([]byte, min(size, HeadSize))
	for h.N < int64(len(buf)) {
		n, err := f.ReadAt(buf[h.N:], h.N)
		if h.N += int64(n); err != nil || n == 0 {
			return Head{}
		}
	}
	return Head{h.N, sum(buf)}
}

// open asks the receiver what it has.
func (s *Source) open(c *channel, st FileStat, head Head) {
	c.path = st.Path
	if err := checkNames(st.Path); err != nil {
		s.rest(c, refusedFor, err)
		return
	}
	o := offer{gen: c.gen, size: st.Size, modified: st.Modified, head: head, path: st.Path}
	var flags uint8
	if st.Ended {
		flags |= flagEnded
	}
	if c.tested {
		flags |= flagTested
	}
	c.state, c.ended = opening, st.Ended
	s.put(o.frame(c.id, flags))
}

// at is the receiver's answer: it has n bytes, and a proof of them.
func (s *Source) at(c *channel, n int64, proof Hash, sealed bool) {
	c.acked = n
	s.prove(c, &task{kind: tryProof, n: n, proof: proof, sealed: sealed})
}

// flow sends what there is, and then the seal.
func (s *Source) flow(c *channel, st FileStat) {
	if !slices.Equal(c.path, st.Path) {
		c.reset(closed)
		s.hint(c)
		return
	}
	sent := c.sent
	if st.Ended && !c.ended {
		c.ended = true
		s.put(endedFrame(c.id, st.Modified))
	}
	if st.Size <= c.acked {
		c.behind = time.Time{}
	} else if c.behind.IsZero() {
		c.behind, c.mark = s.Now(), st.Size
	}
	switch {
	case c.complete && st.Size > sent && st.Readable:
		s.again(c)
	case c.complete:
		if st.Final {
			c.seal = &Seal{N: sent, Proof: c.tree.Proof(), Size: max(st.Size, sent), Reason: lostReason(st)}
			s.done(c)
		}
	case st.Adopted && !c.adopted && sent > 0 && !c.lost:
		s.prove(c, &task{kind: tryCopy, n: sent, proof: c.tree.Proof()})
	case c.lost:
		if c.acked == sent {
			s.finish(c, Seal{N: sent, Proof: c.tree.Proof(), Size: max(st.Size, sent), Reason: lostReason(st)})
		}
	case st.Size > sent && (st.Readable || !st.Final):
		if !c.listed {
			c.listed = true
			s.ready.push(c)
		}
		tell(s.wake)
	case st.Size > sent:
		s.lose(c, st)
	case st.Final && c.acked == sent:
		s.finish(c, Seal{N: sent, Proof: c.tree.Proof(), Size: sent, Reason: lostReason(st)})
	}
}

func lostReason(st FileStat) Reason {
	if st.Reason == 0 {
		return Lost
	}
	return st.Reason
}

// lose notes that what is left of a file cannot be had any more.
func (s *Source) lose(c *channel, st FileStat) {
	c.lost = true
	s.note(Event{Kind: Pending, File: c.file, Gen: c.gen, Seal: Seal{N: c.sent, Size: max(st.Size, c.sent), Reason: lostReason(st)}})
	s.flow(c, st)
}

// finish seals.
func (s *Source) finish(c *channel, seal Seal) {
	c.seal, c.state = &seal, sealing
	s.put(sealFrame(c.id, 0, seal))
}

// part gives up what the receiver has of a file: it is not what the file begins
// with. Another copy is begun when it has heard.
func (s *Source) part(c *channel, n int64, st FileStat) {
	reason := Changed
	if st.Size < n {
		reason = Regressed
	}
	c.seal, c.state, c.apart = &Seal{N: n, Size: st.Size, Reason: reason}, sealing, true
	s.put(sealFrame(c.id, flagDiverged, *c.seal))
}

// sealed is the receiver's word that a copy is ended for good.
func (s *Source) sealed(c *channel) {
	if c.apart {
		s.note(Event{Kind: Apart, File: c.file, Gen: c.gen, Seal: *c.seal})
		s.again(c)
		return
	}
	s.done(c)
}

// again asks for a copy of another id, which the receiver may have of an earlier
// time.
func (s *Source) again(c *channel) {
	c.reset(closed)
	s.call(c, s.NewGen())
	s.note(Event{Kind: Called, File: c.file, Gen: c.gen})
	c.tested, c.tree = false, nil
	s.hint(c)
}

// call gives a channel the id that the receiver knows its file by.
func (s *Source) call(c *channel, gen logfile.GenID) {
	if s.byCopy[c.gen] == c {
		delete(s.byCopy, c.gen)
	}
	c.gen, c.sent, c.acked, s.byCopy[gen] = gen, 0, 0, c
}

// done forgets a file: the receiver has it, and it will not grow.
func (s *Source) done(c *channel) {
	s.note(Event{Kind: Done, File: c.file, Gen: c.gen, Seal: *c.seal})
	s.Leaves.Drop(c.file.Gen())
	delete(s.byGen, c.file.Gen())
	if s.byCopy[c.gen] == c {
		delete(s.byCopy, c.gen)
	}
	delete(s.byID, c.id)
	delete(s.resting, c)
}

// note keeps an event until it is asked for.
func (s *Source) note(e Event) {
	if e.Kind == Apart {
		s.divergences++
	}
	s.events = append(s.events, e)
	tell(s.wake)
}

// pause leaves a channel alone for a while.
func (s *Source) pause(c *channel, d time.Duration) *trouble {
	c.reset(busy)
	if c.trouble == nil {
		c.trouble = new(trouble)
	}
	c.trouble.until = s.Now().Add(d)
	s.resting[c] = struct{}{}
	return c.trouble
}

// rest does so because something is in the way; longer each time.
func (s *Source) rest(c *channel, d time.Duration, err error) {
	t := s.pause(c, 0)
	t.tries++
	t.until = t.until.Add(min(d<<min(t.tries-1, 6), max(d, time.Minute)))
	if t.err == nil || t.err.Error() != err.Error() {
		t.err = err
		s.note(Event{Kind: Stuck, File: c.file, Gen: c.gen, Err: err})
	}
}

// refusedFor is how long a file is left alone that the receiver will not take.
const refusedFor = 5 * time.Minute

// rejected is a REJECT of a channel.
func (s *Source) rejected(c *channel, code Code, text string) {
	err := &PeerError{code, text}
	switch {
	case c.state == closed:
	case code == CodeRefused || code == CodeFailed:
		s.rest(c, refusedFor, err)
	default:
		s.rest(c, time.Second, err)
	}
}

// acked is what is durable of a channel.
func (s *Source) acked(ch uint32, n int64) {
	c := s.byID[ch]
	if c == nil || n <= c.acked || n > c.sent || c.state != flowing && (c.state != proving || c.task.kind != tryCopy) {
		return
	}
	s.total += n - c.acked
	c.acked, c.trouble = n, nil
	if n >= c.mark {
		if c.behind = (time.Time{}); n < c.size {
			c.behind, c.mark = s.Now(), c.size
		}
	}
	if n == c.sent && (n >= c.size || c.lost) {
		s.hint(c) // it may be to be sealed
	}
}

// piece appends a DATA of a channel whose turn it is.
func (s *Source) piece(b []byte, c *channel) []byte {
	if c.state != flowing {
		return b
	}
	off := c.sent
	want := min(c.size-off, MaxPiece, c.tree.Room())
	if want <= 0 {
		return b
	}
	before := len(b)
	z := s.z
	if !s.compress || s.features&FeatureZstd == 0 {
		z = nil
	} else if z == nil {
		z = newCompressor()
		s.z = z
	}
	tree := c.tree
	s.mu.Unlock()
	b, p := beginData(b, int(want))
	n, err := c.file.ReadAt(p, off)
	st := c.file.Stat()
	valid := n > 0 && (c.adopted || !st.Adopted || off == 0)
	if valid {
		b = appendPiece(b[:len(b)-len(p)+n], before, c.id, tree, off, n, z)
		if tree.N()%LeafSize == 0 {
			leaves := tree.Leaves()
			s.Leaves.Keep(c.file.Gen(), len(leaves)-1, leaves[len(leaves)-1:])
		}
	}
	s.mu.Lock()
	switch {
	case c.state != flowing || c.tree != tree || !s.up:
		return b[:before]
	case valid:
		c.sent = off + int64(n)
	default:
		b = b[:before]
		s.unread(c, n, err, st)
	}
	if c.size = st.Size; c.state == flowing {
		s.flow(c, st)
	}
	return b
}

// appendPiece finishes a DATA of n bytes, which are hashed, at the end of b.
func appendPiece(b []byte, start int, ch uint32, tree *Tree, off int64, n int, z *compressor) []byte {
	tree.Write(b[len(b)-n:])
	var leaf *Hash
	if tree.N()%LeafSize == 0 {
		leaves := tree.Leaves()
		leaf = &leaves[len(leaves)-1]
	}
	return endData(b, start, ch, off, leaf, z)
}

// unread is for bytes that could not be read, although they were said to be there.
func (s *Source) unread(c *channel, n int, err error, st FileStat) {
	switch {
	case n > 0: // from a copy that has to be proven first
	case errors.Is(err, logfile.ErrEnded):
		s.lose(c, st)
	default:
		s.rest(c, time.Second, fmt.Errorf("read %s at %d: %w", c.gen.Short(), c.sent, cmp.Or(err, io.ErrNoProgress)))
	}
}
