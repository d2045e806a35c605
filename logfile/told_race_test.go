package logfile_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"fairlead/logfile"
)

// An owner appends, renames, ends, cuts back and forgets under readers that never
// wait for it. Followers are given every byte of each generation once, or are told
// that it is lost, and no reader is ever given a wrong one.
func TestToldWhileItIsRead(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	set := &logfile.Set{Active: time.Millisecond, Sweep: 5 * time.Millisecond, Hold: time.Millisecond, MaxOpen: 2}
	o := &busyOwner{owner: newOwner(t, set, "web1:/var/log/app.log"), rnd: rand.New(rand.NewPCG(seed, 0)), most: make(map[*ownGen]int64), gone: make(map[*ownGen]bool)}
	o.append(o.begin(), 100)
	ctx, cancel := context.WithCancel(t.Context())
	var ran, readers sync.WaitGroup
	ran.Go(func() { set.Run(ctx) })
	busy, rest := context.WithCancel(t.Context())
	got := make([]map[logfile.GenID]int64, 3)
	for i := range got {
		f := logfile.Follow(o.told.Log(), logfile.FromStart)
		readers.Go(func() { got[i] = followAll(t, busy, f) })
	}
	readers.Go(func() { readAnywhere(t, busy, o.told.Log()) })
	for range 1500 {
		o.step()
	}
	o.fetchAll()
	rest()
	readers.Wait()
	for i, has := range got {
		for nr, g := range o.gens {
			if n := has[g.ID]; n > o.most[g] || n < o.most[g] && !o.gone[g] {
				t.Errorf("follower %d was given %d bytes of generation %d, want %d", i, n, nr, o.most[g])
			}
		}
	}
	cancel()
	ran.Wait()
}

// followAll follows until busy ends, and then as far as there is something. It
// returns how far it came in each generation.
func followAll(t *testing.T, busy context.Context, f *logfile.Follower) map[logfile.GenID]int64 {
	defer f.Close()
	has := make(map[logfile.GenID]int64)
	buf := make([]byte, 300)
	for {
		if _, err := f.Next(busy); err != nil && !errors.Is(err, logfile.ErrEnded) {
			if _, ok, _ := f.Ready(); !ok {
				return has
			}
		} else if end := (*logfile.Ended)(nil); errors.As(err, &end) {
			has[end.Gen] += end.Lost.Len()
			continue
		}
		span, err := f.Read(t.Context(), buf)
		if end := (*logfile.Ended)(nil); errors.As(err, &end) {
			has[end.Gen] += end.Lost.Len()
			continue
		}
		if err != nil {
			continue // being renamed or cut: again
		}
		if span.Off != has[span.Gen] {
			t.Errorf("given bytes from %d, want those from %d on", span.Off, has[span.Gen])
		}
		wantBytes(t, span.Gen, span.Off, buf[:span.N])
		has[span.Gen] = span.Off + span.N
	}
}

// readAnywhere reads here and there, with and without a handle.
func readAnywhere(t *testing.T, busy context.Context, l *logfile.Log) {
	buf := make([]byte, 300)
	for n := 0; busy.Err() == nil; n++ {
		st := l.Stat()
		gens := append(append([]*logfile.Gen(nil), st.Old...), st.Current)
		g := gens[rand.IntN(len(gens))]
		if g == nil || g.Size == 0 {
			continue
		}
		off := rand.Int64N(g.Size)
		if n%2 == 0 {
			if n, err := l.ReadAt(t.Context(), buf, logfile.Pos{Gen: g.ID, Off: off}); err == nil {
				wantBytes(t, g.ID, off, buf[:n])
			}
			continue
		}
		h, err := l.Open(g.ID)
		if err != nil {
			continue
		}
		size, err := h.Size()
		if n, _ := h.File().ReadAt(buf, off); err == nil && h.Check() == nil && off < size {
			wantBytes(t, g.ID, off, buf[:min(int64(n), size-off)])
		}
		h.Close()
	}
}

// byteAt is what a generation has at an offset.
func byteAt(id logfile.GenID, off int64) byte { return id[off%16] ^ byte(off/16) }

func wantBytes(t *testing.T, id logfile.GenID, off int64, got []byte) {
	for i, b := range got {
		if at := off + int64(i); b != byteAt(id, at) {
			t.Errorf("byte %d of %s is wrong", at, id.Short())
			return
		}
	}
}

// A busyOwner does what the dice say.
type busyOwner struct {
	*owner
	rnd  *rand.Rand
	most map[*ownGen]int64 // how long it ever was
	gone map[*ownGen]bool
}

func (o *busyOwner) step() {
	cur := o.gens[len(o.gens)-1]
	g := o.gens[max(0, len(o.gens)-1-o.rnd.IntN(6))]
	switch n := o.rnd.IntN(100); {
	case n < 60:
		o.append(cur, 1+o.rnd.IntN(200))
	case o.gone[g]:
	case n < 70 && !g.Final:
		o.append(g, 1+o.rnd.IntN(200))
	case n < 77:
		o.append(o.begin(), o.rnd.IntN(100))
		cur.Ended = logfile.Rotated
		o.rename(cur)
	case n < 80:
		o.end(cur, logfile.Truncated)
		o.begin()
	case n < 85 && g.Size > 0 && !g.Final:
		o.damage(g, o.rnd.Int64N(g.Size))
	case n < 90 && g != cur && g.Size == o.most[g]:
		g.Final = true
		o.told.Tell(g.ToldGen)
	case n < 95 && g != cur:
		o.gone[g] = true
		o.forget(g)
	}
}

// append writes n bytes of g, and some behind them that are never told of.
func (o *busyOwner) append(g *ownGen, n int) {
	b := make([]byte, n)
	for i := range b {
		b[i] = byteAt(g.ID, g.Size+int64(i))
	}
	o.write(g, string(b)+"not told of")
	g.Size -= int64(len("not told of"))
	g.bytes = g.bytes[:g.Size]
	o.most[g] = max(o.most[g], g.Size)
	o.told.Tell(g.ToldGen)
}

// damage has the bytes of g rot behind the first n: once that is told, for until
// then nobody could know.
func (o *busyOwner) damage(g *ownGen, n int64) {
	o.t.Helper()
	size := g.Size
	o.cut(g, n)
	must(o.t, os.WriteFile(g.Path+".damaged", make([]byte, size), 0o600))
}

// fetchAll fetches what is missing since it was cut.
func (o *busyOwner) fetchAll() {
	for _, g := range o.gens {
		if missing := o.most[g] - g.Size; missing > 0 && !o.gone[g] {
			o.append(g, int(missing))
		}
	}
}
