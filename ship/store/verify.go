package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"slices"

	"fairlead/replica"
)

// A Sel says what Verify looks at. The zero Sel is a sample of everything.
type Sel struct {
	Sender string   // empty: all
	Path   []string // this one and what is below it; empty: all
	Full   bool     // every byte; else the end of every copy, and a part of the leaves:
	Rate   float64  // how many of them: 0.01
	Seed   uint64   // which ones
}

// A Progress is what Verify has looked at.
type Progress struct {
	Copies int
	Pruned int   // of them, of which only the record is there
	Leaves int64 // the end of a copy, behind its last full leaf, counts as one
	Bytes  int64
}

// A Fault is a part of a copy whose bytes are not those that were acknowledged.
type Fault struct {
	Rec  replica.Record
	File string
	Leaf int64 // which MiB it is, from 0 on; -1: the file as a whole
	Why  string
}

// Verify compares copies with the hashes in the journal, and yields each fault. An
// error ends it. progress, which may be nil, is called after each copy.
func (s *Store) Verify(ctx context.Context, sel Sel, progress func(Progress)) iter.Seq2[Fault, error] {
	if sel.Rate <= 0 {
		sel.Rate = 0.01
	}
	return func(yield func(Fault, error) bool) {
		var p Progress
		random := rand.New(rand.NewPCG(sel.Seed, 0))
		for after := []byte(nil); ; {
			rs, err := s.some(after, 1000)
			if err != nil || len(rs) == 0 {
				if err != nil {
					yield(Fault{}, err)
				}
				return
			}
			for _, r := range rs {
				if !sel.Has(r.Record) {
					continue
				}
				if !s.verify(ctx, sel, r.ID, random, &p, yield) {
					return
				}
				if progress != nil {
					progress(p)
				}
			}
			after = recordKey(rs[len(rs)-1].ID)
		}
	}
}

// Has says whether a copy is one of those.
func (sel Sel) Has(r replica.Record) bool {
	return (sel.Sender == "" || r.Sender == sel.Sender) &&
		len(r.Path) >= len(sel.Path) && slices.Equal(r.Path[:len(sel.Path)], sel.Path)
}

var errPruned = errors.New("it was pruned")

// openToRead opens the file of a copy as it is now: it may be renamed at this
// moment.
func (s *Store) openToRead(id replica.ID) (*record, *os.File, error) {
	for try := 0; ; try++ {
		r, err := s.record(id)
		switch {
		case err != nil:
			return nil, nil, err
		case r == nil:
			return nil, nil, fmt.Errorf("read copy %s of %s: there is none", id.Gen, id.Sender)
		case r.State == replica.Pruned:
			return r, nil, fmt.Errorf("read copy %s of %s: %w", id.Gen, id.Sender, errPruned)
		}
		f, err := s.disk.Open(r.file, os.O_RDONLY)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || try == 2 {
			return r, f, err
		}
	}
}

// verify looks at one copy; false ends it.
func (s *Store) verify(ctx context.Context, sel Sel, id replica.ID, random *rand.Rand, p *Progress, yield func(Fault, error) bool) bool {
	p.Copies++
	r, f, err := s.openToRead(id)
	if errors.Is(err, errPruned) {
		p.Pruned++
		return true
	}
	if r == nil {
		return yield(Fault{}, err) && false
	}
	if err != nil {
		return r.N == 0 && errors.Is(err, fs.ErrNotExist) || yield(Fault{r.Record, s.pathOf(r), -1, err.Error()}, nil)
	}
	defer f.Close()
	for i := int64(0); i*replica.LeafSize < r.N; i++ {
		rest := i == r.leaves()
		if !sel.Full && !rest && random.Float64() >= sel.Rate {
			continue
		}
		if err := ctx.Err(); err != nil {
			return yield(Fault{}, err) && false
		}
		want := []replica.Hash{r.Rest}
		if !rest {
			if want, err = s.leavesAt(r, i, 1); err != nil {
				return s.changed(r) || yield(Fault{}, err) && false
			}
		}
		part := leafOf(f, r, i)
		is, err := hashOf(part)
		p.Leaves, p.Bytes = p.Leaves+1, p.Bytes+part.Size()
		if err == nil && is == want[0] {
			continue
		}
		if s.changed(r) {
			return true
		}
		why := "other bytes than were acknowledged"
		if err != nil {
			why = err.Error()
		}
		if !yield(Fault{r.Record, s.pathOf(r), i, why}, nil) {
			return false
		}
	}
	return true
}

// changed says that a copy was mended or pruned since its record was read.
func (s *Store) changed(r *record) bool {
	now, err := s.record(r.ID)
	return err == nil && (now == nil || now.State == replica.Pruned || now.N < r.N)
}
