package logfile_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fairlead/logfile"
)

// link makes, or switches, a symlink at once, as ln -sfn and rename do.
func (x *fixture) link(name, to string) {
	x.t.Helper()
	tmp := x.path(".link")
	must(x.t, os.Symlink(to, tmp))
	must(x.t, os.Rename(tmp, x.path(name)))
}

// A symlink that is switched to other files, near and far: each switch is a
// rotation.
func TestF10Switched(t *testing.T) {
	eachWay(t, func(x *fixture) {
		far := x.t.TempDir()
		var want [][]byte
		for i, path := range []string{x.path("one.txt"), filepath.Join(far, "two.txt"), x.path("three.txt")} {
			w := newWriter(t, path)
			w.write(9)
			want = append(want, w.gen.bytes)
			if i == 0 {
				x.link("app.log", path)
				x.follow("app.log").expect(want...)
				continue
			}
			x.strike(func() { x.link("app.log", path) })
			x.reader("app.log").expect(want...)
			w.write(2) // events come from where the file is
			want[i] = w.gen.bytes
			x.reader("app.log").expect(want...)
		}
		wantLost(t, x.reader("app.log"))
	}, live, down, cursor, paused)
}

// Events alone are enough, also of the directory to which the link leads.
func TestF10ByEventsAlone(t *testing.T) {
	t.Parallel()
	x := newFixture(t, live)
	x.conf.Active, x.conf.Sweep = time.Hour, time.Hour
	w := newWriter(t, filepath.Join(t.TempDir(), "far.txt"))
	w.write(3)
	x.link("app.log", w.path)
	r := x.follow("app.log")
	r.expect(w.contents()...)
	w.write(3)
	r.expect(w.contents()...)
	next := newWriter(t, filepath.Join(t.TempDir(), "farther.txt"))
	x.link("app.log", next.path)
	next.write(3)
	r.expect(w.gen.bytes, next.gen.bytes)
	next.write(3)
	r.expect(w.gen.bytes, next.gen.bytes)
}

// Switched to and fro at random while all files grow: what was delivered of a
// file is not delivered again when the link comes back to it, and what it got
// meanwhile is.
func TestF10SwitchedBack(t *testing.T) {
	eachWay(t, func(x *fixture) {
		var ws []*refWriter
		for i := range 3 {
			w := newWriter(t, x.path(fmt.Sprintf("file%d.txt", i)))
			w.write(3)
			ws = append(ws, w)
		}
		x.link("app.log", ws[0].path)
		r := x.follow("app.log")
		want := [][]byte{ws[0].gen.bytes}
		r.expect(want...)
		for _, i := range []int{1, 0, 2, 1, 0} {
			x.strike(func() {
				x.link("app.log", ws[i].path)
				ws[i].write(2)
			})
			x.awaitFile(ws[i].gen.bytes)
		}
		x.down()
		seen := 0
		for _, w := range ws {
			seen += len(w.gen.bytes)
		}
		if got := r.total(); got != seen {
			t.Errorf("%d bytes were delivered, want %d: each once\n%s", got, seen, r.dump())
		}
	}, live, down)
}

// awaitFile waits until all of a file was delivered, as whatever generation.
func (x *fixture) awaitFile(b []byte) {
	x.t.Helper()
	r := x.reader("app.log")
	r.await("all of a file", func() bool {
		for _, d := range r.gens {
			if string(d.bytes) == string(b) {
				return true
			}
		}
		return false
	})
}

// A symlink that is removed, dangles, or leads to itself is waited for.
func TestF10BrokenLinks(t *testing.T) {
	for name, breakLink := range map[string]func(x *fixture){
		"removed":  func(x *fixture) { must(x.t, os.Remove(x.path("app.log"))) },
		"dangling": func(x *fixture) { x.link("app.log", x.path("nothing")) },
		"looping":  func(x *fixture) { x.link("app.log", "app.log") },
	} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, func(x *fixture) { mendLink(x, breakLink) }, live, down, cursor)
		})
	}
}

// mendLink breaks the link and then lets it lead to another file.
func mendLink(x *fixture, breakLink func(x *fixture)) {
	one, two := newWriter(x.t, x.path("one.txt")), newWriter(x.t, x.path("two.txt"))
	one.write(9)
	two.write(9)
	x.link("app.log", one.path)
	r := x.follow("app.log")
	r.expect(one.gen.bytes)
	x.strike(func() { breakLink(x) })
	l := x.engine().set.First()
	broken := func() bool { st := l.Stat(); return st.Current == nil || st.Err != nil }
	eventually(x.t, "the broken link is noticed", broken)
	x.strike(func() { x.link("app.log", two.path) })
	r.expect(one.gen.bytes, two.gen.bytes)
	wantLost(x.t, r)
}

// Links that lead to themselves are counted.
func TestF10LoopsAreCounted(t *testing.T) {
	t.Parallel()
	x := newFixture(t, live)
	x.link("app.log", "app.log")
	x.follow("app.log")
	eventually(t, "a loop is counted", func() bool { return x.engine().set.Stats().Loops > 0 })
}

// At random, for long: the last file is delivered, whatever came before.
func TestF10AtRandom(t *testing.T) {
	t.Parallel()
	x := newFixture(t, live)
	rng := rand.New(rand.NewPCG(10, 10))
	x.link("app.log", x.path("nothing"))
	x.follow("app.log")
	for i := range night(t, "links", 200, 20_000) {
		switch rng.IntN(4) {
		case 0:
			x.link("app.log", "app.log")
		case 1:
			x.link("app.log", x.path("nothing"))
		default:
			w := newWriter(t, x.path(fmt.Sprintf("%d.txt", i)))
			w.write(1)
			w.f.Close()
			x.link("app.log", w.path)
		}
	}
	w := newWriter(t, x.path("last.txt"))
	w.write(5)
	x.link("app.log", w.path)
	x.awaitFile(w.gen.bytes)
}

// Deleted while it is read: drained through the descriptor, then ended, and the
// descriptor is closed.
func TestF16Deleted(t *testing.T) {
	for _, read := range []int64{0, 1, 700, -1} {
		t.Run(fmt.Sprintf("read=%d", read), func(t *testing.T) {
			eachWay(t, func(x *fixture) { deleteWhileRead(x, read) }, live, down, cursor, paused)
		})
	}
}

func deleteWhileRead(x *fixture, read int64) {
	w := newWriter(x.t, x.path("app.log"))
	w.write(50)
	size := int64(len(w.gen.bytes))
	x.conf.Allow = read
	r := x.follow("app.log")
	if read < 0 {
		read = size
	}
	r.awaitBytes(int(read))
	x.strike(w.remove)
	x.limit("app.log", -1)
	want := logfile.Range{From: size, To: size}
	switch x.way {
	case down:
		want.From = read
	case cursor:
		want = logfile.Range{From: read, To: read}
	}
	if read == 0 && x.way == cursor {
		return // there is nothing by which to remember it
	}
	e := r.awaitEnd(0)
	if e.Reason != logfile.Deleted || e.Lost.Len() != want.Len() || !e.Next.Gen.IsZero() {
		x.t.Errorf("the end is %+v, want deleted, %v lost and nothing next", e, want)
	}
	r.expect(w.gen.bytes[:want.From])
	x.awaitIdle()
	if n := x.run.numbers(); n.PinnedBytes != 0 || n.LostBytes[logfile.Deleted] != want.Len() {
		x.t.Errorf("numbers = %+v, want nothing pinned and %d bytes lost", n, want.Len())
	}
	w.ledger[0].bytes = w.ledger[0].bytes[:want.From]
	w.open()
	x.judge(w)
}

// What deleted files pin for readers that are behind is bounded, in bytes and in
// time; what is let go is a counted loss with its range.
func TestF16PinnedWithinLimits(t *testing.T) {
	for name, limit := range map[string]func(*config){
		"bytes": func(c *config) { c.PinBytes = 1000 },
		"time":  func(c *config) { c.PinFor = 200 * time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newFixture(t, live)
			limit(&x.conf)
			w, r := readSome(x, true)
			size := int64(len(w.gen.bytes))
			w.remove()
			eventually(t, "the deleted file is let go", func() bool {
				n := x.run.numbers()
				return n.Held == 0 && n.PinnedBytes == 0
			})
			x.limit("app.log", -1)
			e := r.awaitEnd(0)
			if want := (logfile.Range{From: 700, To: size}); e.Lost != want || e.Reason != logfile.Deleted {
				t.Errorf("the end is %+v, want %v lost", e, want)
			}
			if got := x.run.numbers().LostBytes[logfile.Deleted]; got != size-700 {
				t.Errorf("LostBytes = %d, want %d", got, size-700)
			}
		})
	}
}

// Within the limits it is kept, and shown.
func TestF16Pinned(t *testing.T) {
	t.Parallel()
	x := newFixture(t, live)
	w, r := readSome(x, true)
	w.remove()
	eventually(t, "what is pinned is shown", func() bool { return x.run.numbers().PinnedBytes == int64(len(w.gen.bytes)) })
	x.limit("app.log", -1)
	r.expect(w.contents()...)
	eventually(t, "it is let go when it was read", func() bool { return x.run.numbers().PinnedBytes == 0 })
}

// The path need not exist at the start, nor the directories above it.
func TestMissingParents(t *testing.T) {
	eachWay(t, func(x *fixture) {
		r := x.follow("a/b/c/app.log")
		x.strike(func() { must(t, os.Mkdir(x.path("a"), 0o755)) })
		x.strike(func() { must(t, os.MkdirAll(x.path("a/b/c"), 0o755)) })
		var w *refWriter
		x.strike(func() {
			w = newWriter(t, x.path("a/b/c/app.log"))
			w.write(9)
		})
		r.expect(w.contents()...)
		x.strike(func() { must(t, os.RemoveAll(x.path("a"))) })
		r.awaitEnd(0)
		x.strike(func() {
			must(t, os.MkdirAll(x.path("a/b/c"), 0o755))
			w.open()
		})
		x.judge(w)
	}, live, down, paused)
}

// What is at the path but is no file that grows is named, and waited for.
func TestNotAFile(t *testing.T) {
	t.Parallel()
	x := newFixture(t, live)
	r := x.follow("app.log")
	must(t, os.Mkdir(x.path("app.log"), 0o755))
	l := x.engine().set.First()
	named := func() bool {
		var pe *os.PathError
		return errors.As(l.Stat().Err, &pe) && pe.Path == l.Name()
	}
	eventually(t, "a directory is named", named)
	must(t, os.Remove(x.path("app.log")))
	eventually(t, "nothing is wrong with a file that is waited for", func() bool { return l.Stat().Err == nil })
	x.link("app.log", t.TempDir())
	eventually(t, "a link to a directory is named", named)
	must(t, os.Remove(x.path("app.log")))
	w := newWriter(t, x.path("app.log"))
	x.judge(w)
	if err := l.Stat().Err; err != nil {
		t.Errorf("Stat().Err = %v, want nil", err)
	}
	r.expect(w.contents()...)
}
