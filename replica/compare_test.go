package replica_test

import (
	"bytes"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"fairlead/logfile"
	"fairlead/replica"
)

// asked connects a Checker to the pair's receiver.
func (p *pair) asked() *replica.Checker {
	p.t.Helper()
	here, there := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- p.r.Serve(p.t.Context(), "web1", there) }()
	c, err := replica.NewChecker(p.t.Context(), here, "web1", "test")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		c.Close()
		<-ended
	})
	return c
}

func (p *pair) compare(f *text, s replica.Sample) replica.Comparison {
	p.t.Helper()
	got, err := p.asked().Compare(p.t.Context(), f, f.gen, s, nil)
	if err != nil {
		p.t.Fatalf("Compare = %v", err)
	}
	return got
}

var whole = replica.Sample{Full: true}

// shipped is a file that the receiver has all of.
func (p *pair) shipped(name string, b []byte) *text {
	p.t.Helper()
	f := newText(name, b)
	p.s.Add(f)
	p.connect()
	p.until("the copy", func() bool { return p.has(name, b) })
	return f
}

// with flips one byte of a file.
func with(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

func TestCompare(t *testing.T) {
	const mib = replica.LeafSize
	all := random(7, 3*mib+500)
	for name, tt := range map[string]struct {
		sent, here, there []byte // nil: as it was sent
		leaves            int64
		differs           []replica.Difference
	}{
		"equal":                         {sent: all, leaves: 4},
		"equal, full leaves alone":      {sent: all[:2*mib], leaves: 2},
		"equal, less than a leaf":       {sent: all[:77], leaves: 1},
		"F6 one byte in the middle":     {sent: all, here: with(all, 3*mib/2), leaves: 4, differs: []replica.Difference{{1, replica.OtherBytes}}},
		"F24 at both ends":              {sent: all, here: with(with(all, 0), len(all)-1), leaves: 4, differs: []replica.Difference{{0, replica.OtherBytes}, {3, replica.OtherBytes}}},
		"F33 the copy rotted":           {sent: all, there: with(all, 2*mib), leaves: 4, differs: []replica.Difference{{2, replica.OtherBytes}}},
		"the source grew":               {sent: all, here: append(bytes.Clone(all), "more"...), leaves: 4},
		"F32 the source is shorter":     {sent: all, here: all[:2*mib+9], leaves: 3, differs: []replica.Difference{{2, replica.Shorter}}},
		"F32 shorter at a leaf's end":   {sent: all, here: all[:2*mib], leaves: 2, differs: []replica.Difference{{2, replica.Shorter}}},
		"F32 the source has nothing":    {sent: all[:77], here: []byte{}, leaves: 1, differs: []replica.Difference{{0, replica.Shorter}}},
		"nothing there":                 {sent: nil},
		"a byte of the rest is another": {sent: all[:mib+1], there: with(all[:mib+1], mib), leaves: 2, differs: []replica.Difference{{1, replica.OtherBytes}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			f := p.shipped("a.log", tt.sent)
			p.disconnect() // so that nobody sends what changes
			if tt.here != nil {
				f.mu.Lock()
				f.bytes, f.st.Size = tt.here, int64(len(tt.here))
				f.mu.Unlock()
			}
			if tt.there != nil {
				p.store.mu.Lock()
				copy(p.store.copies[p.store.order[0]].bytes, tt.there)
				p.store.mu.Unlock()
			}
			got := p.compare(f, whole)
			if got.N != int64(len(tt.sent)) || got.Leaves != tt.leaves || got.Moving != 0 || got.Err != nil || !slices.Equal(got.Differs, tt.differs) {
				t.Errorf("Compare = %+v, want %d bytes, %d leaves, %v", got, len(tt.sent), tt.leaves, tt.differs)
			}
		})
	}
}

// A sample has both ends; the progress is what was read.
func TestCompareSample(t *testing.T) {
	p := newPair(t)
	b := random(8, 18*replica.LeafSize+5)
	f := p.shipped("a.log", b)
	f.bytes = with(with(b, 0), len(b)-1)
	var read int64
	got, err := p.asked().Compare(t.Context(), f, f.gen, replica.Sample{Seed: 3}, func(n int64) { read += n })
	if err != nil || got.Leaves != 16 || len(got.Differs) != 2 || read < got.Bytes {
		t.Errorf("Compare = %+v, %v, want 16 leaves, and both ends seen; %d bytes were read", got, err, read)
	}
}

// What a file has while it is written to, and sent, is no difference.
func TestCompareWhileItGrows(t *testing.T) {
	p := newPair(t)
	f := p.shipped("a.log", random(9, replica.LeafSize+100))
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := uint64(0); ; i++ {
			select {
			case <-stop:
				return
			default:
				f.append(random(i, 999))
				p.s.Changed(f.gen)
				p.until("it to be there", func() bool { return p.store.of("a.log")[0].rec.N == f.Stat().Size })
			}
		}
	}()
	c := p.asked()
	for range 50 {
		if got, err := c.Compare(t.Context(), f, f.gen, whole, nil); err != nil || len(got.Differs) != 0 || got.Err != nil || got.Leaves+got.Moving < 2 {
			t.Errorf("Compare = %+v, %v, want no difference", got, err)
		}
	}
	close(stop)
	<-done
}

// A copy that grew between the two that an answer is made of, how much there is and
// what it hashes to, is no difference.
func TestCompareGrewInBetween(t *testing.T) {
	p := newPair(t)
	g := &growing{shelf: p.store}
	p.r.Store = g
	f := p.shipped("a.log", random(9, replica.LeafSize+100))
	p.disconnect()
	g.times = 4
	p.store.mu.Lock()
	p.store.copies[p.store.order[0]].rec.N -= g.times
	p.store.mu.Unlock()
	if got := p.compare(f, whole); len(got.Differs) != 0 || got.Leaves != 2 || g.times != 0 {
		t.Errorf("Compare = %+v, want no difference", got)
	}
}

// growing is a store whose copy grows by a byte just before it is read, some times.
type growing struct {
	*shelf
	times int64
}

func (g *growing) Rehash(id replica.ID, first int64, count int) ([]replica.Hash, error) {
	g.mu.Lock()
	if g.times > 0 {
		g.times--
		g.copies[id].rec.N++
	}
	g.mu.Unlock()
	return g.shelf.Rehash(id, first, count)
}

// A Checker ends no sender's connection, and asks about none's copies.
func TestCheckerFencesNobody(t *testing.T) {
	p := newPair(t)
	f := p.shipped("a.log", []byte("a line\n"))
	p.compare(f, whole)
	f.append([]byte("another\n"))
	p.s.Changed(f.gen)
	p.until("what was appended", func() bool { return p.has("a.log", []byte("a line\nanother\n")) })
	if st := p.r.Stats(); st.Fenced != 0 {
		t.Errorf("%d connections were fenced, want none", st.Fenced)
	}
	other := newText("a.log", []byte("a line\n"))
	if got := p.compare(other, whole); got.N != 0 || got.Leaves != 0 {
		t.Errorf("Compare of what is not there = %+v", got)
	}
}

// A file that cannot be read is not a difference.
func TestCompareGone(t *testing.T) {
	p := newPair(t)
	f := p.shipped("a.log", random(1, 2*replica.LeafSize))
	f.change(func(st *replica.FileStat) { st.Readable = false })
	got, err := p.asked().Compare(t.Context(), gone{f}, f.gen, whole, nil)
	if err != nil || !errors.Is(got.Err, logfile.ErrEnded) || len(got.Differs) != 0 {
		t.Errorf("Compare = %+v, %v, want that it has ended", got, err)
	}
}

type gone struct{ *text }

func (g gone) ReadAt([]byte, int64) (int, error) { return 0, &logfile.Ended{Gen: g.gen} }

// What a hostile receiver answers ends the comparison, and nothing else.
func TestCheckerHostile(t *testing.T) {
	for name, answer := range map[string][]byte{
		"nothing": nil, "noise": []byte(strings.Repeat("x", 1000)), "half a frame": make([]byte, 23),
	} {
		t.Run(name, func(t *testing.T) {
			here, there := net.Pipe()
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer there.Close()
				if _, err := (&replica.Reader{R: there}).Next(); err == nil {
					there.Write(answer)
				}
			}()
			if _, err := replica.NewChecker(t.Context(), here, "a", ""); err == nil {
				t.Error("NewChecker = nil, want an error")
			}
			<-done
		})
	}
}
