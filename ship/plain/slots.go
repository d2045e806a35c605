package plain

import (
	"context"
	"slices"
	"sync"
)

// slots bounds connections. Who waits for one has whoever has been idle longest give up
// its own.
type slots struct {
	mu      sync.Mutex // guards what follows
	free    int
	waiting []chan struct{}
	idle    []*idler
}

// An idler has a slot that it does not use at the moment.
type idler struct{ giveUp func() }

// acquire waits for a slot, which is to be released.
func (s *slots) acquire(ctx context.Context) error {
	s.mu.Lock()
	if s.free > 0 {
		s.free--
		s.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	s.waiting = append(s.waiting, turn)
	if len(s.idle) > 0 {
		s.idle[0].giveUp()
		s.idle = s.idle[1:]
	}
	s.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	i := slices.Index(s.waiting, turn)
	if i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
	s.mu.Unlock()
	if i < 0 { // it was given to us meanwhile
		s.release()
	}
	return ctx.Err()
}

func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		s.free++
		return
	}
	close(s.waiting[0])
	s.waiting = s.waiting[1:]
}

// rest says that a slot is not used until back is called; giveUp is called, once at most,
// if somebody needs it.
func (s *slots) rest(giveUp func()) (back func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) > 0 {
		giveUp()
		return func() {}
	}
	in := &idler{giveUp}
	s.idle = append(s.idle, in)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if i := slices.Index(s.idle, in); i >= 0 {
			s.idle = slices.Delete(s.idle, i, i+1)
		}
	}
}
