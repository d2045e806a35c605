package stream

import (
	"sync"
	"sync/atomic"
)

// OutletStats are how things stand at one outlet, and what was counted since the
// start.
type OutletStats struct {
	Clients int64
	Total   int64 // clients there have been
	Sent    int64 // bytes
	Gaps    int64 // told to clients
	Gapped  int64 // bytes of the spool that they were about
	Behind  int64 // bytes of the spool that the slowest client has not got
}

// An outlet knows its clients.
type outlet struct {
	total, sent, gaps, gapped atomic.Int64

	mu      sync.Mutex // guards what follows
	readers map[*reader]struct{}
}

func (o *outlet) add(r *reader) {
	o.total.Add(1)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.readers == nil {
		o.readers = make(map[*reader]struct{})
	}
	o.readers[r] = struct{}{}
}

func (o *outlet) remove(r *reader) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.readers, r)
}

func (o *outlet) clients() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.readers)
}

func (o *outlet) gap(n int64) {
	o.gaps.Add(1)
	o.gapped.Add(n)
}

func (o *outlet) stats(end int64) OutletStats {
	st := OutletStats{Total: o.total.Load(), Sent: o.sent.Load(), Gaps: o.gaps.Load(), Gapped: o.gapped.Load()}
	o.mu.Lock()
	defer o.mu.Unlock()
	st.Clients = int64(len(o.readers))
	for r := range o.readers {
		st.Behind = max(st.Behind, end-r.off.Load())
	}
	return st
}
