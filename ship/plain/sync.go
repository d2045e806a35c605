package plain

import (
	"fmt"
	"os"
	"time"
)

// ready makes all that the file has durable, and sees how much that is. If an fsync of it
// has failed before, what is not known to be durable is cut off.
func (w *writer) ready() error {
	r := w.r
	fi, err := w.f.Stat()
	if err != nil {
		return err
	}
	w.off = fi.Size()
	r.mu.Lock()
	good, failed := r.failed[w.name]
	r.mu.Unlock()
	if failed && good < w.off {
		if err := r.disk.Cut(w.f, w.name, good); err != nil {
			return err
		}
		r.use(w.address, good-w.off, 0)
		w.off = good
	}
	if err := r.disk.SyncFile(w.f, w.name, true); err != nil {
		return err
	}
	w.synced = w.off
	if failed {
		r.mu.Lock()
		delete(r.failed, w.name)
		r.mu.Unlock()
	}
	return nil
}

// syncIfDue makes durable what has come if nothing came for a while, or if it never
// stops coming.
func (w *writer) syncIfDue(quiet bool) error {
	if w.dirty.IsZero() || !quiet && time.Since(w.dirty) < syncEvery {
		return nil
	}
	return w.sync()
}

// sync makes all durable. If that fails the descriptor is not asked again.
func (w *writer) sync() error {
	if w.syncError != nil || w.dirty.IsZero() {
		return w.syncError
	}
	d := w.r.disk
	err := d.SyncFile(w.f, w.name, w.synced == 0)
	if err == nil && w.synced == 0 {
		err = d.SyncDirOf(w.name)
	}
	if err == nil {
		w.synced, w.dirty = w.off, time.Time{}
		return nil
	}
	w.r.syncErrors.Add(1)
	w.syncError = fmt.Errorf("make %s durable: %w", w.name, err)
	return w.syncError
}

// mend cuts a file whose fsync has failed to what was durable, through another
// descriptor. Until that has succeeded it is offered to nobody.
func (w *writer) mend() (err error) {
	if w.syncError == nil {
		return nil
	}
	w.r.mu.Lock()
	w.r.failed[w.name] = w.synced
	w.r.mu.Unlock()
	if w.f, err = w.r.disk.Open(w.name, os.O_RDWR); err != nil {
		return err
	}
	defer w.f.Close()
	return w.ready()
}
