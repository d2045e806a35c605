package logfile

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
)

const filepathSeparator = filepath.Separator

// ErrNotFound is the answer to a name that no log has.
var ErrNotFound = errors.New("no such log")

// An AmbiguousError lists the logs that a name could mean.
type AmbiguousError struct {
	Name       string
	Candidates []string // names of logs, sorted
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%q could be any of %s", e.Name, strings.Join(e.Candidates, ", "))
}

// Lookup finds a log by its name, which is its absolute path or SENDER:PATH, or by
// a base name or a suffix of the path that only one log has. Errors are
// ErrNotFound and *AmbiguousError.
func (s *Set) Lookup(name string) (*Log, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clean := filepath.Clean(name)
	if l := s.logs[clean]; l != nil {
		return l, nil
	}
	slashed := filepath.ToSlash(clean) // as senders name their files, on every system
	if l := s.toldLog(slashed); l != nil {
		return l, nil
	}
	if name == "" {
		return nil, fmt.Errorf("look up %q: %w", name, ErrNotFound)
	}
	suffix := string(filepathSeparator) + strings.TrimPrefix(clean, string(filepathSeparator))
	found := appendSuffixed(nil, s.order, suffix)
	found = appendSuffixed(found, s.copies, "/"+strings.TrimPrefix(slashed, "/"))
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("look up %q: %w", name, ErrNotFound)
	case 1:
		return found[0], nil
	}
	e := &AmbiguousError{Name: name}
	for _, l := range found {
		e.Candidates = append(e.Candidates, l.name)
	}
	slices.Sort(e.Candidates)
	return nil, e
}

func appendSuffixed(found, logs []*Log, suffix string) []*Log {
	for _, l := range logs {
		if strings.HasSuffix(l.name, suffix) {
			found = append(found, l)
		}
	}
	return found
}

// Logs returns all logs in order of name.
func (s *Set) Logs() []*Log {
	s.mu.Lock()
	logs := slices.Concat(s.order, s.copies)
	s.mu.Unlock()
	slices.SortFunc(logs, func(a, b *Log) int { return strings.Compare(a.name, b.name) })
	return logs
}

// First returns the log that joined first, one of this machine if there is one, or
// nil.
func (s *Set) First() *Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.order) > 0:
		return s.order[0]
	case len(s.copies) > 0:
		return s.copies[0]
	}
	return nil
}

// Changed returns a channel that is closed when a log joins the set.
func (s *Set) Changed() <-chan struct{} {
	s.setup()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.joined
}

func (s *Set) log(path string) *Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logs[path]
}

func (s *Set) logsIn(d *dir) []*Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(d.logs)
}

// counters are the Set's own; every room's Stats are made of such.
type counters struct {
	overflows, loops, lateBytes, breaks atomic.Int64
	ends, lostBytes                     [Forgotten + 1]atomic.Int64
}

func (c *counters) ended(why Reason)         { c.ends[why].Add(1) }
func (c *counters) lost(why Reason, n int64) { c.lostBytes[why].Add(n) }

// Stats are plain numbers: how things stand, and what was counted since the
// start.
type Stats struct {
	Logs        int64
	Held        int64 // descriptors open
	Parked      int64 // logs that are rewritten in place
	WatchedDirs int64
	PolledDirs  int64 // directories looked at again and again, for want of events
	PinnedBytes int64 // of deleted files, kept for readers that are behind

	Overflows   int64            // of the kernel's queue of events
	Loops       int64            // symlinks that lead to themselves
	Generations map[Reason]int64 // that ended, by reason
	LateBytes   int64            // of a renamed generation, after the next one had begun
	LostBytes   map[Reason]int64 // that a follower could read no more, by reason
	Breaks      int64            // files that no longer were what was proven of them

	WatchErr error // why there are no events, or not for all directories
}

// Stats returns the numbers of now.
func (s *Set) Stats() Stats {
	s.setup()
	st := Stats{
		Overflows: s.stats.overflows.Load(), Loops: s.stats.loops.Load(),
		LateBytes: s.stats.lateBytes.Load(), Breaks: s.stats.breaks.Load(),
		Generations: make(map[Reason]int64), LostBytes: make(map[Reason]int64),
		PinnedBytes: s.holder.pinnedBytes(), Held: s.holder.count(),
	}
	for r := Rotated; r <= Forgotten; r++ {
		if n := s.stats.ends[r].Load(); n > 0 {
			st.Generations[r] = n
		}
		if n := s.stats.lostBytes[r].Load(); n > 0 {
			st.LostBytes[r] = n
		}
	}
	for _, l := range s.Logs() {
		st.Logs++
		if errors.Is(l.Stat().Err, ErrParked) {
			st.Parked++
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.WatchErr = s.err
	for _, d := range s.dirs {
		switch {
		case !d.polled:
			st.WatchedDirs++
		case len(d.logs) > 0 || s.concerns(d.path):
			st.PolledDirs++
		}
	}
	return st
}
