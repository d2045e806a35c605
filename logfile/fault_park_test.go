package logfile_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"fairlead/logfile"
)

// overwrite writes b over the beginning of the file, in place.
func (w *refWriter) overwrite(b []byte) {
	w.t.Helper()
	f, err := os.OpenFile(w.path, os.O_WRONLY, 0)
	must(w.t, err)
	defer f.Close()
	_, err = f.WriteAt(b, 0)
	must(w.t, err)
	w.turnPage()
	w.gen.bytes = append(w.gen.bytes, b...)
}

// Rewritten in place once: a new generation, whole.
func TestF24RewrittenOnce(t *testing.T) {
	eachWay(t, func(x *fixture) {
		w := newWriter(t, x.path("wtmp"))
		w.raw(text(0, 6000))
		r := x.follow("wtmp")
		r.expect(w.contents()...)
		x.strike(func() { w.overwrite(text(1, 6000)) })
		x.judge(w)
		wantLost(t, r)
	}, live, down, cursor, paused)
}

// Rewritten again and again: parked, and said to be so; nothing more is read
// until it was left alone for long enough.
func TestF24Parked(t *testing.T) {
	eachWay(t, func(x *fixture) {
		x.conf.ParkFor = 400 * time.Millisecond
		if x.way == down { // the breaks are those of one process: down for the last of them
			x.conf.ParkAfter = 2
		}
		w := newWriter(t, x.path("wtmp"))
		w.raw(text(0, 6000))
		r := x.follow("wtmp")
		r.expect(w.contents()...)
		rewriteUntilParked(x, w)
		n := x.run.numbers()
		if n.Parked != 1 || n.Breaks < 2 {
			t.Errorf("numbers = %+v, want one parked log and its breaks", n)
		}
		if why := x.run.why(w.path); !strings.Contains(why, "rewritten in place") || !strings.Contains(why, "leave it alone") {
			t.Errorf("Why(%s) = %q, want that it is rewritten in place, and the cure", w.path, why)
		}
		before := sum(r)
		w.overwrite(text(98, 6000))
		w.overwrite(text(99, 6000))
		if got := sum(r); got != before && x.run.numbers().Parked == 1 {
			t.Errorf("%d bytes were read of a parked log, want none", got-before)
		}
		eventually(t, "the log is no longer parked", func() bool { return x.run.numbers().Parked == 0 })
		w.write(1)
		x.judgeLast(w, r)
	}, live, down, paused)
}

// rewriteUntilParked overwrites the file each time that the last content was
// delivered, until the log is parked.
func rewriteUntilParked(x *fixture, w *refWriter) {
	x.t.Helper()
	for i := 1; ; i++ {
		if i == 20 {
			x.t.Fatal("rewritten 20 times and not parked")
		}
		want := sum(x.reader("wtmp")) + 6000
		if i == 1 {
			x.strike(func() { w.overwrite(text(i, 6000)) })
		} else {
			w.overwrite(text(i, 6000))
		}
		parked := false
		eventually(x.t, "delivered or parked", func() bool {
			parked = x.run.numbers().Parked == 1
			return parked || sum(x.reader("wtmp")) >= want
		})
		if parked {
			return
		}
	}
}

func sum(r *reader) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total()
}

// Parked is an error of its own.
func TestF24ParkedError(t *testing.T) {
	t.Parallel()
	x := newFixture(t, live)
	w := newWriter(t, x.path("wtmp"))
	w.raw(text(0, 6000))
	x.follow("wtmp").expect(w.contents()...)
	rewriteUntilParked(x, w)
	l := x.engine().set.First()
	st := l.Stat()
	if !errors.Is(st.Err, logfile.ErrParked) {
		t.Errorf("Stat().Err = %v, want %v", st.Err, logfile.ErrParked)
	}
	x.down()
	x.up() // the state does not keep it parked: the file was left alone meanwhile
	w.write(1)
	x.judgeLast(w, x.reader("wtmp"))
}

// A preallocated file that is written from its beginning: what was delivered as
// zeros is followed by a new generation with what is there then.
func TestF24Preallocated(t *testing.T) {
	eachWay(t, func(x *fixture) {
		w := newWriter(t, x.path("app.log"))
		w.raw(make([]byte, 8192))
		r := x.follow("app.log")
		r.expect(w.contents()...)
		x.strike(func() { w.overwrite(append(text(1, 3000), make([]byte, 5192)...)) })
		r.expect(w.contents()...)
	}, live, down, cursor, paused)
}

// Rewritten where the quick check does not look: what was delivered is not
// delivered again, and what is appended is.
func TestF24Middle(t *testing.T) {
	eachWay(t, func(x *fixture) {
		w := newWriter(t, x.path("app.log"))
		w.raw(text(0, 20_000))
		r := x.follow("app.log")
		r.expect(w.contents()...)
		x.strike(func() {
			f, err := os.OpenFile(w.path, os.O_WRONLY, 0)
			must(t, err)
			defer f.Close()
			_, err = f.WriteAt([]byte("!"), 10_000)
			must(t, err)
		})
		x.judge(w)
		wantLost(t, r)
	}, live, down, cursor, paused)
}

// Rewritten with the same size and its times put back: what is read is checked
// all the same.
func TestF24SameTimes(t *testing.T) {
	eachWay(t, func(x *fixture) {
		w := newWriter(t, x.path("app.log"))
		w.raw(text(0, 6000))
		x.conf.Allow = 700
		r := x.follow("app.log")
		r.awaitBytes(700)
		fi, err := os.Stat(w.path)
		must(t, err)
		x.strike(func() {
			w.overwrite(text(1, 6000))
			must(t, os.Chtimes(w.path, fi.ModTime(), fi.ModTime()))
		})
		x.limit("app.log", -1)
		wantBroken(x, w, r, logfile.Range{From: 700, To: 6000})
	}, live, down, cursor, paused)
}
