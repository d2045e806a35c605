package stream

import (
	"errors"
	"sync/atomic"
	"syscall"
	"time"

	"fairlead/spool"
)

// Stats are plain numbers of a Stream.
type Stats struct {
	Lost   int64 // bytes of logs that were gone before they could be read; each range is a gap in the stream
	Failed int64 // times that the spool could not be written, and was tried again
	Err    error // of the last of them, until a write succeeds
	Uptime time.Duration
	Spool  spool.Stats
}

// Stats returns the numbers of now.
func (s *Stream) Stats() Stats {
	st := Stats{Lost: s.lost.Load(), Failed: s.writeFailed.Load(), Uptime: time.Since(s.started), Spool: s.spool.Stats()}
	if err := s.writeErr.Load(); err != nil {
		st.Err = *err
	}
	return st
}

type counters struct {
	lost, writeFailed atomic.Int64
	writeErr          atomic.Pointer[error]
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
