package plain

import "sync/atomic"

// A reason says why a connection was turned away, or ended.
type reason uint8

const (
	crowded    reason = iota // as many are here as may be, in all or of one address
	notLocal                 // it comes from another machine
	lateHeader               // no name in time
	badHeader                // no name, or one without an end
	badName                  // one that no file here can have
	badFile                  // what has the name cannot be written
	noRoom                   // the disk, or the quota of the address, is used up
	panicked                 // a bug of ours
	reasons
)

var reasonNames = [reasons]string{
	"crowded", "not-local", "late-header", "bad-header", "bad-name", "bad-file", "no-room", "panic",
}

func (r reason) String() string { return reasonNames[r] }

type counters struct {
	open, bytes, replaced, syncErrors atomic.Int64
	refused                           [reasons]atomic.Int64
}

// ReceiverStats are the numbers of a Receiver.
type ReceiverStats struct {
	Connections int64            // that send now
	Bytes       int64            // stored since the start
	Files       int64            // that are there
	Replaced    int64            // connections that a newer one of the same file ended
	SyncErrors  int64            // fsyncs that failed
	Refused     map[string]int64 // connections that were turned away, or ended for want of room, by reason
}

// Stats returns the numbers of now.
func (r *Receiver) Stats() ReceiverStats {
	st := ReceiverStats{
		Connections: r.open.Load(), Bytes: r.bytes.Load(), Replaced: r.replaced.Load(), SyncErrors: r.syncErrors.Load(),
		Refused: make(map[string]int64, reasons),
	}
	for why := range reasons {
		st.Refused[why.String()] = r.refused[why].Load()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, u := range r.usage {
		st.Files += int64(u.files)
	}
	return st
}
