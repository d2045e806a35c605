package logfile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// A way says how a fault strikes.
type way string

const (
	live   way = "live"   // while it is looked at
	down   way = "down"   // between two processes that share a state directory
	cursor way = "cursor" // between two processes; only the followers' marks survive
	paused way = "paused" // while the process is stopped by SIGSTOP
)

// A runner follows logs: an engine in this process, or one in a child.
type runner interface {
	allow(path string, n int64)
	numbers() numbers
	why(path string) string
	stop() error
}

// startChild starts a runner in another process; nil where there is none.
var startChild func(t *testing.T, conf config, out func(item)) runner

// A fixture is a directory of logs, what follows them and what that was given.
type fixture struct {
	t    *testing.T
	way  way
	dir  string
	conf config

	run     runner // nil while nothing follows
	readers map[string]*reader
}

// eachWay runs do once for each way that a fault can strike.
func eachWay(t *testing.T, do func(x *fixture), ways ...way) {
	t.Parallel()
	for _, way := range ways {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			if way == paused && startChild == nil {
				t.Skip("no SIGSTOP on this system")
			}
			do(newFixture(t, way))
		})
	}
}

// newFixture has quick times. Late and the sweeps are such that events must be
// followed: a sweep that finds everything would hide that they are not.
func newFixture(t *testing.T, way way) *fixture {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not let files be renamed or removed that are open")
	}
	dir := filepath.Join(t.TempDir(), "logs")
	must(t, os.Mkdir(dir, 0o755))
	return &fixture{
		t: t, way: way, dir: dir, readers: make(map[string]*reader),
		conf: config{
			State: t.TempDir(), Buffer: 4099, Allow: -1,
			Quiet: 50 * time.Millisecond, Late: time.Hour, Active: 20 * time.Millisecond, Sweep: 200 * time.Millisecond,
			Hold: 50 * time.Millisecond,
		},
	}
}

func (x *fixture) path(name string) string { return filepath.Join(x.dir, name) }

// reader returns the reader of a log by its name in the directory.
func (x *fixture) reader(name string) *reader {
	path := x.path(name)
	if filepath.IsAbs(name) {
		path = name
	}
	if x.readers[path] == nil {
		x.readers[path] = newReader(x.t, path)
	}
	return x.readers[path]
}

// follow makes names targets, begins to follow them, and returns the first's
// reader.
func (x *fixture) follow(names ...string) *reader {
	x.t.Helper()
	for _, name := range names {
		x.reader(name)
		x.conf.Targets = append(x.conf.Targets, x.path(name))
	}
	x.up()
	return x.reader(names[0])
}

// followAll is follow for targets that are not files. The readers it will need
// are named.
func (x *fixture) followAll(target string, names ...string) {
	x.t.Helper()
	for _, name := range names {
		x.reader(name)
	}
	x.conf.All = true
	x.conf.Targets = append(x.conf.Targets, target)
	x.up()
}

// up begins, or goes on, to follow.
func (x *fixture) up() {
	x.t.Helper()
	x.conf.Adopt = x.way == cursor
	x.conf.Resume = make(map[string]stand)
	for path, r := range x.readers {
		x.conf.Resume[path] = r.stand
	}
	if x.way == paused {
		x.run = startChild(x.t, x.conf, x.take)
	} else {
		e, err := startEngine(x.conf, x.take)
		must(x.t, err)
		x.run = e
	}
	x.t.Cleanup(x.down)
}

// take hands what is told to its reader.
func (x *fixture) take(it item) {
	r := x.readers[it.Log]
	if r == nil {
		x.t.Errorf("a log that is none: %s", it.Log)
		return
	}
	r.take(it)
}

// down ends what follows.
func (x *fixture) down() {
	x.t.Helper()
	if x.run == nil {
		return
	}
	if err := x.run.stop(); err != nil {
		x.t.Errorf("stop: %v", err)
	}
	x.run = nil
	if x.way == cursor {
		must(x.t, os.RemoveAll(x.conf.State))
		must(x.t, os.Mkdir(x.conf.State, 0o755))
	}
}

// strike lets a fault happen in the fixture's way.
func (x *fixture) strike(fault func()) {
	x.t.Helper()
	switch x.way {
	case live:
		fault()
	case paused:
		x.run.(interface{ pause(func()) }).pause(fault)
	default:
		x.down()
		fault()
		x.up()
	}
}

// engine returns what follows in this process.
func (x *fixture) engine() *engine { return x.run.(*engine) }

// limit lets the follower of a log read n more bytes and then no more; below
// zero: all there is.
func (x *fixture) limit(name string, n int64) {
	x.conf.Allow = n
	if x.run != nil {
		x.run.allow(x.path(name), n)
	}
}

// judge writes one record more, waits until all that was written came, and ends
// it: what comes twice would have come by then.
func (x *fixture) judge(w *refWriter) {
	x.t.Helper()
	w.write(1)
	r := x.reader(w.path)
	r.expect(w.contents()...)
	x.down()
	r.expect(w.contents()...)
}

// judgeLast wants the first and the last generation of w delivered whole, and
// nothing appended to the first.
func (x *fixture) judgeLast(w *refWriter, r *reader) {
	x.t.Helper()
	w.write(1)
	first, last := w.ledger[0].bytes, w.gen.bytes
	r.await("the last generation", func() bool { return bytes.Equal(r.gens[len(r.gens)-1].bytes, last) })
	if got := r.gens[0].bytes; !bytes.Equal(got, first) {
		x.t.Errorf("the first generation is %s, want %s", glimpse(got), glimpse(first))
	}
}

// awaitIdle waits until no descriptor is held: an inode in use is not reused.
func (x *fixture) awaitIdle() {
	x.t.Helper()
	eventually(x.t, "no descriptor is held", func() bool { return x.run.numbers().Held == 0 })
}
