package stream

import (
	"errors"
	"sync/atomic"
	"syscall"
	"time"

	"fairlead/logfile"
	"fairlead/spool"
)

// Stats are plain numbers of a Stream.
type Stats struct {
	Lost   int64 // bytes of logs that were gone before they could be read; each range is a gap in the stream
	Failed int64 // times that the spool could not be written, and was tried again
	Err    error // of the last of them, until a write succeeds
	Uptime time.Duration
	Spool  spool.Stats

	Entries map[string]int64 // that were put into the stream, by level: trace, debug, info, warn, error, fatal, none
}

// Stats returns the numbers of now.
func (s *Stream) Stats() Stats {
	st := Stats{Lost: s.lost.Load(), Failed: s.writeFailed.Load(), Uptime: time.Since(s.started), Spool: s.spool.Stats()}
	if err := s.writeErr.Load(); err != nil {
		st.Err = *err
	}
	st.Entries = make(map[string]int64, len(s.entries))
	for i, name := range levelWordsByRank {
		st.Entries[name] = s.entries[i].Load()
	}
	return st
}

// Read returns how far each generation has been read that the stream is in: there
// the next of its entries begins. It is one look at all logs, however many.
func (s *Stream) Read() map[logfile.GenID]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	read := make(map[logfile.GenID]int64, len(s.stands))
	for _, ps := range s.stands {
		for i := range ps {
			read[ps[i].pos.Gen] = max(read[ps[i].pos.Gen], ps[i].pos.Off)
		}
	}
	return read
}

// levelWordsByRank are the names by rank, and that of none.
var levelWordsByRank = [...]string{"none", "trace", "debug", "info", "warn", "error", "fatal"}

// rank is levelRank of what a line says, quick where it is said as most do.
func rank(level []byte) int {
	switch string(level) {
	case "":
		return 0
	case "TRACE", "trace":
		return 1
	case "DEBUG", "debug":
		return 2
	case "INFO", "info":
		return 3
	case "WARN", "warn", "WARNING", "warning":
		return 4
	case "ERROR", "error":
		return 5
	}
	const longest = len("informational")
	if len(level) > longest {
		return 0
	}
	return levelRank(string(level))
}

// A tally is a number of entries by the rank of their level.
type tally [len(levelWordsByRank)]int64

// take empties the tally.
func (t *tally) take() tally {
	counted := *t
	*t = tally{}
	return counted
}

type counters struct {
	lost, writeFailed atomic.Int64
	writeErr          atomic.Pointer[error]
	entries           [len(levelWordsByRank)]atomic.Int64
}

// count adds entries that are in the spool.
func (c *counters) count(t *tally) {
	for i, n := range t {
		if n > 0 {
			c.entries[i].Add(n)
		}
	}
}

// failed notes that the spool could not be written. Nothing is lost by it: the
// logs are read on when it can be.
func (s *Stream) failed(err error) {
	s.writeFailed.Add(1)
	if s.writeErr.Swap(&err) == nil {
		cure := "look at the disk of the state directory"
		if errors.Is(err, syscall.ENOSPC) {
			cure = "make room on the disk of the state directory, or keep the spool in memory"
		}
		s.log().Error("the spool cannot be written; trying again, and reading nothing meanwhile", "err", err, "cure", cure)
	}
}

// wrote notes that it could.
func (s *Stream) wrote() {
	if s.writeErr.Load() != nil && s.writeErr.Swap(nil) != nil {
		s.log().Info("the spool can be written again")
	}
}
