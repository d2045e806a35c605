package stream

import (
	"context"
	"errors"

	"fairlead/spool"
)

// maxBack is how much of the spool is searched for entries before the end.
const maxBack = 256 * blockSize

// A search goes back through the spool to where the last entries begin that a
// view shows.
type search struct {
	view  *view
	alone bool  // its blocks are rendered for nobody else
	most  int64 // how much of the spool it looks at; 0: all
}

// back returns where the last n entries before end begin, or, if there are not so
// many, the oldest that was found.
func (s *Stream) back(ctx context.Context, q search, end int64, n int) (int64, error) {
	first := end
	for off := end; n > 0 && off > s.spool.Start() && (q.most == 0 || end-off < q.most); {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		seg, err := s.spool.Acquire(off - 1)
		var gone *spool.Gone
		if errors.As(err, &gone) {
			break // dropped while we looked
		}
		if err != nil {
			return 0, err
		}
		first, off, n, err = s.backInBlock(q, seg, first, off, n)
		seg.Release()
		if err != nil {
			return 0, err
		}
	}
	return first, nil
}

// backInBlock goes back from first, where an entry begins, by the entries that
// begin in the block before off. It returns the new first, where the block
// begins, and how many entries are still to be found.
func (s *Stream) backInBlock(q search, seg *spool.Segment, first, off int64, n int) (int64, int64, int, error) {
	base := off - 1 - (off-1-seg.Base())%blockSize
	r, leave, err := s.blockFor(q, seg, base)
	if err != nil {
		return 0, 0, 0, err
	}
	defer leave()
	end := len(r.data)
	for i := len(r.marks) - 1; i >= 0 && n > 0; i-- {
		m := r.marks[i]
		if m.off < first {
			first = m.off
			if m.at < end && !q.view.isRecord(r.data[m.at:]) { // else it is not shown, or no entry
				n--
			}
		}
		end = m.at
	}
	return first, base, n, nil
}

// blockFor renders the block at base. It must be left.
func (s *Stream) blockFor(q search, seg *spool.Segment, base int64) (r *rendered, leave func(), err error) {
	until := min(seg.End(), base+blockSize)
	if q.alone {
		own := block{key: blockKey{view: q.view}}
		r = &rendered{}
		if r.upTo, err = firstEntry(seg, base); err == nil {
			err = own.render(r, seg, until)
		}
		return r, func() {}, err
	}
	l := &look{view: q.view}
	s.views.enter(l, base, true)
	leave = func() { s.views.leaveBlock(l) }
	if r, err = s.views.rendered(l.block, seg, until); err != nil {
		leave()
	}
	return r, leave, err
}
