package stream

import "context"

// maxSearches is how many clients at a time have the spool searched for what was
// before a place: each may look at all of it.
const maxSearches = 4

// goBack moves the client back by n entries.
func (c *sseClient) goBack(ctx context.Context, n int) error {
	leave, err := c.sse.searches.take(ctx, maxSearches)
	if err != nil {
		return err
	}
	defer leave()
	off, err := c.stream.back(ctx, search{view: c.look.view, alone: true}, c.off.Load(), n)
	if err != nil {
		return err
	}
	c.release() // it is of the place where the client was
	c.off.Store(off)
	return nil
}

// sendUntil sends what is between the client and until, where an entry begins.
func (c *sseClient) sendUntil(ctx context.Context, gap []byte, until int64) error {
	if err := c.write(c.greeting(gap)); err != nil {
		return err
	}
	for c.off.Load() < until && ctx.Err() == nil {
		gap, err := c.settle()
		if err != nil {
			return err
		}
		if gap != nil { // dropped while we were sending
			if err := c.write(c.appendGap(nil, gap)); err != nil {
				return err
			}
			continue
		}
		data, next, err := c.look.piece(c.seg, c.off.Load(), min(until, c.seg.End()))
		if err != nil {
			return err
		}
		if len(data) > 0 {
			if err := c.write(data); err != nil {
				return err
			}
		}
		c.off.Store(next)
	}
	return ctx.Err()
}
