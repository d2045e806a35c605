package logfile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/logfile"
	"fairlead/logfile/logfiletest"
)

// What a follower is given of a log that is told its news. Quiet is an hour: whoever
// tells knows when a generation has ended.
func TestTold(t *testing.T) {
	type begin = func(logfile.From) *logfile.Follower
	for name, test := range map[string]struct {
		do   func(o *owner, f begin)
		want string
	}{
		"what is told, not what is in the file": {func(o *owner, f begin) {
			g := o.begin()
			o.append(g, "told")
			f(logfile.FromStart)
			o.write(g, " and not told")
		}, "0 [told]"},
		"the next generation at once": {func(o *owner, f begin) {
			o.append(o.begin(), "one")
			f(logfile.FromStart)
			o.append(o.begin(), "two")
		}, "0 [one]; 0 rotated; 1 [two]"},
		"a reason of its own, and the next one later": {func(o *owner, f begin) {
			g := o.begin()
			o.append(g, "one")
			f(logfile.FromStart)
			o.end(g, logfile.Truncated)
			o.append(o.begin(), "two")
		}, "0 [one]; 0 truncated; 1 [two]"},
		"a reason that is told after the next has begun": {func(o *owner, f begin) {
			g := o.begin()
			f(logfile.FromStart)
			o.begin()
			o.end(g, logfile.Deleted)
		}, "0 deleted"},
		"late bytes": {func(o *owner, f begin) {
			g := o.begin()
			o.append(g, "one")
			r := f(logfile.FromStart)
			o.append(o.begin(), "two")
			o.texts(r)
			o.append(g, " and more")
		}, "0 late [ and more]"},
		"nothing late of what is final": {func(o *owner, f begin) {
			g := o.begin()
			r := f(logfile.FromStart)
			g.Final = true
			o.begin()
			o.end(g, logfile.Rotated)
			o.texts(r)
			o.append(g, "more")
		}, ""},
		"what was renamed": {func(o *owner, f begin) {
			g := o.begin()
			o.append(g, "one")
			f(logfile.FromStart)
			o.rename(g)
			o.append(g, " two")
		}, "0 [one two]"},
		"one that ended before, before a current one that nobody has begun": {func(o *owner, f begin) {
			// The first call names what there was before: nobody knows who has begun that.
			o.end(o.file(), logfile.Rotated)
			o.begin()
			old := o.file()
			o.write(old, "old")
			o.end(old, logfile.Rotated)
			f(at(o.gens[0]))
		}, "0 rotated; 2 [old]; 2 rotated"},
		"one that ended before, after a current one that was begun": {func(o *owner, f begin) {
			g := o.begin()
			o.append(g, "one")
			f(logfile.FromStart)
			old := o.file()
			o.write(old, "old")
			o.end(old, logfile.Rotated)
			o.end(g, logfile.Rotated)
		}, "0 [one]; 0 rotated; 1 [old]; 1 rotated"},
		"nothing twice after that": {func(o *owner, f begin) {
			g := o.begin()
			o.append(g, "one")
			r := f(logfile.FromStart)
			o.end(o.file(), logfile.Rotated)
			o.end(g, logfile.Rotated)
			o.texts(r)
			o.append(o.begin(), "next")
		}, "2 [next]"},
		"again what was cut, but only beyond the reader": {func(o *owner, f begin) {
			g := o.begin()
			o.append(g, "123456")
			r := f(logfile.FromStart)
			o.texts(r)
			o.cut(g, 3)
			o.append(g, "45")
			if got := o.texts(r); got != "" {
				o.t.Errorf("a reader at 6 is given %q of 5 bytes", got)
			}
			o.append(g, "678")
		}, "0 [78]"},
		"the rest of what was cut, late": {func(o *owner, f begin) {
			g := o.begin()
			o.append(g, "123456")
			r := f(logfile.FromStart)
			o.cut(g, 3)
			o.begin()
			if got := o.texts(r); got != "0 [123]; 0 rotated" {
				o.t.Errorf("given %q, want what is good", got)
			}
			o.append(g, "456")
		}, "0 late [456]"},
		"one that ended before, after what a reader of an earlier process may have begun": {func(o *owner, f begin) {
			g := o.begin()
			o.append(g, "one")
			old := o.file()
			o.write(old, "old")
			o.end(old, logfile.Rotated)
			o.end(g, logfile.Rotated)
			f(at(g))
		}, "0 [one]; 0 rotated; 1 [old]; 1 rotated"},
		"what is forgotten while a reader is behind": {func(o *owner, f begin) {
			g := o.begin()
			f(logfile.FromStart)
			o.append(g, "one")
			o.append(o.begin(), "two")
			o.forget(g)
		}, "0 [one]; 0 rotated; 1 [two]"},
		"its loss, if the file is gone before it is forgotten": {func(o *owner, f begin) {
			g := o.begin()
			o.append(g, "one")
			o.append(o.begin(), "two")
			f(logfile.FromStart)
			must(o.t, os.Remove(g.Path))
			o.told.Forget(g.ID)
			f(at(g))
		}, "0 rotated without 0-3; 1 [two]"},
		"the end of the current one that is forgotten": {func(o *owner, f begin) {
			g := o.begin()
			o.append(g, "one")
			o.forget(g)
			f(at(g))
		}, "0 deleted without 0-3"},
		"nothing of what is told after it was forgotten": {func(o *owner, f begin) {
			g := o.begin()
			o.forget(g)
			f(at(g))
			must(o.t, os.WriteFile(g.Path, nil, 0o600))
			o.append(g, "one")
		}, "0 deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			set := &logfile.Set{Quiet: time.Hour, Late: time.Hour}
			o := newOwner(t, set, "web1:/var/log/app.log")
			var last *logfile.Follower
			test.do(o, func(from logfile.From) *logfile.Follower {
				last = logfile.Follow(o.told.Log(), from)
				t.Cleanup(last.Close)
				return last
			})
			if got := o.texts(last); got != test.want {
				t.Errorf("the follower is given %q, want %q", got, test.want)
			}
		})
	}
}

func TestToldIsASource(t *testing.T) {
	logfiletest.Run(t, func(t *testing.T) (logfile.Source, logfiletest.Feeder) {
		o := newOwner(t, &logfile.Set{}, "web1:/var/log/app.log")
		g := o.begin()
		return o.told.Log(), logfiletest.Feeder{
			Append: func(b []byte) { o.append(g, string(b)) },
			End: func() {
				o.end(g, logfile.Rotated)
				o.rename(g)
			},
		}
	})
}

// A log is found by its name, and joins when there is something to tell.
func TestToldIsFound(t *testing.T) {
	set := &logfile.Set{NoEvents: true}
	own := filepath.Join(t.TempDir(), "own.log")
	must(t, set.Add(own))
	names := []string{"db:/var/log/app.log", "db:/var/log/db.log", "web1:/var/log/app.log"}
	changed := set.Changed()
	for _, name := range names {
		if first, again := set.Told(name), set.Told(name); first.Log() != again.Log() {
			t.Errorf("%s is two logs", name)
		}
	}
	if l, err := set.Lookup(names[0]); err == nil || len(set.Logs()) != 1 {
		t.Errorf("before anything was told there are %v, and %v", set.Logs(), l)
	}
	for _, name := range names {
		newOwner(t, set, name).begin()
		<-changed
		changed = set.Changed()
	}
	var all []string
	for _, l := range set.Logs() {
		all = append(all, l.Name())
	}
	if want := append([]string{own}, names...); !slices.Equal(all, want) {
		t.Errorf("Logs() = %q, want %q", all, want)
	}
	if got, want := set.First().Name(), own; got != want {
		t.Errorf("First() = %q, want our own, %q", got, want)
	}
	for name, want := range map[string]string{
		"web1:/var/log/app.log":   names[2],
		"/web1:/var/log/app.log":  names[2], // as HTTP asks
		"/web1:/var//log/app.log": names[2],
		"db.log":                  names[1],
		"/db.log":                 names[1],
		"log/db.log":              names[1],
		"/var/log/db.log":         names[1],
		"own.log":                 own,
		"app.log":                 `"app.log" could be any of db:/var/log/app.log, web1:/var/log/app.log`,
		"eb1:/var/log/app.log":    `look up "eb1:/var/log/app.log": no such log`,
		"web1:":                   `look up "web1:": no such log`,
		"web2:/var/log/app.log":   `look up "web2:/var/log/app.log": no such log`,
	} {
		l, err := set.Lookup(name)
		got := fmt.Sprint(err)
		if err == nil {
			got = l.Name()
		}
		if got != want {
			t.Errorf("Lookup(%q): %s, want %s", name, got, want)
		}
	}
	why := set.Why(names[2])
	if want := "it is a copy that this process receives from web1"; !why.Collected || why.Rule != want || why.Path != names[2] || why.Log != set.Told(names[2]).Log() {
		t.Errorf("Why() = %+v, want collected: %s", why, want)
	}
	if got := set.Stats().Logs; got != 4 {
		t.Errorf("Stats().Logs = %d, want 4", got)
	}
}

// A file that is missing or too short can be read later, and no byte of it is
// wrong: neither from a descriptor that is open nor from a new one.
func TestF33ToldFileIsDamaged(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"missing":     os.Remove,
		"short":       func(path string) error { return os.Truncate(path, 3) },
		"empty":       func(path string) error { return os.Truncate(path, 0) },
		"a directory": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		for _, open := range []bool{false, true} {
			for _, current := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, open %t, current %t", name, open, current), func(t *testing.T) {
					readDamaged(t, damage, open, current)
				})
			}
		}
	}
}

func readDamaged(t *testing.T, damage func(path string) error, open, current bool) {
	set := &logfile.Set{NoEvents: true}
	o := newOwner(t, set, "web1:/var/log/app.log")
	g := o.begin()
	o.append(g, "0123456789")
	if !current {
		o.begin()
	}
	l := o.told.Log()
	if open { // it stays so, unused
		h, err := l.Open(g.ID)
		must(t, err)
		h.Close()
	}
	must(t, damage(g.Path))
	buf := make([]byte, 100)
	n, err := l.ReadAt(t.Context(), buf, logfile.Pos{Gen: g.ID})
	if err == nil && open && bytes.Equal(buf[:n], g.bytes) {
		return // its file has no name any more, and is what it was
	}
	if err == nil || err == io.EOF || errors.Is(err, logfile.ErrEnded) {
		t.Fatalf("ReadAt() = %q, %v, want an error of the file", buf[:n], err)
	}
	if st := l.Stat(); (st.Err != nil) != current {
		t.Errorf("Stat().Err = %v, want that of the current generation's file", st.Err)
	}
	if why := set.Why(l.Name()); current && (!strings.Contains(why.Rule, "cannot be read") || why.Cure == "") {
		t.Errorf("Why() = %+v", why)
	}
	os.RemoveAll(g.Path)
	must(t, os.WriteFile(g.Path, g.bytes, 0o600))
	if n, err := l.ReadAt(t.Context(), buf, logfile.Pos{Gen: g.ID}); err != nil || !bytes.Equal(buf[:n], g.bytes) {
		t.Errorf("ReadAt() = %q, %v of the file fetched again", buf[:n], err)
	}
	if st := l.Stat(); st.Err != nil {
		t.Errorf("Stat().Err = %v of a file that was read", st.Err)
	}
}

// What was read of a copy that was found to be damaged is not believed, although
// its file has not changed.
func TestF33ToldCut(t *testing.T) {
	o := newOwner(t, &logfile.Set{NoEvents: true}, "web1:/var/log/app.log")
	g := o.begin()
	o.append(g, "0123456789")
	l := o.told.Log()
	h, err := l.Open(g.ID)
	must(t, err)
	defer h.Close()
	must(t, h.Check())
	o.cut(g, 5)
	before := h.Now()
	if h.Check() == nil || h.CheckedSince(before) {
		t.Error("a handle of the damaged file is good after the cut")
	}
	buf := make([]byte, 100)
	n, err := l.ReadAt(t.Context(), buf, logfile.Pos{Gen: g.ID, Off: 2})
	if err != nil || string(buf[:n]) != "234" {
		t.Errorf("ReadAt() = %q, %v, want what is good", buf[:n], err)
	}
	if n, err := l.ReadAt(t.Context(), buf, logfile.Pos{Gen: g.ID, Off: 7}); err != io.EOF {
		t.Errorf("ReadAt(beyond) = %q, %v, want %v", buf[:n], err, io.EOF)
	}
}

// A follower goes on where its mark says in another process, however many
// generations were told of since, if all are told at once.
func TestToldResumes(t *testing.T) {
	const name = "web1:/var/log/app.log"
	cursor := logfile.Cursor{Path: filepath.Join(t.TempDir(), "cursor")}
	o := newOwner(t, &logfile.Set{NoEvents: true}, name)
	g := o.begin()
	o.append(g, "one, two")
	f := logfile.Follow(o.told.Log(), logfile.FromStart)
	defer f.Close()
	span, err := f.Read(t.Context(), make([]byte, 5))
	must(t, err)
	if span.N != 5 {
		t.Fatalf("read %d bytes", span.N)
	}
	mark, err := o.told.Log().Mark(f.Pos())
	must(t, err)
	must(t, cursor.Save([]logfile.Mark{mark}))
	o.append(g, " and three")
	o.rename(g)
	o.append(o.begin(), "four")

	marks, err := cursor.Load()
	must(t, err)
	set := &logfile.Set{NoEvents: true}
	set.Adopt(marks...)
	o.told = set.Told(marks[0].Path)
	o.gens[0].Ended = logfile.Rotated
	o.told.Tell(o.gens[0].ToldGen, o.gens[1].ToldGen)
	l, err := set.Lookup(name)
	must(t, err)
	f = logfile.Follow(l, logfile.FromPos(marks[0].Pos))
	defer f.Close()
	if got, want := o.texts(f), "0 [two and three]; 0 rotated; 1 [four]"; got != want {
		t.Errorf("the next process is given %q, want %q", got, want)
	}
	f = logfile.Follow(l, logfile.FromJoined)
	defer f.Close()
	if got, want := o.texts(f), "1 [four]"; got != want {
		t.Errorf("from joined: %q, want %q: the rest was there before", got, want)
	}
	if n := set.Stats().Generations[logfile.Rotated]; n != 0 {
		t.Errorf("%d ends are counted, want none: they were before us", n)
	}
}

// Nobody looks at the files, asks for events of their directories, or writes down
// their ids.
func TestToldIsLeftAlone(t *testing.T) {
	state := t.TempDir()
	set := &logfile.Set{State: state, Active: time.Millisecond, Sweep: 2 * time.Millisecond, Hold: time.Millisecond, Late: time.Millisecond}
	o := newOwner(t, set, "web1:/var/log/app.log")
	first, g := o.begin(), o.begin()
	o.append(g, "told")
	l := o.told.Log()
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- set.Run(ctx) }()
	h, err := l.Open(g.ID)
	must(t, err)
	h.Close()
	eventually(t, "the descriptor is closed for want of use", func() bool { return set.Stats().Held == 0 })
	before := l.Stat()
	must(t, os.Remove(g.Path))
	must(t, os.Remove(first.Path))
	other := filepath.Join(t.TempDir(), "other.log")
	must(t, set.Add(other))
	must(t, os.WriteFile(other, []byte("x"), 0o600))
	eventually(t, "the sweep has been round", func() bool {
		l, err := set.Lookup(other)
		return err == nil && l.Stat().Current != nil
	})
	if after := l.Stat(); after.Seq != before.Seq {
		t.Errorf("Stat() is %+v, was %+v: somebody has looked", after, before)
	}
	if st := set.Stats(); st.WatchedDirs+st.PolledDirs != 1 {
		t.Errorf("%d directories are watched and %d polled, want one of both", st.WatchedDirs, st.PolledDirs)
	}
	cancel()
	must(t, <-ran)
	b, err := os.ReadFile(filepath.Join(state, "generations"))
	must(t, err)
	if text := string(b); strings.Contains(text, "web1") || !strings.Contains(text, other) {
		t.Errorf("the generations file is %q, want only our own log", text)
	}
}

// A forgotten file is kept for those who are behind, but not for ever.
func TestToldForgottenIsLetGo(t *testing.T) {
	set := &logfile.Set{NoEvents: true, Active: time.Millisecond, Hold: time.Millisecond, PinFor: time.Millisecond}
	o := newOwner(t, set, "web1:/var/log/app.log")
	g := o.begin()
	o.append(g, "one")
	l := o.told.Log()
	f := logfile.Follow(l, logfile.FromStart)
	defer f.Close()
	o.append(o.begin(), "two")
	o.forget(g)
	if got := set.Stats().PinnedBytes; got != 3 {
		t.Errorf("%d bytes are pinned, want 3", got)
	}
	if g := l.Stat().Find(g.ID); g.Path != "" || !g.Readable || !g.Final {
		t.Errorf("what is pinned is %+v, want it readable, final and nowhere", g)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- set.Run(ctx) }()
	eventually(t, "it is let go", func() bool { return set.Stats().PinnedBytes == 0 })
	if got, want := o.texts(f), "0 rotated without 0-3; 1 [two]"; got != want {
		t.Errorf("the follower is given %q, want %q", got, want)
	}
	if n := set.Stats().LostBytes[logfile.Rotated]; n != 3 {
		t.Errorf("%d bytes are counted as lost, want 3", n)
	}
	if g := l.Stat().Find(g.ID); g == nil || g.Readable {
		t.Errorf("the generation is %+v, want one that can be read no more", g)
	}
	cancel()
	must(t, <-ran)
}

// What comes late, and what ends while we know it, is counted, once.
func TestToldCounts(t *testing.T) {
	set := &logfile.Set{NoEvents: true}
	o := newOwner(t, set, "web1:/var/log/app.log")
	g := o.begin()
	o.append(g, "one")
	o.append(o.begin(), "two")
	o.append(g, " more")
	o.told.Tell(g.ToldGen)
	o.rename(g)
	o.forget(o.gens[1])
	st := set.Stats()
	if want := (map[logfile.Reason]int64{logfile.Rotated: 1, logfile.Deleted: 1}); !maps.Equal(st.Generations, want) || st.LateBytes != 5 {
		t.Errorf("Stats() counts ends %v and %d late bytes, want %v and 5", st.Generations, st.LateBytes, want)
	}
	if late := o.told.Log().Stat().Find(g.ID).Late; late != 5 {
		t.Errorf("Late = %d, want 5", late)
	}
	before := o.told.Log().Stat().Seq
	o.told.Tell(g.ToldGen)
	if after := o.told.Log().Stat().Seq; after != before {
		t.Error("readers are woken for what they know")
	}
}
