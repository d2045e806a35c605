package logfile

import (
	"container/list"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A held is a descriptor of one generation, shared by all who read it. The
// holder it belongs to closes it when it has not been used for a while, or to
// make room, but never while it is in use.
type held struct {
	f      *os.File
	proof  atomic.Pointer[proof]
	checks checks

	holder *holder // guards what follows
	elem   *list.Element
	refs   int
	used   time.Time
	shut   bool
	needed func() bool // is a reader behind on it? Asked without the lock
	gone   time.Time   // since when it is in no directory; zero: it is in one
}

// checks numbers the checks of one descriptor, so that one of them can serve all
// who have read before it began.
type checks struct{ begun, good atomic.Uint64 }

func (c *checks) begin() uint64 { return c.begun.Add(1) }

// succeeded notes that check nr found the file to be what it was.
func (c *checks) succeeded(nr uint64) {
	for {
		good := c.good.Load()
		if nr <= good || c.good.CompareAndSwap(good, nr) {
			return
		}
	}
}

// A holder keeps at most max unused descriptors.
type holder struct {
	mu   sync.Mutex
	max  int
	lru  *list.List // of *held, least recently used first
	open int
}

func newHolder(max int) *holder { return &holder{max: max, lru: list.New()} }

// add takes over f, in use once.
func (ho *holder) add(f *os.File, p *proof, needed func() bool, now time.Time) *held {
	h := &held{f: f, holder: ho, refs: 1, used: now, needed: needed}
	h.proof.Store(p)
	ho.mu.Lock()
	defer ho.mu.Unlock()
	h.elem = ho.lru.PushBack(h)
	ho.open++
	ho.makeRoom(ho.max)
	return h
}

// makeRoom closes the least recently used descriptors that are beyond max. It
// spares deleted files: what they hold exists nowhere else.
func (ho *holder) makeRoom(max int) {
	for e := ho.lru.Front(); e != nil && ho.open > max; {
		h := e.Value.(*held)
		e = e.Next()
		if h.refs == 0 && h.gone.IsZero() {
			ho.close(h)
		}
	}
}

// evict frees descriptors for someone who could not open another one.
func (ho *holder) evict() {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	ho.makeRoom(ho.open / 2)
}

func (ho *holder) close(h *held) {
	h.shut = true
	ho.lru.Remove(h.elem)
	ho.open--
	h.f.Close()
}

// acquire puts h to use; false if it was closed meanwhile. It counts as used
// now, so that it is not closed for want of use, unless now is zero.
func (h *held) acquire(now time.Time) bool {
	if h == nil {
		return false
	}
	h.holder.mu.Lock()
	defer h.holder.mu.Unlock()
	if h.shut {
		return false
	}
	h.refs++
	if !now.IsZero() {
		h.used = now
		h.holder.lru.MoveToBack(h.elem)
	}
	return true
}

func (h *held) release() {
	h.holder.mu.Lock()
	defer h.holder.mu.Unlock()
	h.refs--
	if h.refs == 0 && h.holder.open > h.holder.max && h.gone.IsZero() && !h.shut {
		h.holder.close(h) // it could not make room when it was added
	}
}

// drop closes h as soon as nobody uses it.
func (h *held) drop() {
	h.holder.mu.Lock()
	defer h.holder.mu.Unlock()
	h.gone, h.used = time.Time{}, time.Time{}
	if !h.shut && h.refs == 0 {
		h.holder.close(h)
	}
}

// unlinked marks the file as gone from every directory: it is kept as long as
// it is needed, within the limits of sweep.
func (h *held) unlinked(now time.Time) {
	h.holder.mu.Lock()
	defer h.holder.mu.Unlock()
	if h.gone.IsZero() {
		h.gone = now
	}
}

// linked takes unlinked back: the hint was stale.
func (h *held) linked() {
	h.holder.mu.Lock()
	defer h.holder.mu.Unlock()
	h.gone = time.Time{}
}

func (h *held) isShut() bool {
	h.holder.mu.Lock()
	defer h.holder.mu.Unlock()
	return h.shut
}

func (ho *holder) count() int64 {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	return int64(ho.open)
}

// pinnedBytes is what deleted files keep on disk.
func (ho *holder) pinnedBytes() (n int64) {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	for e := ho.lru.Front(); e != nil; e = e.Next() {
		if h := e.Value.(*held); !h.gone.IsZero() {
			n += h.proof.Load().n
		}
	}
	return n
}

// sweep closes what nobody has used since idle and nobody is behind on, and the
// deleted files that are over the limits, the longest gone first.
func (ho *holder) sweep(idle, goneSince time.Time, pinBytes int64) {
	ho.mu.Lock()
	var unused, gone []*held
	for e := ho.lru.Front(); e != nil; e = e.Next() {
		h := e.Value.(*held)
		if !h.gone.IsZero() {
			gone = append(gone, h)
		} else if h.refs == 0 && h.used.Before(idle) {
			unused = append(unused, h)
		}
	}
	ho.mu.Unlock()
	for _, h := range unused {
		if !h.needed() {
			h.closeUnused(idle)
		}
	}
	slices.SortFunc(gone, func(a, b *held) int { return b.gone.Compare(a.gone) })
	var kept int64
	for _, h := range gone {
		n := h.proof.Load().n
		switch {
		case !h.needed():
			h.closeUnused(idle)
		case h.gone.Before(goneSince) || kept+n > pinBytes:
			h.closeUnused(farFuture)
		default:
			kept += n
		}
	}
}

var farFuture = time.Unix(1<<40, 0)

func (h *held) closeUnused(since time.Time) {
	h.holder.mu.Lock()
	defer h.holder.mu.Unlock()
	if !h.shut && h.refs == 0 && h.used.Before(since) {
		h.holder.close(h)
	}
}

// closeAll closes what is not in use now; the rest is closed by its users.
func (ho *holder) closeAll() {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	ho.max = 0
	for e := ho.lru.Front(); e != nil; {
		h := e.Value.(*held)
		e = e.Next()
		if h.refs == 0 {
			ho.close(h)
		}
	}
}
