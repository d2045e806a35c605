package store

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"fairlead/replica"
	"fairlead/ship/disk"
)

// limits is what senders and the store may have.
type limits struct {
	mu      sync.Mutex
	senders map[string]*usage
}

// A usage is what one sender has.
type usage struct {
	bytes   int64 // committed
	pending int64 // written to open copies behind that
	files   int
}

// of returns the usage of a sender. The caller holds mu.
func (l *limits) of(sender string) *usage {
	u := l.senders[sender]
	if u == nil {
		u = &usage{}
		l.senders[sender] = u
	}
	return u
}

// take counts n bytes that a sender is about to write, or says why it may not.
func (s *Store) take(sender string, n int64) error {
	if err := s.highWater(); err != nil {
		return err
	}
	quota := s.quota(sender)
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	u := s.limits.of(sender)
	if sum := u.bytes + u.pending + n; quota.Bytes > 0 && sum > quota.Bytes {
		return s.busy(retryQuota, "the quota of %s is used up: %d of %d bytes", sender, u.bytes+u.pending, quota.Bytes)
	}
	u.pending += n
	return nil
}

// give takes back what take counted.
func (s *Store) give(sender string, n int64) {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	s.limits.of(sender).pending -= n
}

// more says why a sender may not have n more files, nil if it may.
func (s *Store) more(sender string, n int) error {
	if err := s.highWater(); err != nil {
		return err
	}
	quota := s.quota(sender)
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	if u := s.limits.of(sender); quota.Files > 0 && u.files+n > quota.Files {
		return s.busy(retryQuota, "the quota of %s is used up: %d of %d files", sender, u.files, quota.Files)
	}
	return nil
}

func (s *Store) quota(sender string) Quota {
	if s.o.Quota == nil {
		return Quota{}
	}
	return s.o.Quota(sender)
}

// highWater says that the disk is too full, nil if it is not.
func (s *Store) highWater() error {
	filled := s.disk.Space(s.o.Now()).Filled()
	if filled <= s.o.HighWater {
		return nil
	}
	return s.busy(retryFull, "the store's disk is %.0f %% full; above %.0f %% nothing is accepted", 100*filled, 100*s.o.HighWater)
}

// busy is a BusyError, counted.
func (s *Store) busy(retry time.Duration, format string, args ...any) *replica.BusyError {
	s.trouble.busy.Add(1)
	return &replica.BusyError{Why: fmt.Sprintf(format, args...), Retry: retry}
}

// noRoom makes a BusyError of an error that means that there is no room. Others
// stay what they are.
func (s *Store) noRoom(err error) error {
	var busy *replica.BusyError
	if err == nil || errors.As(err, &busy) {
		return err
	}
	if why, ok := disk.Full(err); ok {
		return s.busy(retryFull, "%s", why)
	}
	return err
}

// refused makes a BusyError of whatever keeps one copy from being opened: nothing
// is in doubt but this copy.
func (s *Store) refused(file string, err error) error {
	err = s.noRoom(err)
	var busy *replica.BusyError
	if errors.Is(err, ErrStopped) || errors.As(err, &busy) {
		return err
	}
	s.problem(file, err.Error(), "put right what is at this name, or move it away: the copy goes on by itself")
	return s.busy(retryRefused, "%v", err)
}

// account counts a change of a record; old is nil for a new one, new for one that
// is only seen.
func (s *Store) account(old, new *record) {
	s.limits.mu.Lock()
	u := s.limits.of(new.Sender)
	if old != nil && old.State != replica.Pruned {
		u.bytes -= old.N
		u.files--
	}
	if new.State != replica.Pruned {
		u.bytes += new.N
		u.files++
	}
	s.limits.mu.Unlock()

	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.count(old, -1)
	s.counts.count(new, 1)
}

func (st *Stats) count(r *record, n int) {
	if r == nil {
		return
	}
	st.Copies[r.State] += n
	if r.State == replica.Pruned {
		st.PrunedBytes += int64(n) * r.N
		return
	}
	st.Bytes += int64(n) * r.N
}
