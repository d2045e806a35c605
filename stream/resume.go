package stream

import (
	"context"
	"fmt"
	"io"
	"time"

	"fairlead/logfile"
	"fairlead/spool"
)

// forgetAfter is how long the stand of a log that does not appear any more is
// kept by a process that runs.
const forgetAfter = 24 * time.Hour

// A start is where a log begins or goes on.
type start struct {
	from logfile.From
	late []logfile.Pos
}

// restore finds out where each log goes on: the newest mark says where it stood
// when the newest segment began, the entries in that how far it has come since.
func (s *Stream) restore() error {
	seg, exact := s.spool.Previous(), true
	if seg == nil {
		var err error
		if seg, err = s.spool.Acquire(s.spool.End()); err != nil {
			return err
		}
		exact = false
	}
	defer seg.Release()
	marks, _ := s.spool.Marks(spool.Pos{Epoch: s.spool.Epoch(), Off: s.spool.End()})
	if len(marks) == 0 {
		return nil
	}
	newest := marks[len(marks)-1]
	s.restored.addText(newest.Text)
	s.restored.addText(newest.Notes)
	_, err := s.restored.index().readSegment(seg, seg.End(), exact)
	return err
}

// readSegment notes how far the entries of a segment go, up to an offset.
func (ix index) readSegment(seg *spool.Segment, until int64, exact bool) (good bool, err error) {
	buf := make([]byte, readSize)
	n := 0 // bytes in buf of an entry that goes on
	for off := seg.Base(); off < until; {
		m, err := seg.ReadAt(buf[n:min(int64(len(buf)), int64(n)+until-off)], off)
		if err != nil && (err != io.EOF || m == 0) {
			return false, fmt.Errorf("read spool at %d: %w", off, err)
		}
		off += int64(m)
		whole := wholeLines(buf[:n+m])
		if !ix.read(whole, exact) {
			return false, nil
		}
		n = copy(buf, buf[len(whole):n+m])
		if n == len(buf) {
			buf = append(buf, make([]byte, len(buf))...)
		}
	}
	return true, nil
}

// Marks recognise the generations again that an earlier process was in.
func (s *Stream) Marks() (marks []logfile.Mark) {
	for _, ps := range s.restored {
		for _, p := range ps {
			var m logfile.Mark
			if p.mark != "" && m.UnmarshalText([]byte(p.mark)) == nil {
				marks = append(marks, m)
			}
		}
	}
	return marks
}

// mark is what is kept beside a segment that begins now. The spool calls it
// from an Append or a Note, that is, while s.mu is held.
func (s *Stream) mark() (text []byte) {
	if time.Since(s.started) > forgetAfter {
		clear(s.restored)
	}
	for _, l := range []ledger{s.stands, s.restored} {
		for _, ps := range l {
			for _, p := range ps {
				text = p.append(text)
			}
		}
	}
	return text
}

// resumed moves the stands of a log that has appeared again to those that are
// read.
func (s *Stream) resumed(name string) (stands, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ps, ok := s.restored[name]
	if ok {
		s.stands[name] = ps
		delete(s.restored, name)
	}
	return ps, ok
}

// begin says where the logs begin or go on that are there at the start.
func (s *Stream) begin(ctx context.Context, sources []logfile.Source) ([]start, error) {
	starts := make([]start, len(sources))
	var fresh []int // those that were never seen
	for i, src := range sources {
		if ps, ok := s.resumed(src.Name()); ok {
			starts[i].from, starts[i].late = ps.from()
		} else {
			fresh = append(fresh, i)
		}
	}
	var fill *backfill
	if s.opt.From == nil && s.opt.Backfill > 0 {
		fill = s.newBackfill()
	}
	var stands []stand
	for _, i := range fresh {
		pos := s.beginAt(sources[i])
		if fill != nil {
			pos = fill.end(ctx, sources[i], pos)
		}
		starts[i].from = logfile.FromPos(pos)
		if pos.Gen.IsZero() {
			starts[i].from = logfile.FromJoined
			continue
		}
		stands = append(stands, newStand(sources[i], pos))
	}
	var entries []byte
	if fill != nil {
		entries = fill.merge(stands)
	}
	return starts, s.beginWith(ctx, stands, entries)
}

// beginAt is where a log begins without a backfill.
func (s *Stream) beginAt(src logfile.Source) logfile.Pos {
	from := logfile.FromEnd
	if s.opt.From != nil {
		from = *s.opt.From
	}
	return from.Resolve(src.Stat())
}

// beginWith notes where logs begin and adds the entries of the backfill.
func (s *Stream) beginWith(ctx context.Context, begin []stand, entries []byte) error {
	var note []byte
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range begin {
		note = p.append(note)
	}
	if len(note) == 0 {
		return nil
	}
	if err := s.spool.Note(note); err != nil {
		return fmt.Errorf("begin stream: %w", err)
	}
	for _, p := range begin {
		s.stands[p.name] = stands{p}
	}
	if len(entries) == 0 {
		return nil
	}
	if err := s.spool.Append(entries); err != nil {
		return fmt.Errorf("begin stream: %w", err)
	}
	s.stands.index().read(entries, false)
	levels := levelsOf(entries)
	s.count(&levels)
	return nil
}

// joined says where a log begins or goes on that appeared while we run.
func (s *Stream) joined(src logfile.Source) start {
	if ps, ok := s.resumed(src.Name()); ok {
		from, late := ps.from()
		return start{from, late}
	}
	// Its first entry may be long in coming. Until then only this note tells
	// that all of it is to be read.
	if pos := logfile.FromJoined.Resolve(src.Stat()); !pos.Gen.IsZero() {
		p := newStand(src, pos)
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.spool.Note(p.append(nil)); err == nil {
			s.stands[p.name] = stands{p}
		}
	}
	return start{from: logfile.FromJoined}
}
