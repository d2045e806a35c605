package stream

import (
	"errors"

	"fairlead/spool"
)

// maxBack is how much of the spool is searched for entries before the end.
const maxBack = 256 * blockSize

// back returns where the last n entries before end begin that a view shows, or,
// if there are not so many, the oldest that was found.
func (s *Stream) back(v *view, end int64, n int) (int64, error) {
	first := end
	for off := end; n > 0 && off > s.spool.Start() && end-off < maxBack; {
		seg, err := s.spool.Acquire(off - 1)
		var gone *spool.Gone
		if errors.As(err, &gone) {
			break // dropped while we looked
		}
		if err != nil {
			return 0, err
		}
		first, off, n, err = s.backInBlock(v, seg, first, off, n)
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
func (s *Stream) backInBlock(v *view, seg *spool.Segment, first, off int64, n int) (int64, int64, int, error) {
	base := off - 1 - (off-1-seg.Base())%blockSize
	l := &look{view: v}
	s.views.enter(l, base, true)
	defer s.views.leaveBlock(l)
	r, err := s.views.rendered(l.block, seg, min(seg.End(), base+blockSize))
	if err != nil {
		return 0, 0, 0, err
	}
	end := len(r.data)
	for i := len(r.marks) - 1; i >= 0 && n > 0; i-- {
		m := r.marks[i]
		if m.off < first {
			first = m.off
			if m.at < end { // else it is not shown
				n--
			}
		}
		end = m.at
	}
	return first, base, n, nil
}
