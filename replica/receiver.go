package replica

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// DefaultMaxChannels is what a Receiver's MaxChannels means when it is zero.
const DefaultMaxChannels = 1 << 17

const (
	// syncTries is how often in a row the sync of a copy may fail before it is
	// given up.
	syncTries = 3
	// How long a sender leaves alone what could not be taken.
	retryBusy, retryTaken = 5 * time.Second, time.Minute
	// More takeovers of one instance than maxTakeovers within parkFor are two
	// machines that end each other: both are parked for as long.
	maxTakeovers, parkFor = 5, time.Minute
)

// A Receiver keeps the copies of a store, for all senders. Each connection has a
// [Sink]. Run commits what they wrote. Its fields are set before use.
type Receiver struct {
	Store       Store
	Name        string           // what it calls itself
	Software    string           // and its version, for people
	MaxChannels int              // of one connection
	Now         func() time.Time // nil: time.Now; for takeovers and for what is shown only

	once   sync.Once
	wake   chan struct{} // there is something to commit
	commit sync.Mutex    // held over a round

	mu        sync.Mutex // guards what follows; taken behind a held's
	copies    map[ID]*held
	dirty     []*held
	sinks     map[instance]*Sink
	takeovers map[instance][]time.Time
	fails     map[ID]int // syncs in a row
	err       error      // the store has stopped

	counters
}

// An instance is one sending process's state: a newer connection of it ends the
// older one.
type instance struct {
	sender string
	id     [16]byte
}

func (r *Receiver) setup() {
	r.once.Do(func() {
		r.wake = make(chan struct{}, 1)
		r.copies, r.fails = make(map[ID]*held), make(map[ID]int)
		r.sinks, r.takeovers = make(map[instance]*Sink), make(map[instance][]time.Time)
	})
}

func (r *Receiver) maxChannels() int { return cmp.Or(r.MaxChannels, DefaultMaxChannels) }

func (r *Receiver) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

// Sink returns what answers one connection. sender is the name of the key that the
// peer has proven to have. It has to be closed.
func (r *Receiver) Sink(sender string) *Sink {
	r.setup()
	return &Sink{r: r, sender: sender, wake: make(chan struct{}, 1), channels: make(map[uint32]*held), acks: make(map[uint32]int64)}
}

// Run commits until ctx ends, and once more then. There is no timer: as soon as one
// commit is done, the next takes all that was written meanwhile. It returns the
// error that stopped the store.
func (r *Receiver) Run(ctx context.Context) error {
	r.setup()
	for {
		select {
		case <-r.wake:
			if err := r.Commit(); err != nil {
				return err
			}
		case <-ctx.Done():
			return r.Commit()
		}
	}
}

// Commit makes durable, and acknowledges, what was written before the call.
func (r *Receiver) Commit() error {
	r.setup()
	r.commit.Lock()
	defer r.commit.Unlock()
	r.mu.Lock()
	batch, err := r.dirty, r.err
	r.dirty = nil
	r.mu.Unlock()
	if err != nil || len(batch) == 0 {
		return err
	}
	if err := r.beginAll(batch); err != nil {
		r.stop(err)
		return err
	}
	began := time.Now()
	var files []Copy
	var updates []Update
	var with []*held // each file's
	for _, h := range batch {
		if u, ok := h.snapshot(); ok {
			files, updates, with = append(files, h.file), append(updates, u), append(with, h)
		}
	}
	if len(with) == 0 {
		return nil
	}
	failed := make([]error, len(with))
	durable := make([]Update, 0, len(with))
	for i, err := range r.Store.Sync(files) {
		if failed[i] = err; err == nil {
			durable = append(durable, updates[i])
		}
	}
	if err := r.Store.Commit(durable); err != nil {
		var busy *BusyError
		if !errors.As(err, &busy) {
			r.stop(err)
			return err
		}
		for i := range failed {
			if failed[i] == nil {
				failed[i] = err
			}
		}
	}
	r.committed(time.Since(began))
	for i, h := range with {
		h.finish(updates[i], failed[i])
	}
	return nil
}

// beginAll begins the copies that are new in a batch: a directory that is shipped for
// the first time has thousands, and a commit for each takes as long as its bytes.
func (r *Receiver) beginAll(batch []*held) error {
	var list []New
	for _, h := range batch {
		h.mu.Lock()
		if q := h.waiting; h.fresh && q != nil {
			list = append(list, New{h.id, q.path, q.leftAt()})
		}
		h.fresh = false
		h.mu.Unlock()
	}
	if len(list) < 2 {
		return nil
	}
	return r.Store.Begin(list)
}

// stop ends all connections: what is durable is not known any more.
func (r *Receiver) stop(err error) {
	r.mu.Lock()
	if r.err == nil {
		r.err = err
	}
	var sinks []*Sink
	for _, s := range r.sinks {
		sinks = append(sinks, s)
	}
	r.mu.Unlock()
	for _, s := range sinks {
		s.reject(&ProtocolError{CodeFailed, "the receiver's store has stopped: " + err.Error()})
	}
}

// Err is why the store has stopped; nil: it has not.
func (r *Receiver) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// toCommit notes that there is something to commit of a copy.
func (r *Receiver) toCommit(h *held) {
	r.mu.Lock()
	r.dirty = append(r.dirty, h)
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// hold returns the held copy of that id, locked.
func (r *Receiver) hold(id ID) *held {
	for {
		r.mu.Lock()
		h := r.copies[id]
		if h == nil {
			h = &held{r: r, id: id}
			r.copies[id] = h
		}
		r.mu.Unlock()
		h.mu.Lock()
		if !h.gone {
			return h
		}
		h.mu.Unlock()
	}
}

// admit lets a sink in, and ends the older one of its instance.
func (r *Receiver) admit(s *Sink, id [16]byte) error {
	key := instance{s.sender, id}
	r.mu.Lock()
	if r.err != nil {
		defer r.mu.Unlock()
		return &ProtocolError{CodeFailed, "the receiver's store has stopped: " + r.err.Error()}
	}
	older := r.sinks[key]
	parked := r.parked(key, older != nil)
	if parked {
		delete(r.sinks, key)
	} else {
		s.instance, r.sinks[key] = key, s
	}
	r.mu.Unlock()
	both := &ProtocolError{CodeParked, "two machines, or processes, send with one key and one state: they end each other. " +
		"A cloned machine needs a key and a state of its own"}
	switch {
	case older == nil:
	case parked:
		older.reject(both)
		older.Close()
	default:
		older.fence()
		older.Close()
	}
	if parked {
		return both
	}
	return nil
}

// parked counts a takeover, if it is one, and says whether there were too many. r.mu
// is held.
func (r *Receiver) parked(key instance, takeover bool) bool {
	now := r.now()
	for k, times := range r.takeovers {
		if times = slices.DeleteFunc(times, func(t time.Time) bool { return now.Sub(t) >= parkFor }); len(times) == 0 {
			delete(r.takeovers, k)
		} else {
			r.takeovers[k] = times
		}
	}
	if takeover && len(r.takeovers[key]) <= maxTakeovers {
		r.takeovers[key] = append(r.takeovers[key], now)
	}
	return len(r.takeovers[key]) > maxTakeovers
}

// forget is the end of a sink.
func (r *Receiver) forget(s *Sink) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sinks[s.instance] == s {
		delete(r.sinks, s.instance)
	}
}
