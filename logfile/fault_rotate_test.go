package logfile_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"fairlead/logfile"
)

// Rotations by renaming, as logrotate names the old ones, while the reader may
// read so much only until all are done.
func TestF01Rename(t *testing.T) {
	for name, rotate := range map[string]func(*refWriter){
		"numbered": func(w *refWriter) { w.rotate() },
		"dated":    (*refWriter).rotateDated,
	} {
		for _, reads := range []int64{0, 1, 64 << 10, -1} {
			t.Run(fmt.Sprintf("%s/reads=%d", name, reads), func(t *testing.T) {
				eachWay(t, func(x *fixture) { rotateOften(x, reads, rotate) }, live, down, cursor, paused)
			})
		}
	}
}

// rotateOften rotates again and again. The reader may read so many bytes before
// all is done; below zero: all.
func rotateOften(x *fixture, reads int64, rotate func(*refWriter)) {
	w := newWriter(x.t, x.path("app.log"))
	w.write(3)
	r := x.follow("app.log")
	r.expect(w.contents()...)
	x.limit("app.log", reads)
	rng := rand.New(rand.NewPCG(1, 2))
	rotations := night(x.t, "rotations", 40, 2500)
	x.strike(func() {
		for range rotations {
			for range rng.IntN(4) {
				w.write(1 + rng.IntN(40))
			}
			rotate(w)
		}
	})
	x.limit("app.log", -1)
	x.judge(w)
}

// A reader that is far behind when the file is rotated.
func TestF01FarBehind(t *testing.T) {
	eachWay(t, func(x *fixture) {
		size := night(t, "MiB behind", 8, 1024) << 20
		x.conf.Buffer = 1 << 20
		w := newWriter(x.t, x.path("app.log"))
		w.write(1)
		r := x.follow("app.log")
		r.expect(w.contents()...)
		x.limit("app.log", 1)
		x.strike(func() {
			w.fill(size)
			w.rotate()
			w.fill(size / 8)
			w.rotate()
			w.write(1)
		})
		x.limit("app.log", -1)
		x.judge(w)
	}, live, down)
}

// A writer that goes on with the old file long after the rename.
func TestF01bLateWriter(t *testing.T) {
	eachWay(t, func(x *fixture) {
		w := newWriter(x.t, x.path("app.log"))
		w.write(5)
		r := x.follow("app.log")
		r.expect(w.contents()...)
		old := w.rotate()
		w.write(5)
		r.expect(w.contents()...) // so the next one has begun
		if e := r.awaitEnd(0); e.Reason != logfile.Rotated || e.Lost.Len() != 0 {
			t.Errorf("the end of the renamed generation is %+v, want rotated and nothing lost", e)
		}
		before := len(old.gen.bytes)
		x.strike(func() {
			old.write(3)
			w.write(2)
			old.write(3)
		})
		r.expect(w.contents()...)
		w.shift()
		old.write(2)
		r.expect(w.contents()...)
		if got, want := r.late()[0], len(old.gen.bytes)-before; got != want {
			t.Errorf("late bytes = %d, want %d", got, want)
		}
		x.judge(w)
	}, live, down, cursor, paused)
}

// A writer that reopens within the quiet time is not late: its last bytes come
// before the first of the next generation.
func TestF01bWithinQuiet(t *testing.T) {
	eachWay(t, func(x *fixture) {
		x.conf.Quiet = 2 * time.Second
		w := newWriter(t, x.path("app.log"))
		w.write(5)
		r := x.follow("app.log")
		r.expect(w.contents()...)
		x.strike(func() {
			old := w.rotate()
			w.write(3)
			old.write(3)
		})
		r.expect(w.contents()...)
		if got := r.late()[0]; got != 0 {
			t.Errorf("%d bytes of the old generation came late, want them before the next one", got)
		}
	}, live, down, paused)
}

// Events alone are enough: nothing waits for a sweep.
func TestF01ByEventsAlone(t *testing.T) {
	t.Parallel()
	x := newFixture(t, live)
	x.conf.Active, x.conf.Sweep = time.Hour, time.Hour
	w := newWriter(t, x.path("app.log"))
	r := x.follow("app.log")
	for _, step := range []func(){
		func() { w.write(3) },
		func() { w.rotate(); w.write(3) },
		func() { w.rotateDated(); w.write(3) },
		func() { w.write(1); w.copyTruncate(); w.write(3) },
		func() { w.replace(text(1, 300)) },
		func() { w.remove(); w.open(); w.write(3) },
		func() { w.truncate(); w.write(3) },
	} {
		step()
		r.expect(w.contents()...)
	}
	wantLost(t, r)
}

// A late writer is counted, and no more waited for than Late.
func TestF01bLateEnds(t *testing.T) {
	t.Parallel()
	x := newFixture(t, live)
	x.conf.Late = 400 * time.Millisecond
	w := newWriter(t, x.path("app.log"))
	w.write(5)
	r := x.follow("app.log")
	r.expect(w.contents()...)
	old := w.rotate()
	w.write(1)
	r.expect(w.contents()...)
	before := len(old.gen.bytes)
	old.write(3)
	r.expect(w.contents()...)
	late := int64(len(old.gen.bytes) - before)
	if got := x.engine().set.Stats().LateBytes; got != late {
		t.Errorf("Stats().LateBytes = %d, want %d", got, late)
	}
	l := x.engine().set.First()
	g := l.Stat().Find(r.gens[0].id)
	if g == nil || g.Late != late {
		t.Errorf("the renamed generation is %+v, want %d late bytes", g, late)
	}
	final := func() bool { g := l.Stat().Find(r.gens[0].id); return g == nil || g.Final }
	if final() {
		t.Errorf("the renamed generation is final before it was quiet for %v", x.conf.Late)
	}
	eventually(t, "the renamed generation is final", final)
	x.judge(w)
}

// The renamed generation is compressed: its uncompressed file is gone, and no
// late byte can come.
func TestF01bCompressed(t *testing.T) {
	t.Parallel()
	x := newFixture(t, live)
	w := newWriter(t, x.path("app.log"))
	w.write(5)
	r := x.follow("app.log")
	r.expect(w.contents()...)
	w.rotate()
	w.write(1)
	r.expect(w.contents()...)
	compress(t, x.path("app.log.1"))
	id := r.gens[0].id
	eventually(t, "the compressed generation is final", func() bool {
		g := x.engine().set.First().Stat().Find(id)
		return g == nil || g.Final
	})
	x.judge(w)
}

// compress does what gzip does to a file.
func compress(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	var z bytes.Buffer
	zw := gzip.NewWriter(&z)
	zw.Write(b)
	must(t, zw.Close())
	must(t, os.WriteFile(path+".gz", z.Bytes(), 0o644))
	must(t, os.Remove(path))
}

// Renamed, compressed and unlinked while the reader is behind.
func TestF02CompressAndUnlink(t *testing.T) {
	eachWay(t, func(x *fixture) {
		w := newWriter(x.t, x.path("app.log"))
		w.write(50)
		x.conf.Allow = 700
		r := x.follow("app.log")
		r.awaitBytes(700)
		size := int64(len(w.gen.bytes))
		x.strike(func() {
			w.rotate()
			w.write(3)
			compress(t, x.path("app.log.1"))
		})
		x.limit("app.log", -1)
		switch x.way {
		case live, paused:
			x.judge(w)
		case down: // only compressed, so for us nowhere: named as a range
			w.ledger[0].bytes = w.ledger[0].bytes[:700]
			x.judge(w)
			wantLost(t, r, logfile.Range{From: 700, To: size})
		case cursor: // a cursor does not know how much there was
			w.ledger[0].bytes = w.ledger[0].bytes[:700]
			x.judge(w)
			wantLost(t, r)
			if e := r.awaitEnd(0); e.At != 700 {
				t.Errorf("the end is %+v, want at 700", e)
			}
		}
	}, live, down, cursor, paused)
}

// wantLost compares what they lost.
func wantLost(t *testing.T, r *reader, want ...logfile.Range) {
	t.Helper()
	got := r.lost()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("lost %v, want %v\n%s", got, want, r.dump())
	}
}

// Two rotations and more while we are down, each way that logrotate has: A1.
func TestA1ThreeRotationsWhileDown(t *testing.T) {
	eachWay(t, func(x *fixture) {
		w := newWriter(x.t, x.path("app.log"))
		w.write(5)
		r := x.follow("app.log")
		r.expect(w.contents()...)
		var old pen
		x.strike(func() {
			w.write(2)
			old = w.rotate()
			w.write(2)
			w.rotate()
			w.write(2)
			w.rotate()
			w.write(2)
		})
		r.expect(w.contents()...)
		old.write(2) // it has not reopened yet
		x.judge(w)
	}, live, down, cursor, paused)
}

// An editor, or an atomic replacement, renames a new file over the old one,
// which it often resembles.
func TestF11RenameOver(t *testing.T) {
	for _, same := range []int{0, 10, 64, 5000} {
		t.Run(fmt.Sprintf("same=%d", same), func(t *testing.T) {
			eachWay(t, func(x *fixture) { renameOver(x, same) }, live, down, cursor, paused)
		})
	}
}

// renameOver replaces the file by one that begins with the same bytes.
func renameOver(x *fixture, same int) {
	w := newWriter(x.t, x.path("app.log"))
	w.raw(text(1, 6000))
	r := x.follow("app.log")
	r.expect(w.contents()...)
	x.strike(func() {
		w.replace(append(text(1, same), text(2, 100)...))
		w.write(2)
	})
	r.expect(w.contents()...)
	x.strike(func() { w.replace(append(text(1, 6000), text(2, 100)...)) })
	x.judge(w)
	wantLost(x.t, r)
}

// The same, while the reader is behind: the old file is read to its end through
// the open descriptor.
func TestF11RenameOverWhileBehind(t *testing.T) {
	eachWay(t, func(x *fixture) {
		w := newWriter(x.t, x.path("app.log"))
		w.write(50)
		x.conf.Allow = 100
		r := x.follow("app.log")
		r.awaitBytes(100)
		size := int64(len(w.gen.bytes))
		x.strike(func() {
			w.replace(text(3, 1000))
		})
		x.limit("app.log", -1)
		if x.way == down || x.way == cursor {
			w.ledger[0].bytes = w.ledger[0].bytes[:100]
		}
		x.judge(w)
		if x.way == down {
			wantLost(t, r, logfile.Range{From: 100, To: size})
		}
	}, live, down, cursor, paused)
}

// A time of change in the future, as after a clock was set back, holds nothing up.
func TestModifiedInTheFuture(t *testing.T) {
	eachWay(t, func(x *fixture) {
		w := newWriter(t, x.path("app.log"))
		w.write(3)
		r := x.follow("app.log")
		r.expect(w.contents()...)
		x.strike(func() {
			for range 2 {
				w.write(2)
				tomorrow := time.Now().Add(24 * time.Hour)
				must(t, os.Chtimes(w.path, tomorrow, tomorrow))
				w.rotate()
			}
			w.write(1)
		})
		x.judge(w)
	}, live, down, cursor, paused)
}
