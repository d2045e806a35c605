package store

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"fairlead/replica"
)

// BenchmarkCommit is write, sync and commit of so many copies at once, with the log and
// without.
func BenchmarkCommit(b *testing.B) {
	for _, c := range []struct {
		copies, bytes int
		log           int64
	}{
		{1, 64, 0}, {1, 64, -1},
		{20, 64, 0}, {20, 64, -1},
		{100, 200, 0}, {100, 200, -1},
	} {
		b.Run(fmt.Sprintf("copies=%d/bytes=%d/log=%v", c.copies, c.bytes, c.log == 0), func(b *testing.B) {
			f := sail(b, opened(b, b.TempDir(), Options{logSize: c.log}), c.copies)
			line := text(1, c.bytes)
			for b.Loop() {
				must(b, f.grow(line))
			}
			b.ReportMetric(float64(c.copies*b.N)/b.Elapsed().Seconds(), "updates/s")
		})
	}
}

// An idle copy is a line of the journal, and nothing in memory; one that is open
// takes little.
func TestF41IdleCopies(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes 20,000 files")
	}
	const n = 20_000
	s := opened(t, quick(t), Options{})
	var changes []change
	for i := range n {
		x := id(1)
		x.Gen[1], x.Gen[2] = byte(i>>8), byte(i)
		name := fmt.Sprintf("dir%d/app%d.log", i/100, i)
		changes = append(changes, change{new: &record{file: "web1/" + name, Record: replica.Record{ID: x, Path: []string{fmt.Sprintf("dir%d", i/100), fmt.Sprintf("app%d.log", i)}, Rest: new(replica.Tree).Rest()}}})
	}
	must(t, s.change(changes...))
	changes = nil
	s = reopened(t, s, Options{MaxOpen: 100})
	before := heap()
	copies := make([]replica.Copy, 0, n)
	for rec := range s.All {
		c, _, _, err := s.Open(rec.ID, rec.Path, time.Time{})
		must(t, err)
		copies = append(copies, c)
	}
	open := heap() - before
	for _, c := range copies {
		must(t, c.Close())
	}
	copies = nil
	idle := int64(heap()) - int64(before)
	t.Logf("%d bytes for an open copy at rest, %d for a closed one", open/n, idle/n)
	if open/n > 1000 || idle/n > 200 {
		t.Errorf("%d bytes for an open copy, %d for a closed one, want at most 1000 and 200", open/n, idle/n)
	}
	if st := s.Stats(); st.Open != 0 {
		t.Errorf("%d descriptors", st.Open)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
