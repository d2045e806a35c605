package replica_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"fairlead/logfile"
	"fairlead/replica"
)

// A shelf is a store in memory whose bytes are durable at once.
type shelf struct {
	mu     sync.Mutex
	copies map[replica.ID]*stored
	order  []replica.ID
	syncs  func() error // what Sync says; nil: nil

	writes  func(p []byte) (int, error) // how WriteAt fails; nil: not
	commits error                       // what Commit says
}

type stored struct {
	shelf  *shelf
	rec    replica.Record
	leaves []replica.Hash
	bytes  []byte
}

func newShelf() *shelf { return &shelf{copies: make(map[replica.ID]*stored)} }

func (s *shelf) Find(id replica.ID) (replica.Record, []replica.Hash, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.copies[id]
	if c == nil {
		return replica.Record{}, nil, false, nil
	}
	return c.rec, slices.Clone(c.leaves), true, nil
}

func (s *shelf) Under(sender string, path []string, head replica.Head, most int) (list []replica.Record, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Backward(s.order) {
		c := s.copies[id]
		if id.Sender == sender && slices.Equal(c.rec.Path, path) && c.rec.State < replica.Diverged && len(list) < most {
			list = append(list, c.rec)
		}
	}
	return list, nil
}

func (s *shelf) Open(id replica.ID, path []string, _ time.Time) (replica.Copy, replica.Record, []replica.Hash, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.copies[id]
	if c == nil {
		c = &stored{shelf: s, rec: replica.Record{ID: id, Rest: new(replica.Tree).Rest()}}
		s.copies[id] = c
		s.order = append(s.order, id)
	}
	c.rec.Path = path
	c.bytes = c.bytes[:c.rec.N]
	return c, c.rec, slices.Clone(c.leaves), nil
}

func (s *shelf) Begin([]replica.New) error { return nil }

func (s *shelf) End(id replica.ID, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.copies[id].rec.Ended = at
	return nil
}

func (s *shelf) Sync(copies []replica.Copy) []error {
	errs := make([]error, len(copies))
	if s.syncs != nil {
		for i := range errs {
			errs[i] = s.syncs()
		}
	}
	return errs
}

func (s *shelf) Rehash(id replica.ID, first int64, count int) ([]replica.Hash, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.copies[id]
	var t replica.Tree
	t.Write(c.bytes[:c.rec.N])
	all := append(slices.Clone(t.Leaves()), t.Rest())
	return all[min(first, int64(len(all))):min(first+int64(count), int64(len(all)))], nil
}

func (s *shelf) Commit(updates []replica.Update) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.commits != nil {
		return s.commits
	}
	for _, u := range updates {
		c := s.copies[u.ID]
		c.rec.N, c.rec.Rest, c.rec.State, c.rec.Seal = u.N, u.Rest, u.State, u.Seal
		if c.leaves = append(c.leaves, u.Leaves...); int64(len(c.leaves)) != u.N/replica.LeafSize {
			return errors.New("the leaves do not fit")
		}
	}
	return nil
}

// of returns the copies under a path, the oldest first.
func (s *shelf) of(name string) (list []stored) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.order {
		if c := s.copies[id]; c.rec.Path[len(c.rec.Path)-1] == name {
			list = append(list, stored{rec: c.rec, bytes: bytes.Clone(c.bytes[:c.rec.N])})
		}
	}
	return list
}

func (c *stored) ReadAt(p []byte, off int64) (int, error) {
	c.shelf.mu.Lock()
	defer c.shelf.mu.Unlock()
	return bytes.NewReader(c.bytes).ReadAt(p, off)
}

func (c *stored) WriteAt(p []byte, off int64) (int, error) {
	c.shelf.mu.Lock()
	defer c.shelf.mu.Unlock()
	if off != int64(len(c.bytes)) {
		return 0, errors.New("not at the end")
	}
	if c.shelf.writes != nil {
		n, err := c.shelf.writes(p)
		c.bytes = append(c.bytes, p[:n]...)
		return n, err
	}
	c.bytes = append(c.bytes, p...)
	return len(p), nil
}

func (c *stored) Truncate(n int64) error {
	c.shelf.mu.Lock()
	defer c.shelf.mu.Unlock()
	c.bytes = c.bytes[:n]
	return nil
}

func (c *stored) Close() error { return nil }

// A text is a file in memory.
type text struct {
	gen logfile.GenID

	mu    sync.Mutex
	st    replica.FileStat
	bytes []byte
}

func newText(name string, b []byte) *text {
	return &text{gen: logfile.NewGenID(), bytes: b,
		st: replica.FileStat{Path: []string{"var", "log", name}, Size: int64(len(b)), Readable: true}}
}

func (t *text) Gen() logfile.GenID { return t.gen }

func (t *text) Stat() replica.FileStat {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.st
}

func (t *text) ReadAt(p []byte, off int64) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.st.Readable {
		return 0, &logfile.Ended{Gen: t.gen, Reason: logfile.Deleted}
	}
	if off >= int64(len(t.bytes)) {
		return 0, io.EOF
	}
	return copy(p, t.bytes[off:]), nil
}

func (t *text) change(f func(*replica.FileStat)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.st)
}

func (t *text) append(b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes = append(t.bytes, b...)
	t.st.Size = int64(len(t.bytes))
}
