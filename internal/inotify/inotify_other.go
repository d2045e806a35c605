//go:build !linux

package inotify

// A Watcher is one inotify instance; there is none on this system.
type Watcher struct{}

// New fails with ErrUnsupported.
func New() (*Watcher, error) { return nil, ErrUnsupported }

// Add fails with ErrUnsupported.
func (w *Watcher) Add(dir string) (int32, error) { return 0, ErrUnsupported }

// Remove does nothing.
func (w *Watcher) Remove(watch int32) {}

// Wait fails with ErrUnsupported.
func (w *Watcher) Wait() error { return ErrUnsupported }

// Poll finds nothing.
func (w *Watcher) Poll(evs []Event) []Event { return evs }

// Close does nothing.
func (w *Watcher) Close() error { return nil }
