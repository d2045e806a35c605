package stream

import (
	"bytes"
	"container/list"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/valyala/fastjson"

	"fairlead/spool"
)

const (
	// blockSize is how much of the spool is rendered as one piece for all who
	// want the same view of it.
	blockSize = 256 << 10
	// cacheSize is how many bytes of rendered blocks are kept for whoever comes, and
	// stuckSize how many more clients that are stuck somewhere may keep. When they
	// have them, others that are behind are rendered a piece of aloneSize at a
	// time, each for itself; those within window of the end still share.
	cacheSize = 40 << 20
	stuckSize = 16 << 20
	aloneSize = 16 << 10
	window    = 4 * blockSize
)

// A view is what clients with the same wishes are sent. It is rendered once, in
// blocks of which each holds the entries that begin in it.
type view struct {
	filter *Filter // nil: everything
	sse    bool    // else lines
	epoch  string  // of ids, with the dash behind it
	users  int     // guarded by views.mu
}

// isRecord says that what is sent of a line is a record's.
func (v *view) isRecord(sent []byte) bool {
	if v.sse {
		return bytes.HasPrefix(sent, eventName)
	}
	return isRecord(sent)
}

// A blockKey names one block: a part of a segment, in a view.
type blockKey struct {
	view *view
	base int64
}

// A block is rendered as far as the spool has come.
type block struct {
	key blockKey
	now atomic.Pointer[rendered]

	size  int64 // as counted by views; this and what follows is guarded by views.mu
	users int   // clients that look at it

	mu     sync.Mutex // held while rendering; guards parser
	parser fastjson.Parser
}

// rendered is a state of a block. It never changes, but data may grow behind it.
type rendered struct {
	data  []byte
	marks []mark
	upTo  int64 // spool offset
}

// A mark says that what is in data from at on begins at the spool's offset off.
type mark struct {
	off int64
	at  int
}

// views are the views that clients have, and the blocks last used.
type views struct {
	stream *Stream

	mu     sync.Mutex // guards what follows
	open   map[string]*view
	blocks map[blockKey]*list.Element // of *block
	recent list.List                  // the last used first
	size   int64                      // of those
	stuck  int64                      // the size of the others, which clients keep
	free   []rendered                 // of blocks that nobody has any more, to be used again
}

// maxFree is how many blocks' memory is kept to be used again.
const maxFree = 16

// recycle keeps the memory of a block that nobody looks at or can find.
func (vs *views) recycle(b *block) {
	if r := b.now.Load(); r != nil && b.key.view.filter == nil && len(vs.free) < maxFree {
		vs.free = append(vs.free, rendered{data: r.data[:0], marks: r.marks[:0]})
	}
}

// fresh returns room for a block of which all will be shown.
func (vs *views) fresh() *rendered {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	n := len(vs.free)
	if n == 0 {
		return &rendered{data: make([]byte, 0, blockSize*5/4), marks: make([]mark, 0, 1024)}
	}
	r := vs.free[n-1]
	vs.free = vs.free[:n-1]
	return &r
}

// join returns the view of those who want the same. It must be left.
func (vs *views) join(filter *Filter, sse bool) *view {
	key := strconv.FormatBool(sse)
	if filter != nil {
		key += filter.key
	}
	vs.mu.Lock()
	defer vs.mu.Unlock()
	v := vs.open[key]
	if v == nil {
		v = &view{filter: filter, sse: sse, epoch: vs.stream.spool.Epoch().String() + "-"}
		if vs.open == nil {
			vs.open = make(map[string]*view)
			vs.blocks = make(map[blockKey]*list.Element)
		}
		vs.open[key] = v
	}
	v.users++
	return v
}

func (vs *views) leave(v *view) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if v.users--; v.users > 0 {
		return
	}
	for key, open := range vs.open {
		if open == v {
			delete(vs.open, key)
		}
	}
	for key, e := range vs.blocks {
		if key.view == v {
			vs.drop(e)
		}
	}
}

func (vs *views) drop(e *list.Element) {
	b := vs.recent.Remove(e).(*block)
	delete(vs.blocks, b.key)
	vs.size -= b.size
	if b.users > 0 {
		vs.stuck += b.size
	} else {
		vs.recycle(b)
	}
}

// kept says that a block is among those that are kept for whoever comes.
func (vs *views) kept(b *block) bool {
	e := vs.blocks[b.key]
	return e != nil && e.Value == any(b)
}

// enter moves a client to the block that begins at base. If there is none, and
// clients that are stuck keep too many already, it is alone, unless it must not be.
func (vs *views) enter(l *look, base int64, shared bool) {
	vs.leaveBlock(l)
	vs.mu.Lock()
	defer vs.mu.Unlock()
	key := blockKey{l.view, base}
	e := vs.blocks[key]
	switch {
	case e != nil:
		vs.recent.MoveToFront(e)
	case shared || vs.stuck < stuckSize:
		e = vs.recent.PushFront(&block{key: key})
		vs.blocks[key] = e
	default:
		return
	}
	l.block = e.Value.(*block)
	l.block.users++
}

// leaveBlock lets go of a client's block.
func (vs *views) leaveBlock(l *look) {
	b := l.block
	if b == nil {
		return
	}
	l.block = nil
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if b.users--; b.users == 0 && !vs.kept(b) {
		vs.stuck -= b.size
		vs.recycle(b)
	}
}

// grown counts what a block has become, and lets go of those unused longest.
func (vs *views) grown(b *block, size int64) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	more := size - b.size
	b.size = size
	if !vs.kept(b) {
		vs.stuck += more
		return
	}
	vs.size += more
	for vs.size > cacheSize && vs.recent.Len() > 1 {
		vs.drop(vs.recent.Back())
	}
}

// A look is how one client sees a view.
type look struct {
	view  *view
	block *block   // where it was last; nil: nowhere, or alone
	alone rendered // to be used again while it is alone
}

// read returns what a client at off, where an entry begins, is sent next, and the
// offset behind it. Without news, next is off. data is good until the next call.
func (vs *views) read(l *look, seg *spool.Segment, off int64) (data []byte, next int64, err error) {
	end := seg.End()
	if off >= end {
		return nil, off, nil
	}
	base := off - (off-seg.Base())%blockSize
	if l.block == nil || l.block.key.base != base {
		vs.enter(l, base, vs.stream.spool.End()-off < window)
	}
	if l.block == nil {
		return l.piece(seg, off, end)
	}
	l.alone = rendered{}
	r, err := vs.rendered(l.block, seg, min(end, base+blockSize))
	if err != nil {
		return nil, off, err
	}
	i := sort.Search(len(r.marks), func(i int) bool { return r.marks[i].off >= off })
	if i < len(r.marks) {
		data = r.data[r.marks[i].at:]
	}
	return data, max(off, r.upTo), nil
}

// piece renders a little for this client alone: of the entries from off on, those
// that begin before until.
func (l *look) piece(seg *spool.Segment, off, until int64) (data []byte, next int64, err error) {
	own := block{key: blockKey{view: l.view}}
	l.alone = rendered{l.alone.data[:0], l.alone.marks[:0], off}
	err = own.render(&l.alone, seg, min(until, off+aloneSize))
	return l.alone.data, l.alone.upTo, err
}

// rendered returns the state of a block in which all entries are that begin
// before until.
func (vs *views) rendered(b *block, seg *spool.Segment, until int64) (*rendered, error) {
	if r := b.now.Load(); r != nil && r.upTo >= until {
		return r, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.now.Load()
	if r != nil && r.upTo >= until {
		return r, nil
	}
	if r == nil {
		first, err := firstEntry(seg, b.key.base)
		if err != nil {
			return nil, err
		}
		r = &rendered{}
		if b.key.view.filter == nil {
			r = vs.fresh()
		}
		r.upTo = first
	}
	next := *r
	if err := b.render(&next, seg, until); err != nil {
		return nil, err
	}
	b.now.Store(&next)
	vs.grown(b, int64(cap(next.data)+16*cap(next.marks)))
	return &next, nil
}

// pieces are what is read of the spool at a time.
var pieces = sync.Pool{New: func() any { return new([blockSize]byte) }}

// render adds the entries of the spool that begin before until.
func (b *block) render(r *rendered, seg *spool.Segment, until int64) error {
	if text := seg.Bytes(r.upTo); text != nil {
		b.renderText(r, text, until)
		return nil
	}
	piece := pieces.Get().(*[blockSize]byte)
	defer pieces.Put(piece)
	for r.upTo < until {
		const more = 1 << 10 // the last entry that begins before until ends behind it
		n := min(int64(len(piece)), seg.End()-r.upTo, until-r.upTo+more)
		if _, err := seg.ReadAt(piece[:n], r.upTo); err != nil {
			return err
		}
		text := piece[:n]
		if bytes.IndexByte(text, '\n') < 0 {
			var err error
			if text, err = wholeEntry(seg, r.upTo); err != nil {
				return err
			}
		}
		b.renderText(r, text, until)
	}
	return nil
}

// renderText adds the whole entries of a text that begin before until.
func (b *block) renderText(r *rendered, text []byte, until int64) {
	for len(text) > 0 && r.upTo < until {
		n := bytes.IndexByte(text, '\n') + 1
		if n == 0 {
			return
		}
		r.marks = append(r.marks, mark{r.upTo, len(r.data)})
		r.upTo += int64(n)
		r.data = b.frame(r.data, text[:n], r.upTo)
		text = text[n:]
	}
}

// frame appends what is sent of one line of the spool, behind which is next.
func (b *block) frame(out, line []byte, next int64) []byte {
	v := b.key.view
	if v.filter != nil && !v.filter.lets(&b.parser, line) {
		return out
	}
	if !v.sse {
		return append(out, line...)
	}
	return appendEvent(out, v.epoch, line, next)
}

// firstEntry returns where the first entry begins that begins at or behind off.
func firstEntry(seg *spool.Segment, off int64) (int64, error) {
	if off == seg.Base() {
		return off, nil
	}
	buf := make([]byte, 4096)
	for at := off - 1; at < seg.End(); at += int64(len(buf)) {
		n, err := seg.ReadAt(buf[:min(int64(len(buf)), seg.End()-at)], at)
		if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
			return at + int64(i) + 1, nil
		}
		if err != nil {
			return 0, err
		}
	}
	return seg.End(), nil
}

// wholeEntry reads one entry that is larger than a piece.
func wholeEntry(seg *spool.Segment, off int64) ([]byte, error) {
	next, err := firstEntry(seg, off+1)
	if err != nil {
		return nil, err
	}
	text := make([]byte, next-off)
	_, err = seg.ReadAt(text, off)
	return text, err
}
