package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"

	"fairlead/replica"
	"fairlead/ship/disk"
)

// End says that the file of a copy has left its path at the source. The file is
// renamed, once, and never over another.
func (s *Store) End(id replica.ID, at time.Time) error {
	defer s.claim(id, false)()
	r, err := s.settledRecord(id)
	if err != nil {
		return err
	}
	if r == nil {
		return fmt.Errorf("end copy %s of %s: there is none", id.Gen, id.Sender)
	}
	if !r.Ended.IsZero() || r.State == replica.Pruned {
		return nil
	}
	if at.IsZero() {
		at = s.o.Now()
	}
	i := &intent{id: id, what: end, from: r.file, ended: at.UTC()}
	if i.to, err = s.endedName(r, i, 1); err == nil {
		err = s.change(change{old: r, new: r, intent: i})
	}
	if err == nil {
		_, err = s.finishEnd(r, i, false)
	}
	return err
}

// endedName returns a name for an ended copy that no record has: the nr-th, or one
// behind that.
func (s *Store) endedName(r *record, i *intent, nr int) (string, error) {
	dir, base := path.Split(i.from)
	for ; nr < maxTries; nr++ {
		name := dir + disk.Join(base, disk.GenSuffix(i.ended, r.Gen), nr, s.disk.Max)
		holder, err := s.holder(name)
		if err != nil || holder == nil {
			return name, err
		}
	}
	return "", errNoName
}

// finishEnd does what an end intends; again says that it may have been begun before
// a crash.
func (s *Store) finishEnd(r *record, i *intent, again bool) (*record, error) {
	ended := *r
	ended.Ended = i.ended
	var err error
	for nr := 2; ; nr++ {
		if err = s.moveEnded(r, i); !errors.Is(err, fs.ErrExist) || again && s.wasMoved(r, i) {
			break
		}
		next := *i
		if next.to, err = s.endedName(r, i, nr); err != nil {
			return r, err
		}
		if err := s.change(change{old: r, new: r, intent: &next}); err != nil {
			return r, err
		}
		i = &next
	}
	switch {
	case err == nil, errors.Is(err, fs.ErrExist): // it has its name
		if err := s.disk.SyncDirOf(i.to); err != nil {
			return r, s.stop(err)
		}
		ended.file = i.to
	case errors.Is(err, fs.ErrNotExist):
		if _, err := s.disk.Lstat(i.to); again && err == nil {
			ended.file = i.to
		}
	default:
		s.problem(i.from, fmt.Sprintf("the file of an ended copy keeps its name: %v", err), "none is needed; the next copy is kept beside it")
	}
	return &ended, s.change(change{old: r, new: &ended})
}

// moveEnded renames the file of a copy. Nobody opens it meanwhile.
func (s *Store) moveEnded(r *record, i *intent) error {
	s.mu.Lock()
	v := s.open[r.ID]
	s.mu.Unlock()
	if v == nil {
		return s.disk.Rename(i.from, i.to)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	err := s.disk.Rename(i.from, i.to)
	if err == nil {
		v.name = i.to
	}
	return err
}

// wasMoved says that what has the name already is the copy. A rename by link may
// have left both names.
func (s *Store) wasMoved(r *record, i *intent) bool {
	from, err1 := s.disk.Lstat(i.from)
	to, err2 := s.disk.Lstat(i.to)
	if err1 != nil || err2 != nil {
		return false
	}
	if os.SameFile(from, to) {
		return s.disk.Remove(i.from) == nil
	}
	return s.is(r, i.to) && !s.is(r, i.from)
}

// is says that a file has the bytes of a record.
func (s *Store) is(r *record, name string) bool {
	f, err := s.disk.Open(name, os.O_RDONLY)
	if err != nil {
		return false
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || fi.Size() < r.N {
		return false
	}
	good, err := s.endFits(r, f)
	return good && err == nil
}
