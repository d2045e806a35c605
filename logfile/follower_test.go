package logfile

import (
	"context"
	"errors"
	"slices"
	"testing"
)

// still is a Source in which nothing happens.
type still struct{ st Stat }

func (s still) Name() string                                     { return "still" }
func (s still) Stat() Stat                                       { return s.st }
func (s still) ReadAt(context.Context, []byte, Pos) (int, error) { return 0, errors.ErrUnsupported }
func (s still) Wait(ctx context.Context, seq uint64) error       { <-ctx.Done(); return ctx.Err() }
func (s still) part(ord int64, id GenID, from, size int64) (g *Gen) {
	return &Gen{ID: id, From: from, Size: size, Readable: true, Final: true, ord: ord}
}
func (s *still) chain(gens ...*Gen) {
	for i, g := range gens[:len(gens)-1] {
		next := gens[i+1]
		g.End = &Ended{Gen: g.ID, At: g.Size, Next: Pos{next.ID, next.From}, nextOrd: next.ord}
	}
	s.st.Old, s.st.Current = gens[:len(gens)-1], gens[len(gens)-1]
}

// Wherever a follower stands, one that goes on from what Pos says is given the
// same: also where a file was away and came back, with other files at the log's
// path in between, some of which had nothing to give.
func TestPosOfParts(t *testing.T) {
	f, g, h := NewGenID(), NewGenID(), NewGenID()
	s := &still{}
	s.chain(
		s.part(1, f, 0, 100), s.part(2, g, 0, 50), s.part(3, h, 0, 70), s.part(4, g, 50, 50),
		s.part(5, f, 100, 100), s.part(6, h, 70, 70), s.part(7, f, 100, 100),
	)
	rest := func(from From) (spans []Pos) {
		follower := Follow(s, from)
		for {
			span, ok, err := follower.Ready()
			switch {
			case ok && err == nil:
				spans = append(spans, Pos{span.Gen, span.Off})
				follower.Advance(min(span.N, 10))
			case err == nil:
				return spans
			}
		}
	}
	follower := Follow(s, FromPos(Pos{Gen: f}))
	all := rest(FromPos(Pos{Gen: f}))
	if len(all) != 10+5+7 {
		t.Fatalf("%d spans of 10 bytes, want 22", len(all))
	}
	for read, ends := 0, 0; ; {
		if got := rest(FromPos(follower.Pos())); !slices.Equal(got, all[read:]) {
			t.Fatalf("after %d spans and %d ends, from %v: %d spans, want %d", read, ends, follower.Pos(), len(got), len(all)-read)
		}
		span, ok, err := follower.Ready()
		switch {
		case ok && err == nil:
			follower.Advance(min(span.N, 10))
			read++
		case err != nil:
			ends++
		default:
			if ends != 6 {
				t.Errorf("%d ends, want 6", ends)
			}
			return
		}
	}
}
