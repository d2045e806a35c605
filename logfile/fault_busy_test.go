package logfile_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"fairlead/logfile"
)

// Everything is asked, of many goroutines, while files are rotated and cut and
// targets are added: nothing races, nothing is missed.
func TestAskedWhileBusy(t *testing.T) {
	t.Parallel()
	x := newFixture(t, live)
	w := newWriter(t, x.path("app.log"))
	w.write(5)
	r := x.follow("app.log")
	set := x.engine().set
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for _, ask := range []func(i int){
		func(int) { set.Stats() },
		func(int) { set.Why(w.path + ".1") },
		func(int) { set.Lookup("app.log") },
		func(int) { markAll(t, set.First()) },
		func(i int) { must(t, set.Add(filepath.Join(t.TempDir(), fmt.Sprint(i), "*.log"))) },
	} {
		asking.Go(func() {
			for i := range 300 {
				if ctx.Err() != nil {
					return
				}
				ask(i)
			}
		})
	}
	for i := range 60 {
		w.write(2)
		switch i % 3 {
		case 0:
			w.rotate()
		case 1:
			r.expect(w.contents()...)
			w.copyTruncate()
		}
	}
	r.expect(w.contents()...)
	cancel()
	asking.Wait()
	x.judge(w)
	wantLost(t, r)
}

// markAll marks the end of every generation that can be read.
func markAll(t *testing.T, l *logfile.Log) {
	st := l.Stat()
	for _, g := range append(st.Old[:len(st.Old):len(st.Old)], st.Current) {
		if g == nil || !g.Readable {
			continue
		}
		m, err := l.Mark(logfile.Pos{Gen: g.ID, Off: g.Size})
		if err == nil && (m.Path != l.Name() || m.Pos.Gen != g.ID) {
			t.Errorf("Mark(%v) = %+v", g.ID, m)
		}
	}
}

// Many followers of one log, one of which stands still: each of the others is
// given all, and so is that one in the end.
func TestManyFollowers(t *testing.T) {
	t.Parallel()
	w := newWriter(t, filepath.Join(t.TempDir(), "app.log"))
	w.write(5)
	l, done := runSet(t, w.path)
	defer done()
	const followers = 50
	var rs []*reader
	var pumps []*pump
	var reading sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for i := range followers {
		r := newReader(t, w.path)
		budget := int64(-1)
		if i == 0 {
			budget = 100
		}
		p := newPump(l, logfile.Follow(l, logfile.FromStart), budget, 100+i, r.take)
		reading.Go(func() { p.run(ctx) })
		rs, pumps = append(rs, r), append(pumps, p)
	}
	for range 5 {
		w.write(3)
		w.rotate()
		w.write(30)
		for _, r := range rs[1:] {
			r.expect(w.contents()...)
		}
	}
	pumps[0].allow(-1)
	rs[0].expect(w.contents()...)
	cancel()
	reading.Wait()
}

// A position in a generation that nobody knows any more: the follower is told,
// and goes on with what there is.
func TestFollowForgotten(t *testing.T) {
	t.Parallel()
	w := newWriter(t, filepath.Join(t.TempDir(), "app.log"))
	w.write(5)
	l, done := runSet(t, w.path)
	defer done()
	unknown := logfile.Pos{Gen: logfile.NewGenID(), Off: 70}
	f := logfile.Follow(l, logfile.FromPos(unknown))
	defer f.Close()
	_, err := f.Next(t.Context())
	var e *logfile.Ended
	if !errors.As(err, &e) || e.Reason != logfile.Forgotten || e.Gen != unknown.Gen || e.Next.Gen != l.Stat().Current.ID {
		t.Fatalf("Next() = %v, want forgotten, and the current generation next", err)
	}
	buf := make([]byte, 10_000)
	span, err := f.Read(t.Context(), buf)
	if err != nil || string(buf[:span.N]) != string(w.gen.bytes) {
		t.Errorf("Read() = %+v, %v, want all of the current generation", span, err)
	}
}
