package logfile_test

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"
	"testing"

	"fairlead/logfile"
)

// A file that is renamed from one log's path to another's takes its generation
// with it: whoever delivers it, each byte comes once.

// pieces returns what all readers were given of each generation, in order of
// offset.
func (x *fixture) pieces() map[logfile.GenID][]delivered {
	all := make(map[logfile.GenID][]delivered)
	for _, r := range x.readers {
		r.mu.Lock()
		for _, d := range r.gens {
			all[d.id] = append(all[d.id], *d)
		}
		r.mu.Unlock()
	}
	for _, ds := range all {
		slices.SortFunc(ds, func(a, b delivered) int { return cmp.Compare(a.start, b.start) })
	}
	return all
}

// together is what was delivered of each generation, or an error if it does
// not fit.
func (x *fixture) together() (all [][]byte, err error) {
	for id, ds := range x.pieces() {
		var b []byte
		for _, d := range ds {
			if d.start != int64(len(b)) {
				return nil, fmt.Errorf("generation %s: a log began with it at %d, others had come to %d", id.Short(), d.start, len(b))
			}
			b = append(b, d.bytes...)
		}
		all = append(all, b)
	}
	slices.SortFunc(all, bytes.Compare)
	return all, nil
}

// expectTogether waits until the logs together delivered exactly want, in
// whatever order.
func (x *fixture) expectTogether(want ...[]byte) {
	x.t.Helper()
	want = withoutEmpty(want)
	slices.SortFunc(want, bytes.Compare)
	total := len(slices.Concat(want...))
	eventually(x.t, "as many bytes as were written", func() bool {
		n := 0
		for _, r := range x.readers {
			r.mu.Lock()
			n += r.total()
			r.mu.Unlock()
		}
		return n >= total
	})
	got, err := x.together()
	if err == nil && !slices.EqualFunc(got, want, bytes.Equal) {
		err = fmt.Errorf("%d generations were delivered, want %d, or not their bytes", len(got), len(want))
	}
	if err != nil {
		x.t.Fatal(err)
	}
}

// movable makes readers for logs that may come by each other's files.
func (x *fixture) movable(names ...string) {
	for _, name := range names {
		r := x.reader(name)
		r.moves = true
		x.t.Cleanup(func() {
			if x.t.Failed() {
				x.t.Logf("%s\n%s", r.path, r.dump())
			}
		})
	}
}

// app.1 is written; app.1 becomes app.2, app.2 app.3, ...: each is a log of the
// glob for itself.
func TestCyclicRenames(t *testing.T) {
	for _, fill := range []int{0, 3} {
		t.Run(fmt.Sprintf("records=%d", fill), func(t *testing.T) {
			eachWay(t, func(x *fixture) {
				x.movable("app.1", "app.2", "app.3", "app.4", "app.5", "app.6")
				w := newWriter(t, x.path("app.1"))
				w.write(9)
				x.followAll(x.path("app.*"))
				x.expectTogether(w.contents()...)
				for range 5 {
					x.strike(func() { x.cycle(w, fill) })
					x.expectTogether(w.contents()...)
				}
			}, live, down)
		})
	}
}

// cycle renames every app.n to app.n+1 and begins a new app.1. What the writer
// has still to write to the old one comes under its new name.
func (x *fixture) cycle(w *refWriter, fill int) {
	x.t.Helper()
	w.write(fill)
	old := w.pen
	for n := 5; n > 0; n-- {
		if path := x.path(fmt.Sprintf("app.%d", n)); exists(path) {
			w.rename(path, x.path(fmt.Sprintf("app.%d", n+1)))
		}
	}
	old.write(fill)
	w.open()
	w.write(1 + fill)
}

// Two logs change names.
func TestSwappedNames(t *testing.T) {
	eachWay(t, func(x *fixture) {
		x.movable("a.log", "b.log")
		a, b := newWriter(t, x.path("a.log")), newWriter(t, x.path("b.log"))
		a.write(9)
		b.write(8)
		x.followAll(x.path("*.log"))
		want := func() [][]byte { return append(a.contents(), b.contents()...) }
		x.expectTogether(want()...)
		for range 3 {
			x.strike(func() {
				a.write(1)
				a.rename(x.path("a.log"), x.path(".between"))
				a.rename(x.path("b.log"), x.path("a.log"))
				a.rename(x.path(".between"), x.path("b.log"))
				a.write(1)
				b.write(2)
			})
			x.expectTogether(want()...)
		}
	}, live, down)
}

// A directory is renamed with its logs in it: F23.
func TestF23DirectoryRenamed(t *testing.T) {
	eachWay(t, func(x *fixture) {
		x.movable("a/app.log", "b/app.log", "a/deep/er/app.log", "b/deep/er/app.log", "c/app.log", "c/deep/er/app.log")
		must(t, os.MkdirAll(x.path("a/deep/er"), 0o755))
		high, deep := newWriter(t, x.path("a/app.log")), newWriter(t, x.path("a/deep/er/app.log"))
		high.write(9)
		deep.gen.writer = "deep"
		deep.write(9)
		x.followAll(x.dir)
		want := func() [][]byte { return append(high.contents(), deep.contents()...) }
		x.expectTogether(want()...)
		for _, move := range [][2]string{{"a", "b"}, {"b", "c"}, {"c", "a"}} {
			x.strike(func() {
				high.write(1)
				must(t, os.Rename(x.path(move[0]), x.path(move[1])))
				high.write(1)
				deep.write(2)
			})
			x.expectTogether(want()...)
		}
	}, live, down)
}
