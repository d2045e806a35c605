package store

import (
	"errors"
	"io/fs"
	"slices"
	"time"

	"fairlead/replica"
)

// Prune removes ended copies to keep within Keep and KeepBytes, whole ones, those
// that ended first. Only what is sealed or diverged is removed, of which no byte is
// still to come. The record stays, without leaves. It returns the records as they
// became. Who has the file open may read on.
func (s *Store) Prune(now time.Time) ([]replica.Record, error) {
	if s.o.Keep <= 0 && s.o.KeepBytes <= 0 {
		return nil, s.alive()
	}
	ended, err := s.endedCopies()
	if err != nil {
		return nil, err
	}
	var sum int64
	for _, r := range ended {
		sum += r.N
	}
	var pruned, left []*record // and left to be unlinked
	for _, r := range ended {
		old := s.o.Keep > 0 && now.Sub(r.Ended) > s.o.Keep
		if !old && (s.o.KeepBytes <= 0 || sum <= s.o.KeepBytes) {
			continue
		}
		sum -= r.N
		p, err := s.pruneOne(r.ID)
		if p != nil {
			pruned, left = append(pruned, p), append(left, p)
		}
		if err != nil || len(left) == atATime {
			if err = errors.Join(err, s.unlink(left)); err != nil {
				return recordsOf(pruned), err
			}
			left = left[:0]
		}
	}
	return recordsOf(pruned), s.unlink(left)
}

func recordsOf(rs []*record) []replica.Record {
	out := make([]replica.Record, len(rs))
	for i, r := range rs {
		out[i] = r.Record
	}
	return out
}

// endedCopies returns the records of copies that may be removed, those that ended
// first in front.
func (s *Store) endedCopies() ([]*record, error) {
	var ended []*record
	for after := []byte(nil); ; {
		rs, err := s.some(after, 1000)
		if err != nil {
			return nil, err
		}
		if len(rs) == 0 {
			slices.SortStableFunc(ended, func(a, b *record) int { return a.Ended.Compare(b.Ended) })
			return ended, nil
		}
		for _, r := range rs {
			if prunable(r) {
				ended = append(ended, r)
			}
		}
		after = recordKey(rs[len(rs)-1].ID)
	}
}

func prunable(r *record) bool {
	return !r.Ended.IsZero() && (r.State == replica.Sealed || r.State == replica.Diverged)
}

// pruneOne makes the record of a copy one of what was. The file is still there, and
// unlink has to follow.
func (s *Store) pruneOne(id replica.ID) (*record, error) {
	defer s.claim(id, false)()
	r, err := s.settledRecord(id)
	if err != nil || r == nil || !prunable(r) {
		return nil, err
	}
	s.mu.Lock()
	v := s.open[id]
	delete(s.open, id)
	s.mu.Unlock()
	if v != nil {
		s.retire(v, &replica.BusyError{Why: "the copy was pruned", Retry: retryRefused})
	}
	pruned := *r
	pruned.State = replica.Pruned
	if err := s.change(change{old: r, new: &pruned}); err != nil {
		return nil, err
	}
	return &pruned, nil
}

// atATime is how many pruned copies are unlinked at a time.
const atATime = 4

// unlink removes the files of pruned copies, and their names from the records. A
// file that cannot be removed is tried again at the next start.
func (s *Store) unlink(pruned []*record) error {
	for some := range slices.Chunk(pruned, atATime) {
		if err := s.unlinkSome(some); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) unlinkSome(pruned []*record) error {
	var gone []change
	for _, r := range pruned {
		if err := s.disk.Remove(r.file); err != nil {
			s.problem(r.file, "a pruned copy cannot be removed: "+err.Error(), "remove it")
			continue
		}
		if err := s.disk.SyncDirOf(r.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return s.stop(err)
		}
		cleared := *r
		cleared.file = ""
		gone = append(gone, change{old: r, new: &cleared})
	}
	if len(gone) == 0 {
		return nil
	}
	return s.change(gone...)
}
