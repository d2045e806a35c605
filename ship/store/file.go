package store

import (
	"container/list"
	"errors"
	"fmt"
	"os"
	"sync"

	"fairlead/replica"
	"fairlead/ship/disk"
)

// A file is a copy that is open. It is a [replica.Copy].
type file struct {
	s         *Store
	id        replica.ID
	readOnly  bool // it never grows again
	elsewhere bool // it is not on the file system of the store's directory

	writing sync.Mutex // held while the file is changed, and to end that for good

	mu        sync.Mutex
	name      string
	size      int64   // bytes that were written
	synced    int64   // of them durable in the file
	deferred  int64   // of them that are to become durable with the commit that names them
	committed int64   // of them in the journal, or in the log
	promised  int64   // or about to be
	fresh     bool    // it is not known to be durable that the file is there
	failed    error   // why it could not be synced, and is never again
	gone      error   // why it is not used any more
	rec       *record // as the last commit left it; nil: the journal has to be asked

	held // guarded by the cache
}

// A held is a descriptor, or none as long as nobody needs it.
type held struct {
	f     *os.File
	elem  *list.Element
	pins  int  // who uses it
	dirty bool // written to since the last sync, whose errors only this descriptor is told of
	shut  bool // to be closed once nobody uses it
}

// A cache holds at most max descriptors that nobody uses. One that is dirty is in
// use.
type cache struct {
	max int

	mu  sync.Mutex
	lru *list.List // of *file, the one used last in front
}

func newCache(max int) cache { return cache{max: max, lru: list.New()} }

// pin returns the descriptor of a file, which it opens if there is none. The caller
// does not hold the file's lock, and calls unpin.
func (c *cache) pin(v *file) (*os.File, error) {
	if f := c.pinOpen(v); f != nil {
		return f, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if f := c.pinOpen(v); f != nil {
		return f, nil
	}
	if v.gone != nil {
		return nil, v.gone
	}
	f, err := v.s.disk.Open(v.name, v.flag())
	if disk.OutOfDescriptors(err) {
		c.trim(0)
		f, err = v.s.disk.Open(v.name, v.flag())
	}
	if err != nil {
		return nil, v.s.noRoom(err)
	}
	if fi, err := f.Stat(); err != nil || !v.readOnly && fi.Size() != v.size {
		f.Close()
		return nil, &replica.BusyError{Why: fmt.Sprintf("%s was changed by somebody else", v.name), Retry: retryAgain}
	}
	c.add(v, f)
	return f, nil
}

func (v *file) flag() int {
	if v.readOnly {
		return os.O_RDONLY
	}
	return os.O_RDWR
}

// pinOpen is pin for a file that has a descriptor; nil if it has none.
func (c *cache) pinOpen(v *file) *os.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v.f == nil || v.shut {
		return nil
	}
	v.pins++
	c.lru.MoveToFront(v.elem)
	return v.f
}

// add gives a file its descriptor, in use once.
func (c *cache) add(v *file, f *os.File) {
	c.mu.Lock()
	v.f, v.pins, v.shut = f, 1, false
	v.elem = c.lru.PushFront(v)
	c.mu.Unlock()
	c.trim(c.max)
}

// trim closes descriptors that nobody uses, the ones used last aside, until there
// are no more than max.
func (c *cache) trim(max int) {
	var done []*os.File
	c.mu.Lock()
	for e := c.lru.Back(); e != nil && c.lru.Len() > max; {
		v := e.Value.(*file)
		e = e.Prev()
		if v.pins == 0 && !v.dirty {
			done = append(done, c.drop(v))
		}
	}
	c.mu.Unlock()
	for _, f := range done {
		f.Close()
	}
}

// drop takes the descriptor from a file. The caller holds mu.
func (c *cache) drop(v *file) *os.File {
	f := v.f
	c.lru.Remove(v.elem)
	v.held = held{}
	return f
}

func (c *cache) unpin(v *file) {
	c.mu.Lock()
	v.pins--
	var f *os.File
	if v.shut && v.pins == 0 {
		f = c.drop(v)
	}
	c.mu.Unlock()
	if f != nil {
		f.Close()
	}
}

// shutdown closes the descriptor of a file, as soon as nobody uses it.
func (c *cache) shutdown(v *file) {
	c.mu.Lock()
	var f *os.File
	switch {
	case v.f == nil:
	case v.pins > 0:
		v.shut = true
	default:
		f = c.drop(v)
	}
	c.mu.Unlock()
	if f != nil {
		f.Close()
	}
}

// setDirty says whether a file was written to since the last sync, and returns
// whether it was before.
func (c *cache) setDirty(v *file, dirty bool) (was bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was, v.dirty = v.dirty, dirty
	return was
}

// isDirty says that a file was written to since the last sync.
func (c *cache) isDirty(v *file) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return v.dirty
}

// ahead says that there is more of a file than Sync has made durable or deferred. It may
// be at work at that.
func (v *file) ahead() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.fresh || v.size > max(v.synced, v.deferred)
}

// has says that n bytes are durable in the file.
func (v *file) has(n int64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.synced >= n
}

// usable returns why the copy cannot be used any more, nil if it can.
func (v *file) usable() error {
	if err := v.s.alive(); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.gone
}

func (v *file) ReadAt(p []byte, off int64) (int, error) {
	if err := v.usable(); err != nil {
		return 0, err
	}
	f, err := v.s.cache.pin(v)
	if err != nil {
		return 0, err
	}
	defer v.s.cache.unpin(v)
	return f.ReadAt(p, off)
}

// WriteAt writes at the end.
func (v *file) WriteAt(p []byte, off int64) (n int, err error) {
	v.writing.Lock()
	defer v.writing.Unlock()
	if err := v.usable(); err != nil {
		return 0, err
	}
	if v.readOnly {
		return 0, &replica.BusyError{Why: "the copy is complete, and takes no bytes", Retry: retryRefused}
	}
	v.mu.Lock()
	size := v.size
	v.mu.Unlock()
	if off != size {
		return 0, fmt.Errorf("write copy %s at %d: it ends at %d", v.id.Gen, off, size)
	}
	if err := v.s.take(v.id.Sender, int64(len(p))); err != nil {
		return 0, err
	}
	defer func() { v.s.give(v.id.Sender, int64(len(p)-n)) }()
	f, err := v.s.cache.pin(v)
	if err != nil {
		return 0, err
	}
	defer v.s.cache.unpin(v)
	v.s.cache.setDirty(v, true)
	err = v.s.disk.Around.Do("write", v.where(), func() error {
		n, err = f.WriteAt(p, off)
		return err
	})
	v.mu.Lock()
	v.size += int64(n)
	v.mu.Unlock()
	v.s.cache.setDirty(v, true) // once more: a sync that began before the write has not seen it
	return n, v.s.noRoom(err)
}

// Truncate cuts off bytes that were not committed.
func (v *file) Truncate(n int64) error {
	v.writing.Lock()
	defer v.writing.Unlock()
	if err := v.usable(); err != nil {
		return err
	}
	f, err := v.s.cache.pin(v)
	if err != nil {
		return err
	}
	defer v.s.cache.unpin(v)
	v.mu.Lock()
	defer v.mu.Unlock()
	if kept := max(v.committed, v.promised); n > v.size || n < kept {
		return fmt.Errorf("truncate copy %s to %d: it has %d bytes, of which %d are committed", v.id.Gen, n, v.size, kept)
	}
	if n == v.size {
		return nil
	}
	v.s.cache.setDirty(v, true)
	v.synced, v.deferred = min(v.synced, n), min(v.deferred, n) // whatever becomes of it
	if err := v.s.disk.Cut(f, v.name, n); err != nil {
		return err
	}
	v.s.give(v.id.Sender, v.size-n)
	v.size = n
	return nil
}

func (v *file) where() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.name
}

var errClosed = errors.New("copy is closed")

// Close lets go of the copy.
func (v *file) Close() error {
	v.s.mu.Lock()
	if v.s.open[v.id] == v {
		delete(v.s.open, v.id)
	}
	v.s.mu.Unlock()
	v.s.retire(v, errClosed)
	return nil
}

// retire ends the use of a copy; a write that is under way is waited for. What only
// the log has of it, or was to have, is synced as long as there is a descriptor that is
// told of errors. How much is durable is remembered: a commit may be on its way.
func (s *Store) retire(v *file, why error) {
	v.writing.Lock()
	defer v.writing.Unlock()
	v.mu.Lock()
	first := v.gone == nil
	if first {
		v.gone = why
	}
	v.mu.Unlock()
	if !first {
		return
	}
	s.settleFile(v)
	v.mu.Lock()
	extra, synced, committed := v.size-v.committed, v.synced, v.committed
	v.mu.Unlock()
	s.cache.shutdown(v)
	s.give(v.id.Sender, extra)
	s.mu.Lock()
	defer s.mu.Unlock()
	if synced > committed && s.open[v.id] == nil {
		s.durable[v.id] = synced
	}
}
