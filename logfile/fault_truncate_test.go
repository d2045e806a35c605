package logfile_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"fairlead/logfile"
)

// copytruncate with a new content that is smaller: what was not read of the old
// is read from its copy.
func TestF03CopyTruncate(t *testing.T) {
	for _, behind := range []bool{false, true} {
		t.Run(fmt.Sprintf("behind=%v", behind), func(t *testing.T) {
			eachWay(t, func(x *fixture) {
				w, r := readSome(x, behind)
				x.strike(func() {
					w.write(3) // in the copy only, for all that we can tell
					w.copyTruncate()
					w.write(1)
				})
				x.limit("app.log", -1)
				x.judge(w)
				wantLost(t, r)
			}, live, down, cursor, paused)
		})
	}
}

// readSome writes a log of some size and has it read, to a part of it if behind.
func readSome(x *fixture, behind bool) (*refWriter, *reader) {
	x.t.Helper()
	w := newWriter(x.t, x.path("app.log"))
	w.write(50)
	want := len(w.gen.bytes)
	if behind {
		want = 700
		x.conf.Allow = 700
	}
	r := x.follow("app.log")
	r.awaitBytes(want)
	return w, r
}

// copytruncate again and again, also while the last copy is still being read.
func TestF03CopyTruncateAgain(t *testing.T) {
	eachWay(t, func(x *fixture) {
		w, r := readSome(x, false)
		for range 5 {
			x.strike(func() {
				w.write(2)
				w.copyTruncate()
				w.write(9)
			})
			r.expect(w.contents()...)
		}
		x.judge(w)
		wantLost(t, r)
	}, live, down, paused)
}

// Where no copy can be told, what was not read is named as a range.
func TestF03NoCopy(t *testing.T) {
	for name, copies := range map[string][]string{
		"none": nil,
		"two":  {"app.log.1", "app.log.old"},
	} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, func(x *fixture) {
				w, r := readSome(x, true)
				size := int64(len(w.gen.bytes))
				x.strike(func() {
					for _, name := range copies {
						w.copyTo(x.path(name))
					}
					w.truncate()
					w.write(1)
				})
				x.limit("app.log", -1)
				wantBroken(x, w, r, logfile.Range{From: 700, To: size})
			}, live, down, cursor, paused)
		})
	}
}

// wantBroken judges a log whose first generation was cut where it could not be
// read on. A cursor does not know how much there was.
func wantBroken(x *fixture, w *refWriter, r *reader, lost logfile.Range) {
	x.t.Helper()
	e := r.awaitEnd(0)
	if e.Reason != logfile.Truncated || e.Next.Gen.IsZero() {
		x.t.Errorf("the end is %+v, want truncated and a next generation", e)
	}
	w.ledger[0].bytes = w.ledger[0].bytes[:lost.From]
	x.judge(w)
	if x.way == cursor || lost.Len() == 0 {
		wantLost(x.t, r)
		return
	}
	wantLost(x.t, r, lost)
}

// Cut, and grown past our offset before we look: the size tells nothing. The
// new content begins as the old one did, for so many bytes: A3.
func TestF04Regrown(t *testing.T) {
	for _, same := range []int{0, 100, 4096, 5000} {
		for _, behind := range []bool{false, true} {
			t.Run(fmt.Sprintf("same=%d/behind=%v", same, behind), func(t *testing.T) {
				eachWay(t, func(x *fixture) { regrow(x, same, behind) }, live, down, cursor, paused)
			})
		}
	}
}

func regrow(x *fixture, same int, behind bool) {
	w := newWriter(x.t, x.path("app.log"))
	w.raw(text(1, 6000))
	lost := logfile.Range{From: 6000, To: 6000}
	if behind {
		lost.From = 5500
	}
	x.conf.Allow = lost.From
	r := x.follow("app.log")
	r.awaitBytes(int(lost.From))
	x.strike(func() {
		w.truncate()
		w.raw(append(text(1, same), text(2, 8000-same)...))
	})
	x.limit("app.log", -1)
	wantBroken(x, w, r, lost)
}

// The same with a copy: nothing is lost.
func TestF04RegrownWithCopy(t *testing.T) {
	for _, behind := range []bool{false, true} {
		t.Run(fmt.Sprintf("behind=%v", behind), func(t *testing.T) {
			eachWay(t, func(x *fixture) {
				w := newWriter(x.t, x.path("app.log"))
				w.raw(text(1, 6000))
				if behind {
					x.conf.Allow = 5500
				}
				r := x.follow("app.log")
				r.awaitBytes(5500)
				x.strike(func() {
					w.write(2)
					w.copyTruncate()
					w.raw(append(text(1, 5000), text(2, 4000)...))
				})
				x.limit("app.log", -1)
				x.judge(w)
				wantLost(t, r)
			}, live, down, cursor, paused)
		})
	}
}

// Who sends from the descriptor itself asks after the send: what is cut under
// it is told, what is only renamed is not.
func TestF04Handle(t *testing.T) {
	for name, tt := range map[string]struct {
		fault func(w *refWriter)
		holds bool
	}{
		"nothing":      {func(w *refWriter) {}, true},
		"append":       {func(w *refWriter) { w.write(1) }, true},
		"rename":       {func(w *refWriter) { w.rotate() }, true},
		"replace":      {func(w *refWriter) { w.replace(text(3, 9000)) }, true},
		"delete":       {(*refWriter).remove, true},
		"truncate":     {(*refWriter).truncate, false},
		"copytruncate": {(*refWriter).copyTruncate, false},
		"regrow":       {func(w *refWriter) { w.truncate(); w.raw(text(2, 9000)) }, false},
		"regrow with the same beginning": {func(w *refWriter) {
			w.truncate()
			w.raw(append(text(1, 5000), text(2, 4000)...))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWriter(t, filepath.Join(t.TempDir(), "app.log"))
			w.raw(text(1, 6000))
			l, done := runSet(t, w.path)
			defer done()
			h, err := l.Open(l.Stat().Current.ID)
			must(t, err)
			defer h.Close()
			tt.fault(w)
			n := h.Now()
			if err := h.Check(); (err == nil) != tt.holds {
				t.Errorf("Check() = %v, want an error: %v", err, !tt.holds)
			}
			if got := h.CheckedSince(n); got != tt.holds {
				t.Errorf("CheckedSince() = %v, want %v", got, tt.holds)
			}
		})
	}
}

// A storm of truncations while the log is read: not one byte is delivered as
// another generation's.
func TestF04Storm(t *testing.T) {
	t.Parallel()
	x := newFixture(t, live)
	x.conf.ParkAfter = -1
	x.conf.Buffer = 512
	w := newWriter(t, x.path("app.log"))
	r := x.follow("app.log")
	rng := rand.New(rand.NewPCG(4, 4))
	for range night(t, "truncations", 5000, 1_000_000) {
		w.write(1 + rng.IntN(60))
		if rng.IntN(4) == 0 {
			w.write(1)
		}
		w.truncate()
	}
	w.write(100)
	last := w.gen.bytes
	r.await("the last generation", func() bool {
		n := len(r.gens)
		return n > 0 && bytes.Equal(r.gens[n-1].bytes, last)
	})
	x.down()
	judgePrefixes(t, w, r)
}

// judgePrefixes wants each delivered generation to be the beginning of one that
// was written, in the order in which they were, and none twice.
func judgePrefixes(t *testing.T, w *refWriter, r *reader) {
	t.Helper()
	next := 0
	for _, d := range r.gens {
		i := slices.IndexFunc(w.ledger[next:], func(g *written) bool { return bytes.HasPrefix(g.bytes, d.bytes) })
		if i < 0 {
			t.Fatalf("generation %s is not the beginning of one written after the last: %s\n%s", d.id.Short(), glimpse(d.bytes), r.dump())
		}
		next += i + 1
	}
	t.Logf("%d of %d generations were seen, %d bytes", len(r.gens), len(w.ledger), r.total())
}

// Cut and rewritten with the same bytes up to our offset: it cannot be told, and
// nothing is missing in what was delivered. If it was seen while it was shorter,
// it is a new generation.
func TestF05SameBytes(t *testing.T) {
	eachWay(t, func(x *fixture) {
		w := newWriter(t, x.path("app.log"))
		w.raw(text(1, 1000))
		r := x.follow("app.log")
		r.expect(w.contents()...)
		x.strike(func() {
			w.truncate()
			w.raw(text(1, 1000))
			w.raw(text(2, 500))
		})
		all := slices.Concat(text(1, 1000), text(2, 500))
		r.await("all that is in the file", func() bool { return bytes.Equal(r.gens[len(r.gens)-1].bytes, all) })
		if x.way != live && len(r.gens) != 1 {
			t.Errorf("the file was delivered as %d generations, want 1\n%s", len(r.gens), r.dump())
		}
		wantLost(t, r)
	}, live, down, cursor, paused)
}

// A writer without O_APPEND goes on at its own offset after the file was cut: a
// hole, and a size that is never smaller than what we had.
func TestF07Hole(t *testing.T) {
	for _, behind := range []bool{false, true} {
		t.Run(fmt.Sprintf("behind=%v", behind), func(t *testing.T) {
			eachWay(t, func(x *fixture) {
				w, r := readSome(x, behind)
				f, err := os.OpenFile(w.path, os.O_WRONLY, 0)
				must(t, err)
				defer f.Close()
				size := len(w.gen.bytes)
				_, err = f.Seek(int64(size), 0)
				must(t, err)
				x.strike(func() {
					w.copyTruncate()
					w.f = f
					w.raw([]byte("behind the hole\n"))
				})
				w.gen.bytes = append(make([]byte, size), w.gen.bytes...)
				x.limit("app.log", -1)
				x.judge(w)
				wantLost(t, r)
			}, live, down, cursor, paused)
		})
	}
}

// Cut to nothing, and nothing written: a new generation of length 0.
func TestF09Emptied(t *testing.T) {
	for _, behind := range []bool{false, true} {
		t.Run(fmt.Sprintf("behind=%v", behind), func(t *testing.T) {
			eachWay(t, func(x *fixture) {
				w, r := readSome(x, behind)
				lost := logfile.Range{From: int64(r.total()), To: int64(len(w.gen.bytes))}
				x.strike(w.truncate)
				x.limit("app.log", -1)
				e := r.awaitEnd(0)
				if x.way != paused {
					st := x.engine().set.First().Stat()
					if st.Current == nil || st.Current.Size != 0 || st.Current.ID != e.Next.Gen {
						t.Errorf("the current generation is %+v, want an empty one, %s", st.Current, e.Next.Gen.Short())
					}
				}
				wantBroken(x, w, r, lost)
			}, live, down, cursor, paused)
		})
	}
}

// Of an old generation is said whether its bytes are now read from a copy, which
// those who ship it have to prove, or from its own file.
func TestF03Adopted(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(w *refWriter)
		want bool
	}{
		"copytruncate":    {(*refWriter).copyTruncate, true},
		"copy and remove": {func(w *refWriter) { w.copyTo(w.path + ".1"); w.remove() }, true},
		"rotate":          {func(w *refWriter) { w.rotate() }, false},
		"truncate":        {(*refWriter).truncate, false},
		"remove":          {(*refWriter).remove, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWriter(t, filepath.Join(t.TempDir(), "app.log"))
			w.write(9)
			l, done := runSet(t, w.path)
			defer done()
			gen := l.Stat().Current.ID
			if l.Stat().Current.Adopted {
				t.Error("a file that nothing has happened to is adopted")
			}
			test.end(w)
			eventually(t, "the generation has left", func() bool {
				st := l.Stat()
				return st.Find(gen) != nil && st.Find(gen) != st.Current
			})
			if got := l.Stat().Find(gen); got.Adopted != test.want {
				t.Errorf("Adopted = %v, want %v: %+v", got.Adopted, test.want, got)
			}
			if cur := l.Stat().Current; cur != nil && cur.Adopted {
				t.Error("the next generation is adopted")
			}
		})
	}
}
