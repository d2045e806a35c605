package logfile

import "context"

// Wait returns nil once the Seq is no longer seq, or ctx's error.
func (l *Log) Wait(ctx context.Context, seq uint64) error {
	l.mu.Lock()
	if l.seq != seq || l.dirty {
		l.mu.Unlock()
		return ctx.Err()
	}
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	ch := l.changed
	l.mu.Unlock()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Notify has f called once, as soon as the Seq is no longer seq: it is Wait for
// those who wait for more logs than they want goroutines. f must not block, nor
// call the Log.
func (l *Log) Notify(seq uint64, f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seq != seq || l.dirty {
		f()
		return
	}
	l.calls = append(l.calls, f)
}

// awaited says that somebody waits for a change.
func (l *Log) awaited() bool { return l.changed != nil || l.calls != nil }

// publish wakes all who wait.
func (l *Log) publish() {
	l.seq++
	for _, f := range l.calls {
		f()
	}
	l.calls = nil
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}
