package stream

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/logfile"
)

// A queue has the sources that may have news. A quiet log costs no goroutine and
// no buffer: it comes back into the queue when something happens.
type queue struct {
	mu      sync.Mutex // guards what follows, and queued and running of the sources
	waiting []*source
	more    chan struct{} // has room for one
}

// queuing is what a queue keeps of a source.
type queuing struct {
	queued  bool // to be run, or to be run again
	running bool

	wake    func()      // puts it into the queue
	changed func()      // the same, when its log has changed
	awaits  atomic.Bool // changed is to be called
	overdue atomic.Bool // what is unfinished has waited long enough
	timer   *time.Timer // for that
}

// put adds a source, unless it is there already. One that is being run is run
// again after that.
func (q *queue) put(r *source) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if r.queued {
		return
	}
	r.queued = true
	if !r.running {
		q.append(r)
	}
}

func (q *queue) append(r *source) {
	q.waiting = append(q.waiting, r)
	q.signal()
}

// done says that a source that was taken is run no more.
func (q *queue) done(r *source) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if r.running = false; r.queued {
		q.append(r)
	}
}

func (q *queue) signal() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// take returns the source that has waited longest, or nil when ctx ends. It is run
// by nobody else until done.
func (q *queue) take(ctx context.Context) *source {
	for {
		q.mu.Lock()
		if len(q.waiting) > 0 {
			r := q.waiting[0]
			q.waiting[0] = nil
			q.waiting = q.waiting[1:]
			r.queued, r.running = false, true
			if len(q.waiting) > 0 {
				q.signal() // for another worker
			}
			q.mu.Unlock()
			return r
		}
		q.mu.Unlock()
		select {
		case <-q.more:
		case <-ctx.Done():
			return nil
		}
	}
}

// next is when a source is to be run again.
type next struct {
	ready   bool
	rest    time.Duration // after this time; 0: when the log has changed
	seq     uint64        // since then
	partial time.Duration // if above 0, after this time at the latest, to let what is unfinished go
}

// A turn is what it takes to read a log: there are few, so that a thousand logs
// that all have news need no more memory than a few.
type turn struct {
	in, out []byte
	writes  chan error // the result of what is being appended; nil: nothing is
	written []byte     // for that
}

// settle waits for what is being appended.
func (t *turn) settle() error {
	if t.writes == nil {
		return nil
	}
	err := <-t.writes
	t.writes = nil
	return err
}

// work runs sources until ctx ends.
func (s *Stream) work(ctx context.Context) {
	t := &turn{in: make([]byte, readSize)}
	for {
		r := s.queue.take(ctx)
		if r == nil {
			return
		}
		again := r.run(ctx, t)
		if max(cap(t.out), cap(t.written)) > 8*readSize { // entries that were huge
			t.out, t.written = nil, nil
		}
		if ctx.Err() != nil {
			return
		}
		r.await(ctx, again)
		s.queue.done(r)
	}
}

func workers() int { return max(2, runtime.GOMAXPROCS(0)) }

// await sees to it that r comes back into the queue.
func (r *source) await(ctx context.Context, n next) {
	switch {
	case n.ready:
		r.wake()
	case n.rest > 0:
		time.AfterFunc(n.rest, r.wake)
	default:
		r.awaitPartial(n.partial)
		r.awaitChange(ctx, n.seq)
	}
}

// awaitPartial has r woken after d of quiet, if d is above 0.
func (r *source) awaitPartial(d time.Duration) {
	switch {
	case d <= 0 && r.timer != nil:
		r.timer.Stop()
	case d <= 0:
	case r.timer != nil:
		r.timer.Reset(d)
	default:
		r.timer = time.AfterFunc(d, func() {
			r.overdue.Store(true)
			r.wake()
		})
	}
}

// awaitChange has r woken when its log has changed since seq.
func (r *source) awaitChange(ctx context.Context, seq uint64) {
	if !r.awaits.CompareAndSwap(false, true) {
		return
	}
	if l, ok := r.log.(interface{ Notify(uint64, func()) }); ok {
		l.Notify(seq, r.changed)
		return
	}
	r.stream.waiting.Go(func() {
		if r.log.Wait(ctx, seq) == nil {
			r.changed()
		}
	})
}

var _ interface{ Notify(uint64, func()) } = (*logfile.Log)(nil)
