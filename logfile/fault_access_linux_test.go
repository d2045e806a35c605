package logfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const nobody = 65534

// asNobody returns how a child runs as another user, who may read the fixture's
// logs as far as their modes allow. It skips the test where that cannot be.
func asNobody(x *fixture) launch {
	x.t.Helper()
	if os.Getuid() != 0 {
		x.t.Skip("to be another user for a while one must be root")
	}
	binary := filepath.Join(x.dir, "binary", "logfile.test")
	must(x.t, os.Mkdir(filepath.Dir(binary), 0o755))
	exe, err := os.ReadFile("/proc/self/exe")
	must(x.t, err)
	syscall.ForkLock.RLock() // another child, forked meanwhile, would have it open for writing
	err = os.WriteFile(binary, exe, 0o755)
	syscall.ForkLock.RUnlock()
	must(x.t, err)
	for dir := x.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		must(x.t, os.Chmod(dir, 0o755))
	}
	must(x.t, os.Chown(x.conf.State, nobody, nobody))
	must(x.t, os.Chmod(filepath.Dir(x.conf.State), 0o755))
	return launch{
		binary: binary,
		attr:   &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}},
	}
}

// restart makes the fixture's child again, when and how the test says.
func (x *fixture) restart(how launch) {
	x.t.Helper()
	x.conf.Resume = make(map[string]stand)
	for path, r := range x.readers {
		x.conf.Resume[path] = r.stand
	}
	x.run = startWith(x.t, x.conf, x.take, how)
	x.t.Cleanup(x.down)
}

// A file that may not be read for a while is said to be so; the descriptor that
// is open reads on, and where there is none, reading goes on where it was.
func TestF17Unreadable(t *testing.T) {
	for _, way := range []way{live, down} {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			x := newFixture(t, way)
			how := asNobody(x)
			w := newWriter(t, x.path("app.log"))
			w.write(5)
			x.conf.Targets = []string{w.path}
			r := x.reader("app.log")
			x.restart(how)
			r.expect(w.contents()...)
			x.awaitIdle()
			if way == down {
				x.down()
			}
			must(t, os.Chmod(w.path, 0))
			w.write(3)
			if way == down {
				x.restart(how)
			}
			eventually(t, "why names the cause", func() bool { return strings.Contains(x.run.why(w.path), "may not read") })
			w.write(3)
			must(t, os.Chmod(w.path, 0o644))
			r.expect(w.contents()...)
			x.judge(w)
			wantLost(t, r)
		})
	}
}

// The mode flips while it is written, read and rotated.
func TestF17Flips(t *testing.T) {
	t.Parallel()
	x := newFixture(t, live)
	how := asNobody(x)
	w := newWriter(t, x.path("app.log"))
	w.write(5)
	x.conf.Targets = []string{w.path}
	r := x.reader("app.log")
	x.restart(how)
	for i := range night(t, "flips", 20, 600) {
		must(t, os.Chmod(w.path, 0))
		w.write(2)
		if i%5 == 4 {
			w.rotate()
			w.write(2)
			must(t, os.Chmod(w.path+".1", 0o644))
		}
		must(t, os.Chmod(w.path, 0o644))
		w.write(2)
		r.expect(w.contents()...)
	}
	x.judge(w)
	wantLost(t, r)
}

// The open descriptor reads on after the mode was taken away.
func TestF17OpenReadsOn(t *testing.T) {
	t.Parallel()
	x := newFixture(t, live)
	how := asNobody(x)
	w := newWriter(t, x.path("app.log"))
	w.write(50)
	x.conf.Targets = []string{w.path}
	x.conf.Allow = 700
	r := x.reader("app.log")
	x.restart(how)
	r.awaitBytes(700)
	must(t, os.Chmod(w.path, 0))
	w.write(3)
	x.limit("app.log", -1)
	r.expect(w.contents()...)
}

// chattr +i and a file system that is read-only for a while: nobody can write,
// and reading does not notice.
func TestF17Immutable(t *testing.T) {
	for name, protect := range map[string]func(t *testing.T, w *refWriter) (undo func()){
		"chattr":      immutable,
		"append only": appendOnly,
		"remount":     readOnly,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newFixture(t, live)
			if name == "remount" {
				mountTmpfs(t, x.dir)
			}
			w := newWriter(t, x.path("app.log"))
			w.write(9)
			r := x.follow("app.log")
			r.expect(w.contents()...)
			undo := protect(t, w)
			x.down()
			x.up()
			if st := x.engine().set.First().Stat(); st.Err != nil || st.Current == nil {
				t.Errorf("Stat() = %+v, want a current generation and no error", st)
			}
			undo()
			x.judge(w)
			wantLost(t, r)
		})
	}
}

func immutable(t *testing.T, w *refWriter) func()  { return chattr(t, w, "i") }
func appendOnly(t *testing.T, w *refWriter) func() { return chattr(t, w, "a") }

func chattr(t *testing.T, w *refWriter, flag string) func() {
	t.Helper()
	if out, err := exec.Command("chattr", "+"+flag, w.path).CombinedOutput(); err != nil {
		t.Skipf("chattr +%s: %v: %s", flag, err, out)
	}
	undo := func() { exec.Command("chattr", "-"+flag, w.path).Run() }
	t.Cleanup(undo)
	return undo
}

func mountTmpfs(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
}

// readOnly mounts the file's file system read-only: the writer has to let go.
func readOnly(t *testing.T, w *refWriter) func() {
	t.Helper()
	must(t, w.f.Close())
	dir := filepath.Dir(w.path)
	// A process that another test starts holds all our descriptors until it execs.
	eventually(t, "nobody writes there any more", func() bool {
		err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
		if err != unix.EBUSY {
			must(t, err)
		}
		return err == nil
	})
	return func() {
		must(t, unix.Mount("", dir, "", unix.MS_REMOUNT, ""))
		f, err := os.OpenFile(w.path, os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		t.Cleanup(func() { f.Close() })
		w.f = f
	}
}

// A read that fails: no byte is passed by, and it is tried again.
func TestF18ReadErrors(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	for _, errno := range []string{"EIO", "ESTALE"} {
		for _, when := range []string{"1..2", "2..5", "5..15", "7+11"} {
			t.Run(fmt.Sprintf("%s/when=%s", errno, when), func(t *testing.T) {
				t.Parallel()
				for _, way := range []way{live, down} {
					t.Run(string(way), func(t *testing.T) { failReads(newFixture(t, way), strace, errno, when) })
				}
			})
		}
	}
}

// failReads reads a log through a rotation in a child in which some preads of
// the log fail. The count is per thread.
func failReads(x *fixture, strace, errno, when string) {
	x.conf.Sweep = x.conf.Active // it is tried again at every sweep
	w := newWriter(x.t, x.path("app.log"))
	w.write(100)
	trace := filepath.Join(x.t.TempDir(), "trace")
	failing := launch{prefix: []string{
		strace, "-f", "-qq", "-o", trace, "-P", w.path,
		"-e", "trace=pread64", "-e", "inject=pread64:error=" + errno + ":when=" + when,
	}}
	x.conf.Targets = []string{w.path}
	r := x.reader("app.log")
	x.trace(failing)
	w.write(100)
	r.awaitBytes(1)
	if x.way == down {
		x.down()
		w.write(10)
		x.trace(failing)
	}
	r.expect(w.contents()...)
	w.rotate()
	w.write(50)
	r.expect(w.contents()...)
	x.down()
	r.expect(w.contents()...)
	wantLost(x.t, r)
	b, err := os.ReadFile(trace)
	must(x.t, err)
	if n := bytes.Count(b, []byte("(INJECTED)")); n == 0 {
		x.t.Errorf("no read failed, want some: %s", glimpse(b))
	}
}

// trace restarts the child under strace, or skips where that may not trace.
func (x *fixture) trace(how launch) {
	x.t.Helper()
	if out, err := exec.Command(how.prefix[0], "-o", "/dev/null", "true").CombinedOutput(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) || bytes.Contains(out, []byte("ptrace")) {
			x.t.Skipf("strace may not trace here: %s", out)
		}
	}
	x.restart(how)
}
