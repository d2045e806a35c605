package store

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"

	"fairlead/replica"
)

// maxBegin is how many copies are begun with one commit.
const maxBegin = 256

// Begin begins copies, so many with one commit. It takes those whose names nobody
// has; what is less simple it leaves to Open.
func (s *Store) Begin(list []replica.New) error {
	for part := range slices.Chunk(list, maxBegin) {
		if err := s.beginPart(part); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) beginPart(list []replica.New) error {
	list, release := s.claimFree(list)
	defer release()
	s.placing.Lock()
	defer s.placing.Unlock()
	b := batch{s: s, parents: make(map[string]*os.Root), dirs: make(map[string]bool), files: make(map[string]bool)}
	defer b.close()
	var changes []change
	begun := make(map[string]int) // by sender
	for _, n := range list {
		r, err := s.record(n.ID)
		if err != nil {
			return err
		}
		if r != nil || s.more(n.Sender, begun[n.Sender]+1) != nil {
			continue
		}
		r = newRecord(n.ID, slices.Clone(n.Path), n.Ended)
		r.file = path.Join(append([]string{r.Sender}, s.nameOf(r)...)...)
		switch free, err := b.take(r.file); {
		case err != nil:
			return err
		case free:
			changes = append(changes, change{new: r})
			begun[n.Sender]++
		}
	}
	if len(changes) == 0 {
		return nil
	}
	err := s.change(changes...)
	if busy := new(replica.BusyError); errors.As(err, &busy) {
		return nil // Open says so of each
	}
	return err
}

// claimFree claims those of the copies that can be begun and that nobody is at work
// at. It does not wait.
func (s *Store) claimFree(list []replica.New) (free []replica.New, release func()) {
	var ids []replica.ID
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range list {
		if _, taken := s.claims[n.ID]; taken || checkSender(n.Sender) != nil || CheckPath(n.Path) != nil {
			continue
		}
		s.claims[n.ID] = false
		ids, free = append(ids, n.ID), append(free, n)
	}
	return free, func() { s.release(ids...) }
}

// A batch is the names that copies are about to get. They are in no record yet.
type batch struct {
	s       *Store
	parents map[string]*os.Root // of directories; nil: there is none
	dirs    map[string]bool     // what can be, or become, a directory
	files   map[string]bool
}

func (b *batch) close() {
	for _, dir := range b.parents {
		if dir != nil {
			dir.Close()
		}
	}
}

// take takes a name, if it is free and all above it can be directories.
func (b *batch) take(name string) (free bool, err error) {
	if b.files[name] || b.dirs[name] {
		return false, nil
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if b.dirs[dir] {
			break // and so can all above it
		}
		if holder, err := b.s.holder(dir); err != nil || holder != nil || b.files[dir] {
			return false, err
		}
	}
	if holder, err := b.s.holder(name); err != nil || holder != nil {
		return false, err
	}
	there, ok := b.parent(name)
	if !ok {
		return false, nil
	}
	if there != nil {
		if _, err := there.Lstat(path.Base(name)); !errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		b.dirs[dir] = true
	}
	b.files[name] = true
	return true, nil
}

// parent opens the directory that a name is in, nil if there is none yet; ok is
// false if there cannot be.
func (b *batch) parent(name string) (dir *os.Root, ok bool) {
	at := path.Dir(name)
	if dir, known := b.parents[at]; known {
		return dir, true
	}
	dir, _, err := b.s.disk.Sub(name, false)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false
	}
	b.parents[at] = dir
	return dir, true
}
