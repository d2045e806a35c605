package replica

import (
	"sync/atomic"
	"time"

	"fairlead/logfile"
)

// CommitBounds are the upper bounds, in seconds, of what [ReceiverStats] sorts
// commits by; the last bucket has none.
var CommitBounds = [...]float64{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10}

// ReceiverStats are plain numbers: how things stand, and what was counted since the
// start.
type ReceiverStats struct {
	Connections int64
	Copies      int64 // that somebody may write to

	Written int64 // bytes taken
	Late    int64 // pieces passed over, for they were there already
	Busy    int64 // channels that could not be taken, for want of room
	Fenced  int64 // connections that a newer one ended

	Commits       int64
	CommitSeconds float64                      // in all
	CommitTimes   [len(CommitBounds) + 1]int64 // how many took up to each of CommitBounds
}

type counters struct {
	count struct {
		written, late, busy, fenced atomic.Int64

		commits, nanos atomic.Int64
		times          [len(CommitBounds) + 1]atomic.Int64
	}
}

// committed counts a commit.
func (c *counters) committed(d time.Duration) {
	c.count.commits.Add(1)
	c.count.nanos.Add(int64(d))
	i := 0
	for i < len(CommitBounds) && d.Seconds() > CommitBounds[i] {
		i++
	}
	c.count.times[i].Add(1)
}

// Stats returns the numbers of now.
func (r *Receiver) Stats() ReceiverStats {
	r.setup()
	r.mu.Lock()
	st := ReceiverStats{Connections: int64(len(r.sinks)), Copies: int64(len(r.copies))}
	r.mu.Unlock()
	c := &r.count
	st.Written, st.Late, st.Busy, st.Fenced = c.written.Load(), c.late.Load(), c.busy.Load(), c.fenced.Load()
	st.Commits, st.CommitSeconds = c.commits.Load(), time.Duration(c.nanos.Load()).Seconds()
	for i := range c.times {
		st.CommitTimes[i] = c.times[i].Load()
	}
	return st
}

// SourceStats are plain numbers, counted since the start.
type SourceStats struct {
	Sent        int64 // bytes written to connections
	Acked       int64 // bytes that have become durable at the receiver
	Resumes     int64 // files that went on where their copy ended
	Divergences int64 // copies that are not what their file begins with
}

// Stats returns the numbers of now.
func (s *Source) Stats() SourceStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SourceStats{Sent: s.sent.Load(), Acked: s.total, Resumes: s.resumes, Divergences: s.divergences}
}

// Acked is how much of a file is durable at the receiver; 0 if it is not being sent.
func (s *Source) Acked(gen logfile.GenID) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.byGen[gen]; c != nil {
		return c.acked
	}
	return 0
}

// A FileStatus is how far a file has come at a receiver.
type FileStatus struct {
	File   File
	Gen    logfile.GenID // what the receiver knows it by
	Path   []string      // that the receiver knows
	State  string        // closed, opening, proving, flowing, sealing, busy
	Size   int64         // as last seen
	Sent   int64
	Acked  int64     // durable at the receiver
	Behind time.Time // since when something is not; zero: all is
	Err    error     // why it is not taken at the moment
}

// Files returns how far each file has come.
func (s *Source) Files() []FileStatus {
	s.setup()
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*channel, 0, len(s.byID))
	for _, c := range s.byID {
		if !c.yields || c.size > 0 { // else it is not known yet whether it is anything
			all = append(all, c)
		}
	}
	list := make([]FileStatus, 0, len(all))
	for _, c := range inOrder(all) {
		list = append(list, FileStatus{c.file, c.gen, c.path, c.state.String(), c.size, c.sent, c.acked, c.behind, c.trouble.last()})
	}
	return list
}
