package store

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/replica"
)

// A Problem is something that a person should know of.
type Problem struct {
	At   time.Time
	File string // below the store's directory; empty: the store as a whole
	What string
	Cure string
}

// maxProblems is how many are kept.
const maxProblems = 20

// trouble is what went wrong.
type trouble struct {
	busy, damaged atomic.Int64

	mu       sync.Mutex
	problems []Problem // the newest last
	count    int64
}

// problem notes a problem. The same one is noted once, at its newest time.
func (s *Store) problem(file, what, cure string) {
	t := &s.trouble
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count++
	p := Problem{s.o.Now(), file, what, cure}
	for i, old := range t.problems {
		if old.File == file && old.What == what {
			t.problems = append(t.problems[:i], t.problems[i+1:]...)
			break
		}
	}
	t.problems = append(t.problems, p)
	if len(t.problems) > maxProblems {
		t.problems = append(t.problems[:0], t.problems[1:]...)
	}
}

// Problems returns the newest 20 problems, the newest last.
func (s *Store) Problems() []Problem {
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	return append([]Problem(nil), s.trouble.problems...)
}

// Stats are the numbers of a store.
type Stats struct {
	Copies      map[replica.State]int
	Bytes       int64 // committed, of copies that are there
	PrunedBytes int64
	Used, Size  int64 // of the disk, as far as it was looked at
	Open        int   // descriptors
	Damaged     int64 // copies that were not as the journal says, since the start
	Busy        int64 // refusals, since the start
	Problems    int64 // since the start
}

// Stats returns the numbers of now.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	st := s.counts
	st.Copies = maps.Clone(st.Copies)
	s.mu.Unlock()

	s.cache.mu.Lock()
	st.Open = s.cache.lru.Len()
	s.cache.mu.Unlock()

	space := s.disk.Looked()
	st.Used, st.Size = space.Used, space.Total

	s.trouble.mu.Lock()
	st.Problems = s.trouble.count
	s.trouble.mu.Unlock()
	st.Damaged, st.Busy = s.trouble.damaged.Load(), s.trouble.busy.Load()
	return st
}
