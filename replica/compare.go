package replica

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"slices"

	"fairlead/logfile"
)

// A Sample says how much of a copy is compared. The zero Sample is one leaf of a
// hundred, 16 at least, with the first and the last, which is the rest.
type Sample struct {
	Full bool   // every byte
	Seed uint64 // which leaves
}

const (
	sampleOf    = 100
	sampleLeast = 16
	// askAtOnce is how many leaves are asked for at once: both sides read them
	// meanwhile.
	askAtOnce = 16
	// settleTries is how often a leaf that grows is looked at.
	settleTries = 5
)

// A span is leaves that follow each other.
type span struct {
	first int64
	count int64
}

// of returns which of n leaves are compared, in order.
func (s Sample) of(n int64) []span {
	want := max((n+sampleOf-1)/sampleOf, sampleLeast)
	if s.Full || want >= n {
		return []span{{0, n}}
	}
	random := rand.New(rand.NewPCG(s.Seed, uint64(n)))
	chosen := map[int64]bool{0: true, n - 1: true}
	for int64(len(chosen)) < want {
		chosen[random.Int64N(n)] = true
	}
	var list []span
	for leaf := range chosen {
		list = append(list, span{leaf, 1})
	}
	slices.SortFunc(list, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	return list
}

// A Comparison is what came of comparing a file with its copy.
type Comparison struct {
	State   State // of the copy; nothing is compared unless it is Open or Sealed
	None    bool  // there is no such copy
	N       int64 // bytes of it that are durable
	Leaves  int64 // compared, the rest counts as one
	Bytes   int64 // in them
	Moving  int64 // leaves that changed at every look, and were not compared
	Differs []Difference
	Err     error // why the file could not be read to its end
}

// A Difference is a leaf that is not the same on both sides.
type Difference struct {
	Leaf int64 // which MiB it is, from 0 on
	Why  string
}

// Reasons of a Difference.
const (
	OtherBytes = "other bytes"
	Shorter    = "the source ends before it"
	Unreadable = "the receiver cannot read it"
)

// Compare reads a file and compares it with the copy that the receiver knows as gen.
// progress, which may be nil, is told how many bytes were read. What is remembered of
// the file is not asked. An error is that of the connection, or of ctx.
func (c *Checker) Compare(ctx context.Context, f File, gen logfile.GenID, s Sample, progress func(n int64)) (Comparison, error) {
	m := comparing{Checker: c, file: f, gen: gen, progress: progress}
	there, err := c.held(gen, 0, 1)
	if err != nil {
		return m.Comparison, err
	}
	m.None, m.State, m.N = there.none, there.state, there.n
	if m.N == 0 || m.over() {
		return m.Comparison, nil
	}
	end, err := m.end(f.Stat().Size)
	if err != nil {
		m.Err = err
		return m.Comparison, ctx.Err()
	}
	if end < m.N {
		m.Differs = append(m.Differs, Difference{end / LeafSize, Shorter})
	}
	last := max(0, min(m.N, end)-1) / LeafSize
	for _, part := range s.of(last + 1) {
		for ; part.count > 0 && !m.over(); part.first, part.count = part.first+askAtOnce, part.count-askAtOnce {
			if err := m.leaves(ctx, part.first, int(min(part.count, askAtOnce)), last); err != nil {
				return m.Comparison, err
			}
		}
	}
	return m.Comparison, nil
}

// comparing is a comparison that is being made.
type comparing struct {
	*Checker
	Comparison
	file     File
	gen      logfile.GenID
	progress func(n int64)
	buf      []byte
}

// over says that nothing, or nothing more, can be compared.
func (c *comparing) over() bool { return c.State == Diverged || c.State == Pruned || c.Err != nil }

// end returns how long the file is, at least as long as the copy if it is: it may
// have grown since anybody looked.
func (c *comparing) end(size int64) (int64, error) {
	if size >= c.N {
		return size, nil
	}
	var b [1]byte
	_, err := c.file.ReadAt(b[:], c.N-1)
	switch {
	case err == nil:
		return c.N, nil
	case err == io.EOF:
		return size, nil
	}
	return size, err
}

// leaves compares some. The last of the copy may be of the rest, which grows: like all
// that do not match at once it is settled by itself.
func (c *comparing) leaves(ctx context.Context, first int64, count int, last int64) error {
	if err := c.ask(c.gen, first, count); err != nil {
		return err
	}
	var here []Hash
	for i := first; i < first+int64(count) && i < last && c.Err == nil; i++ {
		var h Hash
		if h, _, c.Err = c.leaf(ctx, i, LeafSize); c.Err == nil {
			here = append(here, h)
		}
	}
	there, err := c.answer(c.gen, first, count)
	if err != nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	if c.State = there.state; c.over() {
		return nil
	}
	for i := range int64(count) {
		switch {
		case i < int64(len(here)) && i < int64(len(there.hashes)) && here[i] == there.hashes[i]:
			c.Leaves, c.Bytes = c.Leaves+1, c.Bytes+LeafSize
		case c.Err == nil:
			if err := c.settle(ctx, first+i); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle compares one leaf, as often as it takes to see it stand still: that there is
// as much of it at two looks means that there was in between.
func (c *comparing) settle(ctx context.Context, leaf int64) error {
	before := int64(-1)
	for range settleTries {
		there, err := c.held(c.gen, leaf, 1)
		if err != nil {
			return err
		}
		n := min(there.n-leaf*LeafSize, LeafSize)
		if n <= 0 || there.state == Pruned {
			continue // it was cut back, or is gone
		}
		var here Hash
		var read int64
		if here, read, c.Err = c.leaf(ctx, leaf, n); c.Err != nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if read == n && len(there.hashes) > 0 && there.hashes[0] == here {
			c.Leaves, c.Bytes = c.Leaves+1, c.Bytes+n
			return nil
		}
		if n != before {
			before = n
			continue
		}
		c.Leaves, c.Bytes = c.Leaves+1, c.Bytes+n
		switch {
		case len(there.hashes) == 0:
			c.Differs = append(c.Differs, Difference{leaf, Unreadable})
		case read == n:
			c.Differs = append(c.Differs, Difference{leaf, OtherBytes})
		case len(c.Differs) == 0 || c.Differs[0].Why != Shorter:
			c.Differs = append(c.Differs, Difference{leaf, Shorter})
		}
		return nil
	}
	c.Moving++
	return nil
}

// leaf hashes what the file has of the first n bytes of a leaf.
func (c *comparing) leaf(ctx context.Context, leaf, n int64) (h Hash, read int64, err error) {
	if c.buf == nil {
		c.buf = make([]byte, MaxPiece)
	}
	sum := sha256.New()
	for read < n {
		if err := ctx.Err(); err != nil {
			return h, read, err
		}
		m, err := c.file.ReadAt(c.buf[:min(int64(len(c.buf)), n-read)], leaf*LeafSize+read)
		sum.Write(c.buf[:m])
		read += int64(m)
		if m == 0 && err == io.EOF {
			break
		}
		if m == 0 && err != nil {
			return h, read, err
		}
		if c.progress != nil {
			c.progress(int64(m))
		}
	}
	return Hash(sum.Sum(nil)), read, nil
}
