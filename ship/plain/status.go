package plain

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A HostStatus is how things stand with one receiver.
type HostStatus struct {
	To    string
	Up    bool      // it answered when it was asked last
	Times int       // that it began to answer
	Since time.Time // that it is so; zero: it was not asked yet
	Err   error     // why it does not answer
	Sent  int64     // bytes, since the start
	Lost  int64     // bytes that were gone before they could be sent
	Open  int       // connections
	Files []FileStatus
}

// A FileStatus is how far one generation has come at one receiver.
type FileStatus struct {
	Path   string
	Name   string // there
	Gen    string
	Size   int64
	Sent   int64 // with what is on its way
	Stored int64 // as the receiver said when it was asked last
	Over   bool  // it has all there will be
	Err    error // why nothing is sent at the moment
	stuck  bool
	asked  bool
}

// Refused is a file that is not sent to a receiver, and why.
type Refused struct{ To, Path, Why string }

// Status says how things stand with each receiver, in the order of To.
func (s *Sender) Status() []HostStatus {
	var list []HostStatus
	for _, h := range s.hosts {
		h.mu.Lock()
		st := HostStatus{To: h.addr, Up: h.err == nil && h.times > 0, Times: h.times, Since: h.since, Err: h.err, Sent: h.sent, Lost: h.lost, Open: h.flowing}
		h.mu.Unlock()
		for _, e := range h.all() {
			st.Files = append(st.Files, e.status())
		}
		slices.SortFunc(st.Files, func(a, b FileStatus) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Name, b.Name)) })
		list = append(list, st)
	}
	return list
}

func (e *sending) status() FileStatus {
	l, st := e.part()
	e.mu.Lock()
	defer e.mu.Unlock()
	f := FileStatus{Path: l.Name(), Name: e.name, Gen: e.gen.String(), Size: e.sent, Sent: e.sent, Stored: max(0, e.far), Over: e.over, Err: e.err, stuck: e.stuck, asked: e.asked}
	if g := st.Find(e.gen); g != nil {
		f.Size = g.Size
	}
	return f
}

// Lag is how many bytes were not sent.
func (f FileStatus) Lag() int64 {
	if f.Over {
		return 0
	}
	return max(0, f.Size-f.Sent)
}

// Refused returns what is not sent at all.
func (s *Sender) Refused() (list []Refused) {
	s.mu.Lock()
	for key, why := range s.refused {
		list = append(list, Refused{key.to, key.path, why})
	}
	s.mu.Unlock()
	for _, st := range s.Status() {
		for _, f := range st.Files {
			if f.stuck {
				list = append(list, Refused{st.To, f.Path, fmt.Sprintf("the receiver has %d bytes of %s, and never what it was sent", f.Stored, f.Name)})
			}
		}
	}
	slices.SortFunc(list, func(a, b Refused) int { return cmp.Or(cmp.Compare(a.To, b.To), cmp.Compare(a.Path, b.Path)) })
	return list
}

// Settled says that every receiver has said that it has all that is there.
func (s *Sender) Settled() bool {
	s.mu.Lock()
	pending := len(s.dirty) > 0 || s.working
	known := maps.Clone(s.logs)
	s.mu.Unlock()
	for _, l := range s.Files.Logs() {
		pending = pending || known[l] == nil
	}
	for _, st := range s.Status() {
		for _, f := range st.Files {
			pending = pending || !f.stuck && !f.Over && (!f.asked || f.Stored < f.Size)
		}
		pending = pending || st.Times == 0 && len(st.Files) > 0
	}
	return !pending
}

// Unreachable is why a receiver never answered; nil: each has, or was not asked yet.
func (s *Sender) Unreachable() error {
	for _, st := range s.Status() {
		if st.Times == 0 && st.Err != nil {
			return st.Err
		}
	}
	return nil
}
