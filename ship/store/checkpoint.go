package store

import (
	"errors"
	"slices"

	"fairlead/replica"
)

// toLog commits changes with one sync, that of the log, if all that they do is to add a
// few bytes to copies that are open: done is false if not. files are those of the copies.
// An error ends the commit: it is a *replica.BusyError, or the store has stopped.
func (s *Store) toLog(changes []change, files []*file) (done bool, err error) {
	l := s.log
	if l == nil {
		return false, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := s.alive(); err != nil || !l.takes(changes, files) {
		return false, err
	}
	b := make([]byte, logHeader)
	for i := range changes {
		if changes[i].new.N == changes[i].old.N {
			continue
		}
		if b, err = s.appendFrom(b, &changes[i], files[i]); err != nil {
			return false, nil // a sync may tell more
		}
	}
	if len(b) == logHeader {
		return true, nil
	}
	if !l.fits(len(b)+4) || l.copies(changes) > s.cache.max {
		if err := s.checkpoint(nil); err != nil || !l.fits(len(b)+4) {
			return false, err
		}
	}
	next := make(map[replica.ID]*pending)
	for i := range changes {
		next[changes[i].new.ID] = l.with(changes[i], files[i])
	}
	if err := s.secure(next); err != nil {
		return false, err
	}
	if err := l.write(b); err != nil {
		return false, s.stop(err)
	}
	for id, p := range next {
		l.pending[id] = p
	}
	return true, nil
}

// takes says that changes are such that a record of the log can stand for them.
func (l *log) takes(changes []change, files []*file) bool {
	sum := int64(0)
	for i := range changes {
		if files[i] == nil || !files[i].takes(&changes[i]) {
			return false
		}
		sum += changes[i].new.N - changes[i].old.N
	}
	return sum <= maxDeferred && len(changes) > 0
}

// takes says that all that a change does is to add bytes that the file has, if any.
func (v *file) takes(c *change) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.gone == nil && v.rec == c.old && c.old.growing() && c.new.growing() && c.new.Seal == c.old.Seal &&
		c.new.N <= max(v.synced, v.deferred)
}

// appendFrom adds to a payload what a change has, with the bytes of its file.
func (s *Store) appendFrom(b []byte, c *change, v *file) ([]byte, error) {
	f, err := s.cache.pin(v)
	if err != nil {
		return nil, err
	}
	defer s.cache.unpin(v)
	return appendEntry(b, c, f)
}

// copies is of how many copies something is pending with changes: each has a
// descriptor.
func (l *log) copies(changes []change) int {
	n := len(l.pending)
	for i := range changes {
		if l.pending[changes[i].new.ID] == nil {
			n++
		}
	}
	return n
}

// with returns what is pending of a copy with another change.
func (l *log) with(c change, v *file) *pending {
	p := l.pending[c.new.ID]
	if p == nil {
		return &pending{v, c}
	}
	return &pending{v, change{old: p.old, new: c.new, leaves: slices.Concat(p.leaves, c.leaves)}}
}

// secure makes sure that the journal will have room for all that is pending, and for
// what is next: a checkpoint is not refused then.
func (s *Store) secure(next map[replica.ID]*pending) error {
	cs := make([]change, 0, len(s.log.pending)+len(next))
	for id, p := range s.log.pending {
		if next[id] == nil {
			cs = append(cs, p.change)
		}
	}
	for _, p := range next {
		cs = append(cs, p.change)
	}
	return s.checked(s.journal.secure(cs))
}

// checkpoint syncs the files of what is pending, and puts it into the journal,
// together with changes that come behind it. The log begins anew then. The caller
// holds its mutex.
func (s *Store) checkpoint(with []change) error {
	l := s.log
	if len(l.pending) == 0 {
		return s.checked(s.journal.change(with, 0))
	}
	var files []*file
	cs := make([]change, 0, len(l.pending)+len(with))
	for _, p := range l.pending {
		if cs = append(cs, p.change); !p.v.has(p.new.N) {
			files = append(files, p.v)
		}
	}
	if err := errors.Join(s.makeDurable(files)...); err != nil {
		return s.stop(err) // the next start takes it from the log
	}
	epoch := newEpoch()
	if err := s.journal.change(append(cs, with...), epoch); err != nil {
		return s.checked(err)
	}
	l.begin(epoch)
	return nil
}

// put makes changes durable in the journal.
func (s *Store) put(cs []change) error {
	for i := range cs {
		s.forget(cs[i].new.ID)
	}
	if s.log == nil {
		return s.checked(s.journal.change(cs, 0))
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.checkpoint(cs)
}

// forget has the record of a copy read again before the next commit.
func (s *Store) forget(id replica.ID) {
	if v := s.openFile(id); v != nil {
		v.mu.Lock()
		v.rec = nil
		v.mu.Unlock()
	}
}

// current puts into the journal what only the log has, so that it can be looked at.
func (s *Store) current() error {
	if err := s.alive(); err != nil || s.log == nil {
		return err
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if len(s.log.pending) == 0 {
		return nil
	}
	return s.checkpoint(nil)
}

// settleFile syncs a file that is not used any more, as far as only the log has what
// is in it, or was to have it: no other descriptor is told of errors.
func (s *Store) settleFile(v *file) {
	if s.log == nil || s.alive() != nil {
		return
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	v.mu.Lock()
	late, failed := v.deferred > v.synced, v.failed
	v.mu.Unlock()
	if late && failed == nil {
		failed = s.makeDurable([]*file{v})[0]
	}
	if p := s.log.pending[v.id]; p != nil && p.v == v && !v.has(p.new.N) {
		_ = s.stop(failed) // the next start takes it from the log
	}
}
