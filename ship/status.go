package ship

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"fairlead/logfile"
	"fairlead/replica"
)

func reasonText(r replica.Reason) string {
	if int(r) < len(reasonTexts) {
		return reasonTexts[r]
	}
	return "unknown"
}

var reasonTexts = [...]string{"", "rotated", "truncated", "deleted", "lost", "regressed", "changed"}

// A LinkStatus is how things stand with one receiver.
type LinkStatus struct {
	To    string
	Up    bool
	Times int       // that it was connected
	Since time.Time // that it is so; zero: it was not tried yet
	Err   error     // why it is not connected
	Rate  float64   // bytes acknowledged per second, over the last seconds
	Files []FileStatus
}

// A FileStatus is how far one generation has come at one receiver.
type FileStatus struct {
	Path  string
	Gen   logfile.GenID // what the receiver knows it by
	From  logfile.GenID // what it is here
	State string        // closed, opening, proving, flowing, sealing, busy
	Size  int64
	Sent  int64
	Acked int64
	Since time.Time // that not all is acknowledged; zero: it is
	Err   error     // why it is not taken at the moment
}

// Lag is how many bytes are not acknowledged.
func (f FileStatus) Lag() int64 { return max(0, f.Size-f.Acked) }

// Refused says that the receiver will not take it, whenever it is asked: its name
// cannot be one there.
func (f FileStatus) Refused() bool {
	var peer *replica.PeerError
	var refused *replica.RefusedError
	return errors.As(f.Err, &refused) || errors.As(f.Err, &peer) && peer.Code == replica.CodeRefused
}

// complete says that the receiver has all of it that is there.
func (f FileStatus) complete() bool {
	return f.Refused() || f.Lag() == 0 && (f.State == "flowing" || f.State == "sealing")
}

// Settled says that every receiver has all that is there; of a group those that have
// its files.
func (s *Sender) Settled() bool {
	s.mu.Lock()
	pending := len(s.dirty) > 0 || s.working
	for _, l := range s.Files.Logs() {
		pending = pending || s.logs[l] == nil && isOurs(l)
	}
	s.mu.Unlock()
	for _, group := range s.links {
		up := false
		for _, l := range group {
			st := l.status()
			up = up || st.Up
			for _, f := range st.Files {
				pending = pending || !f.complete()
			}
		}
		pending = pending || !up
	}
	if pending {
		return false
	}
	s.takeEvents() // so that Lost has all there was
	return true
}

// Unreachable is why a group has no receiver that was ever connected; nil: each has,
// or not all of them were tried.
func (s *Sender) Unreachable() error {
	for _, group := range s.links {
		var errs []error
		for _, l := range group {
			if st := l.status(); st.Times == 0 && st.Err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", st.To, st.Err))
			}
		}
		if len(errs) == len(group) {
			return errors.Join(errs...)
		}
	}
	return nil
}

// Status says how things stand with each receiver, in the order of To.
func (s *Sender) Status() []LinkStatus {
	var list []LinkStatus
	for _, group := range s.links {
		for _, l := range group {
			list = append(list, l.status())
		}
	}
	return list
}

func (l *link) status() LinkStatus {
	l.mu.Lock()
	st := LinkStatus{To: l.to.Name, Up: l.up, Times: l.times, Since: l.since, Err: l.err}
	l.mu.Unlock()
	st.Rate = l.rate.get()
	for _, f := range l.source.Files() {
		if !st.Up { // nobody has looked at it since
			f.Size = max(f.Size, f.File.Stat().Size)
			if f.Behind.IsZero() && f.Size > f.Acked {
				f.Behind = st.Since
			}
		}
		st.Files = append(st.Files, FileStatus{
			Path: "/" + strings.Join(f.Path, "/"), Gen: f.Gen, From: f.File.Gen(), State: f.State, Size: f.Size, Sent: f.Sent, Acked: f.Acked, Since: f.Behind, Err: f.Err,
		})
	}
	return st
}

// Lost returns the newest losses, and how many bytes were lost in all.
func (s *Sender) Lost() ([]Lost, int64) { return s.ledger.all() }

// Stats are the numbers of all receivers together.
func (s *Sender) Stats() (all replica.SourceStats) {
	for _, group := range s.links {
		for _, l := range group {
			st := l.source.Stats()
			all.Sent, all.Acked = all.Sent+st.Sent, all.Acked+st.Acked
			all.Resumes, all.Divergences = all.Resumes+st.Resumes, all.Divergences+st.Divergences
		}
	}
	return all
}
