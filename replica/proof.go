package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"fairlead/logfile"
)

// A task is what is to be found out by reading a file. Its result counts as long as
// it is its channel's task.
type task struct {
	of     *channel
	kind   taskKind
	n      int64
	proof  Hash
	sealed bool // the copy has n bytes, and gets no more
	list   []known
}

type taskKind uint8

const (
	_        taskKind = iota
	tryProof          // are the receiver's bytes those that the file begins with?
	tryKnown          // is the file one that the receiver knows?
	tryCopy           // is the copy that it is read from now what was sent?
)

// prove has a task done for a channel. s.mu is held.
func (s *Source) prove(c *channel, t *task) {
	t.of = c
	c.state, c.task = proving, t
	s.proofs.push(t)
	tell(s.work)
}

// Prove does the next task that takes reading. It returns false if there is none.
// It may be called by several goroutines.
func (s *Source) Prove(ctx context.Context) bool {
	s.setup()
	s.mu.Lock()
	t := s.proofs.pop()
	for t != nil && t.of.task != t {
		t = s.proofs.pop()
	}
	if t == nil {
		s.mu.Unlock()
		return false
	}
	c := t.of
	r := rehash{file: c.file, remembered: s.Leaves}
	if c.tree != nil {
		r.leaves = c.tree.Leaves()
		if t.kind == tryProof && c.tree.N() == t.n && c.tree.Proof() == t.proof {
			r.tree = c.tree
		}
	}
	adopted := c.adopted
	if len(s.proofs.list) > 0 {
		tell(s.work)
	}
	s.mu.Unlock()
	switch t.kind {
	case tryProof:
		s.proved(ctx, c, t, &r, adopted)
	case tryKnown:
		s.tried(ctx, c, t, &r)
	case tryCopy:
		s.copied(ctx, c, t, &r)
	}
	return true
}

// settle locks s.mu and says whether a task's result is still asked for: it is its
// channel's no more. When ctx has ended there may be none.
func (s *Source) settle(ctx context.Context, c *channel, t *task) bool {
	s.mu.Lock()
	if ctx.Err() != nil || !s.up || c.task != t || s.byID[c.id] != c {
		return false
	}
	c.task = nil
	return true
}

// proved is for an AT. adopted: the copy that the file is read from was proven.
func (s *Source) proved(ctx context.Context, c *channel, t *task, r *rehash, adopted bool) {
	st := c.file.Stat()
	if st.Adopted && !adopted {
		r.forget()
	}
	tree, same, err := r.prove(ctx, t.n, t.proof, st.Size)
	wanted := s.settle(ctx, c, t)
	defer s.mu.Unlock()
	if !wanted {
		return
	}
	c.size = st.Size
	switch {
	case errors.Is(err, logfile.ErrEnded):
		s.finishUnread(c, t, st)
	case err != nil:
		s.rest(c, time.Second, err)
	case !same && st.Adopted && !adopted:
		s.finishUnread(c, t, st) // what was found beside it is not its copy
	case !same && st.Final && !st.Readable:
		s.finishUnread(c, t, st) // the copy has more than we knew of
	case !same && t.sealed:
		s.again(c)
	case !same:
		s.part(c, t.n, st)
	default:
		c.tree, c.sent, c.state, c.complete = tree, t.n, flowing, t.sealed
		c.trouble.passed()
		c.adopted = st.Adopted // the proof was of the file as it is now
		s.flow(c, st)
		if t.n > 0 {
			s.resumes++
		}
	}
}

// finishUnread ends a copy whose source is gone. Nothing of it can be sent any more,
// so nothing has to be proven.
func (s *Source) finishUnread(c *channel, t *task, st FileStat) {
	if t.sealed {
		c.seal = &Seal{N: t.n, Proof: t.proof, Size: max(st.Size, t.n), Reason: lostReason(st)}
		s.done(c)
		return
	}
	if st.Size > t.n {
		s.note(Event{Kind: Pending, File: c.file, Gen: c.gen, Seal: Seal{N: t.n, Size: st.Size, Reason: lostReason(st)}})
	}
	s.finish(c, Seal{N: t.n, Proof: t.proof, Size: max(st.Size, t.n), Reason: lostReason(st)})
}

// tried is for a KNOWN: the first copy that is what the file begins with is the
// file's.
func (s *Source) tried(ctx context.Context, c *channel, t *task, r *rehash) {
	st := c.file.Stat()
	var found *known
	var err error
	asked := true // what each copy is of is known
	for i := range t.list {
		k := &t.list[i]
		if k.n > st.Size {
			continue
		}
		switch s.useOf(k.gen) {
		case used:
			continue
		case unasked:
			asked = false
			continue
		}
		var same bool
		if _, same, err = r.prove(ctx, k.n, k.proof, st.Size); err != nil {
			break
		}
		if same {
			found = k
			break
		}
	}
	wanted := s.settle(ctx, c, t)
	defer s.mu.Unlock()
	switch {
	case !wanted:
		return
	case err != nil && !errors.Is(err, logfile.ErrEnded):
		s.rest(c, time.Second, err)
		return
	case found == nil && !asked:
		s.pause(c, time.Second)
		return
	case found != nil && s.use(found.gen) == free:
		s.call(c, found.gen)
		s.note(Event{Kind: Found, File: c.file, Gen: c.gen})
		s.note(Event{Kind: Called, File: c.file, Gen: c.gen})
	default:
		if c.tested { // it asks once more: it has given up that id
			s.call(c, s.NewGen())
			s.note(Event{Kind: Called, File: c.file, Gen: c.gen})
		}
		c.tested = true
	}
	c.reset(closed)
	s.hint(c)
}

// A use is what is known of a copy's id here.
type use uint8

const (
	free    use = iota // no file needs it
	unasked            // one may: it was not looked at yet
	used               // one continues it
)

func (s *Source) useOf(gen logfile.GenID) use {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.use(gen)
}

// use is useOf. s.mu is held.
func (s *Source) use(gen logfile.GenID) use {
	c := s.byCopy[gen]
	switch {
	case c == nil || c.yields && (c.state == busy || c.state == closed):
		return free
	case c.tree == nil && c.state == closed:
		return unasked
	}
	return used
}

// copied is for bytes that are read from a copy of the file from now on. What was
// read and not sent is of no account: what was sent is.
func (s *Source) copied(ctx context.Context, c *channel, t *task, r *rehash) {
	r.forget()
	st := c.file.Stat()
	tree, same, err := r.prove(ctx, t.n, t.proof, st.Size)
	wanted := s.settle(ctx, c, t)
	defer s.mu.Unlock()
	switch {
	case !wanted:
		return
	case err != nil && !errors.Is(err, logfile.ErrEnded):
		s.rest(c, time.Second, err)
		return
	case err == nil && same:
		c.tree, c.adopted = tree, true
		c.state = flowing
	default:
		c.state = flowing
		s.lose(c, st)
		return
	}
	s.flow(c, st)
}

// A rehash hashes what a file begins with.
type rehash struct {
	file       File
	remembered Leaves
	leaves     []Hash // of the first bytes, as they were read before
	tree       *Tree  // of what is to be proven, if it is as it was sent
	own        int    // how many of leaves were read here
	buf        []byte
}

// forget has all read from the file as it is now.
func (r *rehash) forget() { r.leaves, r.tree, r.remembered = nil, nil, noLeaves{} }

// prove says whether the first n bytes have a proof, and returns their tree. Where
// what is remembered says no it reads all of them.
func (r *rehash) prove(ctx context.Context, n int64, proof Hash, size int64) (tree *Tree, same bool, err error) {
	if n == 0 {
		return new(Tree), proof == Proof(nil, emptyHash, 0), nil
	}
	if r.tree != nil {
		return r.tree, true, nil // the file need not be there any more
	}
	if n > size {
		return nil, false, nil
	}
	if need := int(n / LeafSize); len(r.leaves) < need {
		if known := r.remembered.Load(r.file.Gen()); len(known) > len(r.leaves) {
			r.leaves = known
		}
	}
	for {
		if tree, err = r.read(ctx, n); err != nil {
			return nil, false, err
		}
		if tree.Proof() == proof {
			return tree, true, nil
		}
		if r.own >= int(n/LeafSize) {
			return nil, false, nil
		}
		r.leaves, r.own = nil, 0
	}
}

// read returns the tree of the first n bytes.
func (r *rehash) read(ctx context.Context, n int64) (*Tree, error) {
	full := min(int(n/LeafSize), len(r.leaves))
	tree := NewTree(slices.Clone(r.leaves[:full]), nil)
	if r.buf == nil {
		r.buf = make([]byte, MaxPiece)
	}
	began := r.own
	for tree.N() < n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m, err := r.file.ReadAt(r.buf[:min(int64(len(r.buf)), n-tree.N())], tree.N())
		if m == 0 {
			if err == nil || err == io.EOF {
				err = fmt.Errorf("it ends at %d: %w", tree.N(), io.ErrUnexpectedEOF)
			}
			return nil, err
		}
		tree.Write(r.buf[:m])
	}
	if all := tree.Leaves(); len(all) > full {
		r.own = began + len(all) - full
		r.leaves = all[:len(all):len(all)]
		r.remembered.Keep(r.file.Gen(), full, all[full:])
	}
	return tree, nil
}
