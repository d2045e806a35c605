package stream

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"fairlead/spool"
)

// A reader is where a client is in the spool, and no more: it holds no entries.
type reader struct {
	stream *Stream
	out    *outlet
	look   *look // at what the client is sent; nil: the spool as it is
	seg    *spool.Segment
	off    atomic.Int64 // where an entry begins, unless the client has got a part of one
}

// newReader returns a reader that stands at off. It must be closed.
func (s *Stream) newReader(out *outlet, v *view, off int64) *reader {
	r := &reader{stream: s, out: out}
	if v != nil {
		r.look = &look{view: v}
	}
	r.off.Store(off)
	out.add(r)
	return r
}

func (r *reader) close() {
	r.out.remove(r)
	r.release()
	if r.look != nil {
		r.stream.views.leaveBlock(r.look)
		r.stream.views.leave(r.look.view)
	}
}

func (r *reader) release() {
	if r.seg != nil {
		r.seg.Release()
	}
	r.seg = nil
}

// expired says that the reader was told to let go of what it reads.
func (r *reader) expired() bool {
	if r.seg == nil {
		return false
	}
	select {
	case <-r.seg.Expired():
		return true
	default:
		return false
	}
}

// settle makes r.seg the segment that r.off is in. If that is gone, or has to be
// let go, the reader is moved to the oldest there is, and gap tells what it has
// missed, behind the rest of an entry of which the client has got a part.
func (r *reader) settle() (gap []byte, err error) {
	sp := r.stream.spool
	if r.expired() {
		return r.skip(sp.Start())
	}
	off := r.off.Load()
	if r.seg != nil && !(r.seg.Sealed() && off >= r.seg.End()) {
		return nil, nil
	}
	r.release()
	r.seg, err = sp.Acquire(off)
	var gone *spool.Gone
	if errors.As(err, &gone) {
		return r.skip(gone.Start)
	}
	return nil, err
}

// skip moves on to where a segment begins, and tells what is left out.
func (r *reader) skip(to int64) (gap []byte, err error) {
	rest, err := r.rest()
	if err != nil {
		return nil, err
	}
	sp, off := r.stream.spool, r.off.Load()+int64(len(rest))
	for {
		missing, err := r.stream.missing(spool.Pos{Epoch: sp.Epoch(), Off: off}, r.seg, to, nil)
		if err != nil {
			return nil, err
		}
		seg, err := sp.Acquire(to)
		var gone *spool.Gone
		if errors.As(err, &gone) {
			to = gone.Start // the spool went on meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		r.release()
		r.seg = seg
		r.off.Store(to)
		r.out.gap(to - off)
		return appendGap(rest, missing), nil
	}
}

// rest returns what the client has not got of the entry it has begun to get.
func (r *reader) rest() ([]byte, error) {
	off := r.off.Load()
	if r.seg == nil || off == r.seg.End() {
		return nil, nil
	}
	next, err := firstEntry(r.seg, off)
	if err != nil || next == off {
		return nil, err
	}
	text := make([]byte, next-off)
	_, err = r.seg.ReadAt(text, off)
	return text, err
}

// wait returns when there may be news, at a heartbeat, or when ctx ends: beat says
// which it was.
func (r *reader) wait(ctx context.Context, changed <-chan struct{}, beat <-chan time.Time) (beats bool, err error) {
	select {
	case <-changed:
		return false, nil
	case <-beat:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// end returns where the spool ends, and how far the logs have come there.
func (s *Stream) end() (int64, ledger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stands := make(ledger, len(s.stands))
	for name, ps := range s.stands {
		stands[name] = slices.Clone(ps)
	}
	return s.spool.End(), stands
}

// missing is what of the logs is in the spool between two of its positions, or
// was, as GEN:FROM-TO by source. seg is the segment that from is in, if there is
// one still; else what is missing begins where that segment did, so it may be
// more than the client misses, and never less. to is where a segment begins, or
// else stands are those at to.
func (s *Stream) missing(from spool.Pos, seg *spool.Segment, to int64, stands ledger) (map[string][]string, error) {
	marks, known := s.spool.Marks(from)
	had, first, now := make(ledger), make(ledger), make(ledger)
	if known {
		had.addText(marks[0].Text)
	}
	if known && seg != nil {
		had.addText(marks[0].Notes)
		if _, err := had.index().readSegment(seg, from.Off, false); err != nil {
			return nil, err
		}
	}
	for _, m := range marks {
		if m.Pos.Epoch == s.spool.Epoch() && m.Pos.Off > to {
			break
		}
		now.addText(m.Text)
		if m.Pos.Epoch != s.spool.Epoch() || m.Pos.Off < to {
			if known {
				first.addFirst(m.Notes)
			}
			now.addText(m.Notes)
		}
	}
	for _, ps := range stands {
		for _, p := range ps {
			now.add(p)
		}
	}
	bySource := make(map[string][]string)
	for name, ranges := range missing(had, now, first) {
		source := s.opt.Name(name)
		bySource[source] = append(bySource[source], ranges...)
	}
	return bySource, nil
}
