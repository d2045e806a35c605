package stream

import (
	"context"
	"sync"
)

// Turns let a few at a time do what costs much; the others wait.
type turns struct {
	once sync.Once
	busy chan struct{}
}

// take waits for one of most turns, which are as many at every call. It must be
// left, once or more often.
func (t *turns) take(ctx context.Context, most int) (leave func(), err error) {
	t.once.Do(func() { t.busy = make(chan struct{}, most) })
	select {
	case t.busy <- struct{}{}:
		return sync.OnceFunc(func() { <-t.busy }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
