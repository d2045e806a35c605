package logfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Without any events the sweep finds all: appends, rotations, late writers,
// copies, new files.
func TestF19NoEvents(t *testing.T) {
	eachWay(t, func(x *fixture) {
		x.conf.NoEvents = true
		w := newWriter(t, x.path("app.log"))
		w.write(5)
		x.followAll(x.path("*.log"), "app.log", "new.log")
		r := x.reader("app.log")
		r.expect(w.contents()...)
		old := w.pen
		x.strike(func() {
			w.rotate()
			w.write(3)
			w.rotate()
			w.write(3)
		})
		r.expect(w.contents()...)
		x.strike(func() {
			old.write(2)
			w.copyTruncate()
			w.write(1)
		})
		r.expect(w.contents()...)
		var other *refWriter
		x.strike(func() {
			other = newWriter(t, x.path("new.log"))
			other.write(3)
		})
		x.reader("new.log").expect(other.contents()...)
		if n := x.run.numbers(); n.WatchedDirs != 0 || n.PolledDirs == 0 {
			t.Errorf("numbers = %+v, want all directories polled", n)
		}
		x.judge(w)
		wantLost(t, r)
	}, live, down)
}

// namespaces returns how a child gets namespaces of its own in which it may do
// what root may.
func namespaces(flags uintptr) launch {
	return launch{attr: &syscall.SysProcAttr{
		Cloneflags:                 syscall.CLONE_NEWUSER | flags,
		UidMappings:                []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings:                []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		GidMappingsEnableSetgroups: false,
	}}
}

// inNamespaces starts the fixture's child there, or skips the test.
func (x *fixture) inNamespaces(flags uintptr) {
	x.t.Helper()
	c, err := tryChild(x.t, x.conf, x.take, namespaces(flags))
	if err != nil {
		x.t.Skipf("no child in namespaces of its own: %v", err)
	}
	x.run = c
	x.t.Cleanup(x.down)
}

// Writes to a lower layer give no event where the layers are mounted.
func TestF19Overlay(t *testing.T) {
	for _, way := range []way{live, down} {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			x := newFixture(t, way)
			base := t.TempDir()
			lower, merged := filepath.Join(base, "lower"), filepath.Join(base, "merged")
			for _, name := range []string{"lower", "upper", "work", "merged"} {
				must(t, os.Mkdir(filepath.Join(base, name), 0o755))
			}
			x.conf.Overlay = []string{lower, filepath.Join(base, "upper"), filepath.Join(base, "work"), merged}
			x.conf.Targets = []string{filepath.Join(merged, "app.log")}
			w := newWriter(t, filepath.Join(lower, "app.log"))
			w.write(5)
			r := x.reader(filepath.Join(merged, "app.log"))
			x.inNamespaces(syscall.CLONE_NEWNS)
			r.expect(w.contents()...)
			if n := x.run.numbers(); n.PolledDirs == 0 {
				t.Errorf("numbers = %+v, want the directory polled", n)
			}
			if way == down {
				x.down()
			}
			w.write(5)
			if way == down {
				x.conf.Resume = map[string]stand{r.path: r.stand}
				x.inNamespaces(syscall.CLONE_NEWNS)
			}
			r.expect(w.contents()...)
			w.write(2)
			r.expect(w.contents()...)
			wantLost(t, r)
		})
	}
}

// The kernel's queue overflows: everything is looked at again.
func TestF20Overflow(t *testing.T) {
	eachWay(t, func(x *fixture) {
		w := newWriter(t, x.path("app.log"))
		w.write(5)
		x.followAll(x.path("*.log"), "app.log", "new.log", "copied.log")
		r := x.reader("app.log")
		r.expect(w.contents()...)
		copied := newWriter(t, x.path("copied.log"))
		copied.write(5)
		x.reader("copied.log").expect(copied.contents()...)
		var other *refWriter
		x.strike(func() {
			w.rotate()
			w.write(2)
			noise(t, x.dir, x.enough())
			old := w.rotate()
			w.write(3)
			copied.copyTruncate()
			copied.write(1)
			other = newWriter(t, x.path("new.log"))
			other.write(3)
			old.write(2)
		})
		r.expect(w.contents()...)
		x.reader("new.log").expect(other.contents()...)
		x.reader("copied.log").expect(copied.contents()...)
		if n := x.run.numbers(); x.way == paused && n.Overflows == 0 {
			t.Errorf("numbers = %+v, want an overflow", n)
		}
		x.judge(w)
		wantLost(t, r)
	}, live, down, paused)
}

// A copy that somebody made, and that was seen to be one, is not taken for a
// generation that was missed.
func TestF20CopyBeforeOverflow(t *testing.T) {
	eachWay(t, func(x *fixture) {
		w := newWriter(t, x.path("app.log"))
		w.write(5)
		r := x.follow("app.log")
		r.expect(w.contents()...)
		w.copyTo(x.path("app.log.old"))
		w.write(5)
		r.expect(w.contents()...) // so what happened before was followed
		x.strike(func() {
			noise(t, x.dir, x.enough())
			w.rotate()
			w.write(3)
		})
		r.expect(w.contents()...)
		x.judge(w)
		wantLost(t, r)
	}, live, paused)
}

// enough is so much noise that a stopped process misses some.
func (x *fixture) enough() int {
	if x.way == paused {
		return 9000
	}
	return 300
}

// noise makes two events, n times.
func noise(t *testing.T, dir string, n int) {
	t.Helper()
	for i := range n {
		path := filepath.Join(dir, fmt.Sprintf("noise%d", i))
		fd, err := unix.Open(path, unix.O_CREAT|unix.O_WRONLY, 0o644)
		must(t, err)
		must(t, unix.Close(fd))
		must(t, unix.Unlink(path))
	}
}

// The kernel gives no more watches, or no instance at all: those directories are
// polled, and it is said.
func TestF21Limits(t *testing.T) {
	for name, limit := range map[string]string{
		"max_inotify_watches":   "3",
		"max_inotify_instances": "0",
	} {
		for _, way := range []way{live, down} {
			t.Run(name+"/"+string(way), func(t *testing.T) {
				t.Parallel()
				x := newFixture(t, way)
				x.conf.Write = map[string]string{"/proc/sys/user/" + name: limit}
				outOfWatches(x)
			})
		}
	}
}

// outOfWatches follows more directories than there are watches.
func outOfWatches(x *fixture) {
	const dirs = 10
	var ws []*refWriter
	for i := range dirs {
		must(x.t, os.Mkdir(x.path(fmt.Sprint(i)), 0o755))
		w := newWriter(x.t, x.path(fmt.Sprintf("%d/app.log", i)))
		w.write(3)
		x.reader(w.path)
		ws = append(ws, w)
	}
	expect := func() {
		for _, w := range ws {
			x.reader(w.path).expect(w.contents()...)
		}
	}
	x.conf.All = true
	x.conf.Targets = []string{x.dir}
	x.inNamespaces(0)
	expect()
	n := x.run.numbers()
	if n.PolledDirs < dirs-3 || !strings.Contains(n.WatchErr, "limit") {
		x.t.Errorf("numbers = %+v, want at least %d directories polled, because of the limit", n, dirs-3)
	}
	if x.way == down {
		x.down()
	}
	for _, w := range ws {
		w.write(2)
		w.rotate()
		w.write(1)
	}
	if x.way == down {
		x.conf.Resume = make(map[string]stand)
		for path, r := range x.readers {
			x.conf.Resume[path] = r.stand
		}
		x.inNamespaces(0)
	}
	expect()
}

// Fewer descriptors than files: all are read, and some descriptors stay free.
func TestF22FewDescriptors(t *testing.T) {
	for _, way := range []way{live, down} {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			x := newFixture(t, way)
			x.conf.Descriptors = 64
			readWith64(x)
		})
	}
}

// Of descriptors that nobody uses no more are kept than MaxOpen says, however
// long they may be held.
func TestF22MaxOpen(t *testing.T) {
	t.Parallel()
	x := newFixture(t, live)
	x.conf.MaxOpen, x.conf.Hold = 5, time.Hour
	var ws []*refWriter
	for i := range 50 {
		w := newWriter(t, x.path(fmt.Sprintf("%d.log", i)))
		w.write(3)
		x.reader(w.path)
		ws = append(ws, w)
	}
	x.followAll(x.path("*.log"))
	for range 3 {
		for _, w := range ws {
			w.write(1)
		}
		for _, w := range ws {
			x.reader(w.path).expect(w.contents()...)
		}
		eventually(t, "no more than MaxOpen are held", func() bool { return x.run.numbers().Held <= 5 })
	}
}

// readWith64 reads 500 files, appended to, rotated and cut.
func readWith64(x *fixture) {
	var ws []*refWriter
	for i := range 500 {
		w := newWriter(x.t, x.path(fmt.Sprintf("%d.log", i)))
		w.write(3)
		x.reader(w.path)
		ws = append(ws, w)
	}
	x.conf.All = true
	x.conf.Targets = []string{x.path("*.log")}
	x.restart(launch{})
	expect := func() {
		x.t.Helper()
		for _, w := range ws {
			x.reader(w.path).expect(w.contents()...)
		}
		if n := x.run.numbers(); n.Held > 32 {
			x.t.Errorf("%d descriptors are held of 64, want 32 in reserve", n.Held)
		}
	}
	expect()
	if x.way == down {
		x.down()
	}
	for i, w := range ws {
		w.write(2)
		switch i % 5 {
		case 0:
			w.rotate()
			w.write(2)
		case 1:
			w.copyTruncate()
			w.write(1)
		}
	}
	if x.way == down {
		x.restart(launch{})
	}
	expect()
}
