package replica

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// A held is a copy that is written to, or is about to be. Of one copy there is one,
// and it has one writer.
type held struct {
	r  *Receiver
	id ID

	mu      sync.Mutex // guards what follows
	gone    bool       // not among the receiver's copies any more
	file    Copy       // nil: not open
	path    []string
	tree    *Tree // of what was written
	durable int64
	seal    *Update // to be committed when all before it is
	listed  bool    // among those to be committed
	busy    bool    // a commit uses file: it may not be closed
	broken  bool    // what is not durable of it is not to become so

	fresh bool // to be begun with the next commit, together with others

	owner   *Sink // who may write; nil: nobody
	ch      uint32
	waiting *request // an OPEN that is answered when all that was written is durable
}

// A request is an OPEN.
type request struct {
	sink *Sink
	ch   uint32
	offer
	ended, tested bool
	begun         bool // if there is no copy yet, Open has to begin it
}

// leftAt is when the file left its path, zero if it has not.
func (q *request) leftAt() time.Time {
	if !q.ended {
		return time.Time{}
	}
	return q.modified
}

// open answers a request, now or when what is in the way of it is done. h is
// locked.
func (h *held) open(q request) {
	if h.owner != nil {
		taken(h.owner, h.ch, q)
	}
	if h.waiting != nil {
		taken(h.waiting.sink, h.waiting.ch, q)
	}
	h.owner, h.waiting = nil, nil
	switch {
	case h.busy || h.listed:
		h.waiting = &q
		return
	case h.file != nil && (h.broken || !slices.Equal(h.path, q.path)):
		h.close()
	}
	var err error
	if h.file == nil {
		err = h.begin(q)
	} else {
		h.grant(q)
	}
	if err == nil && q.ended && h.owner != nil {
		err = h.end(q.modified)
	}
	if err != nil {
		h.deny(q.sink, q.ch, err)
	}
	h.release()
}

// taken tells who had a copy, or waited for it, that somebody else has it now.
func taken(s *Sink, ch uint32, by request) {
	if s != by.sink || ch != by.ch {
		s.put(busyFrame(ch, retryTaken, "another process sends this file"))
	}
}

// begin opens the file of a copy, or says what else there is to say.
func (h *held) begin(q request) error {
	store := h.r.Store
	rec, _, found, err := store.Find(h.id)
	switch {
	case err != nil:
		return stopping{err}
	case found && rec.State == Sealed:
		q.sink.put(atFrame(q.ch, flagSealed, rec.N, rec.Seal.Proof))
		return nil
	case found && rec.State == Pruned:
		q.sink.put(atFrame(q.ch, flagSealed|flagPruned, rec.N, rec.Seal.Proof))
		return nil
	case found && rec.State == Diverged, !found && !q.tested:
		list, err := h.candidates(q)
		if err != nil {
			return stopping{err}
		}
		if found || len(list) > 0 {
			q.sink.put(knownFrame(q.ch, list))
			return nil
		}
	}
	if !found && !q.begun {
		q.begun = true
		h.waiting, h.fresh = &q, true
		h.list()
		return nil
	}
	file, rec, leaves, err := store.Open(h.id, q.path, q.leftAt())
	if err != nil {
		return err
	}
	behind := rec.N - int64(len(leaves))*LeafSize
	if behind < 0 || behind >= LeafSize {
		file.Close()
		return fmt.Errorf("a copy of %d bytes has %d leaves", rec.N, len(leaves))
	}
	rest := make([]byte, behind)
	if n, err := file.ReadAt(rest, rec.N-int64(len(rest))); n < len(rest) {
		file.Close()
		return errors.Join(err, io.ErrUnexpectedEOF)
	}
	h.file, h.broken, h.path, h.tree, h.durable = file, false, q.path, NewTree(leaves, rest), rec.N
	h.grant(q)
	return nil
}

// candidates are the copies that could be of the generation that a sender does not
// know any more. One that is sealed gets no more, so it is not of a longer file.
func (h *held) candidates(q request) (list []known, err error) {
	if q.size == 0 {
		return nil, nil
	}
	recs, err := h.r.Store.Under(h.id.Sender, q.path, q.head, maxKnown)
	for _, rec := range recs {
		if rec.N == 0 || rec.Gen == h.id.Gen || rec.State == Sealed && rec.N != q.size {
			continue
		}
		_, leaves, ok, err := h.r.Store.Find(rec.ID)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, known{rec.Gen, rec.N, Proof(leaves, rec.Rest, rec.N)})
		}
	}
	return list, err
}

// grant makes a sink the writer. All that was written is durable.
func (h *held) grant(q request) {
	if q.sink.ended.Load() {
		return
	}
	h.owner, h.ch = q.sink, q.ch
	q.sink.put(atFrame(q.ch, 0, h.durable, h.tree.Proof()))
}

// stopping is an error after which it is not known what is durable.
type stopping struct{ error }

func (e stopping) Unwrap() error { return e.error }

// deny says why a channel gets nothing.
func (h *held) deny(s *Sink, ch uint32, err error) {
	if h.owner == s {
		h.owner = nil
	}
	var busy *BusyError
	var refused *RefusedError
	var stop stopping
	switch {
	case errors.As(err, &refused):
		s.put(rejectFrame(ch, CodeRefused, refused.Why))
	case errors.As(err, &busy):
		h.r.count.busy.Add(1)
		retry := busy.Retry
		if retry == 0 {
			retry = retryBusy
		}
		s.put(busyFrame(ch, retry, busy.Why))
	case errors.As(err, &stop):
		h.r.stop(stop.error)
	case errors.Is(err, ErrStopped):
		h.r.stop(err)
	default:
		s.put(rejectFrame(ch, CodeFailed, err.Error()))
	}
}

// write takes a piece at the end of what there is. Whoever does not write to the
// copy, or what is there already, is passed over.
func (h *held) write(s *Sink, ch uint32, off int64, p piece) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.owner != s || h.ch != ch || h.seal != nil {
		return
	}
	switch n := h.tree.N(); {
	case off < n:
		h.r.count.late.Add(1)
		return
	case off > n:
		h.refuse(CodeOffset, "bytes from %d on, and the copy ends at %d", off, n)
		return
	}
	if _, err := h.file.WriteAt(p.bytes, off); err != nil {
		var busy *BusyError
		if cut := h.file.Truncate(off); cut != nil || !errors.As(err, &busy) {
			err, h.broken = errors.Join(err, cut), true
		}
		h.deny(s, ch, err)
		h.release()
		return
	}
	full := len(h.tree.Leaves())
	h.tree.Write(p.bytes)
	if p.leaf != nil && h.tree.Leaves()[full] != *p.leaf {
		// What was acknowledged of the leaf is what the sender is asked to prove.
		h.broken = true
		h.refuse(CodeChecksum, "the hash of the leaf that ends at %d does not match", h.tree.N())
		return
	}
	h.r.count.written.Add(int64(len(p.bytes)))
	h.list()
}

// refuse ends a channel until it is opened again.
func (h *held) refuse(code Code, format string, args ...any) {
	h.owner.put(rejectFrame(h.ch, code, fmt.Sprintf(format, args...)))
	h.owner = nil
	h.release()
}

// list has the copy committed.
func (h *held) list() {
	if !h.listed {
		h.listed = true
		h.r.toCommit(h)
	}
}

// ask is a SEAL.
func (h *held) ask(s *Sink, ch uint32, seal Seal, diverged bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.owner != s || h.ch != ch || h.seal != nil {
		return
	}
	u := Update{ID: h.id, State: Sealed, Seal: seal}
	n := h.tree.N()
	switch {
	case diverged:
		u.State = Diverged
		u.Seal.N, u.Seal.Proof = n, h.tree.Proof()
	case seal.N != n || seal.Proof != h.tree.Proof():
		h.refuse(CodeProof, "the seal is of %d bytes, or of others than the %d of the copy", seal.N, n)
		return
	}
	h.seal = &u
	h.list()
}

// left is an ENDED.
func (h *held) left(s *Sink, ch uint32, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.owner != s || h.ch != ch {
		return
	}
	if err := h.end(at); err != nil {
		h.deny(s, ch, err)
	}
}

// end says that the file has left its path, at a time that the sender may not know.
func (h *held) end(at time.Time) error {
	if at.IsZero() {
		at = h.r.now()
	}
	if err := h.r.Store.End(h.id, at); err != nil {
		return stopping{err}
	}
	return nil
}

// snapshot says what a commit makes durable. ok is false if there is nothing.
func (h *held) snapshot() (u Update, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listed = false
	if h.file == nil || h.broken {
		h.settle()
		return Update{}, false
	}
	u.ID = h.id
	if h.seal != nil {
		u = *h.seal
	}
	all := h.tree.Leaves()
	u.N, u.Rest = h.tree.N(), h.tree.Rest()
	u.Leaves = all[h.durable/LeafSize : len(all) : len(all)]
	h.busy = true
	return u, true
}

// finish is the end of a commit.
func (h *held) finish(u Update, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy = false
	if err != nil {
		h.unsynced(err)
	} else {
		h.durable = u.N
		h.r.synced(h.id)
		if h.owner != nil {
			h.owner.ack(h.ch, u.N)
		}
		if u.State != Open {
			if h.owner != nil {
				h.owner.sealed(h.ch, u.N)
			}
			h.owner, h.broken = nil, true
		}
	}
	h.settle()
}

// settle answers whoever waits, or lets go of the copy.
func (h *held) settle() {
	if q := h.waiting; q != nil && !h.listed {
		h.open(*q)
		return
	}
	h.release()
}

// unsynced is for what could not be made durable: the copy goes back to what is,
// and that is not tried on this descriptor again.
func (h *held) unsynced(err error) {
	h.broken, h.seal = true, nil
	fails := 0
	var busy *BusyError
	if !errors.As(err, &busy) {
		fails = h.r.unsynced(h.id)
		if fails < syncTries {
			err = &BusyError{Why: err.Error()}
		}
	}
	if h.owner != nil {
		h.deny(h.owner, h.ch, err)
	}
}

// release lets go of a copy that nobody writes to.
func (h *held) release() {
	if h.owner != nil || h.busy || h.listed || h.waiting != nil || h.gone {
		return
	}
	h.close()
	h.gone = true
	h.r.mu.Lock()
	delete(h.r.copies, h.id)
	h.r.mu.Unlock()
}

func (h *held) close() {
	if h.file != nil {
		h.file.Close() // what it could lose was not acknowledged
	}
	h.file, h.tree, h.seal, h.broken, h.durable = nil, nil, nil, false, 0
}

// synced and unsynced count how often in a row a copy could not be synced.
func (r *Receiver) synced(id ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.fails, id)
}

func (r *Receiver) unsynced(id ID) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails[id]++
	return r.fails[id]
}
