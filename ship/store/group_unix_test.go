//go:build unix

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/replica"
)

// groupOfOurs returns a group, not the one that new files have, to which files may be
// given here: for root any, for others one that they are in.
func groupOfOurs(t *testing.T) (name string, gid uint32) {
	t.Helper()
	own := os.Getegid()
	list, err := os.Getgroups()
	must(t, err)
	if os.Geteuid() == 0 {
		list = append(list, 4)
	}
	for _, gid := range list {
		if gid != own {
			return strconv.Itoa(gid), uint32(gid)
		}
	}
	t.Skip("needs a second group, or root")
	return "", 0
}

// place is the mode and group of a file.
type place struct {
	mode fs.FileMode
	gid  uint32
}

func placeOf(t *testing.T, path string) place {
	t.Helper()
	fi, err := os.Lstat(path)
	must(t, err)
	return place{fi.Mode().Perm(), fi.Sys().(*syscall.Stat_t).Gid}
}

// The group and the mode that are set are those of every file that is made, however
// it comes to be, and the group may go into every directory on the way; what is the
// store's own is nobody else's.
func TestGroup(t *testing.T) {
	name, gid := groupOfOurs(t)
	for _, c := range []struct{ mode, file, dir fs.FileMode }{
		{0, 0o600, 0o700}, {0o640, 0o640, 0o750}, {0o660, 0o660, 0o750}, {0o604, 0o604, 0o705}, {0o644, 0o644, 0o755},
	} {
		t.Run(fmt.Sprintf("%o", c.mode), func(t *testing.T) {
			old := syscall.Umask(0o077) // which takes nothing away
			defer syscall.Umask(old)
			dir := filepath.Join(quick(t), "new", "store")
			o := Options{Mode: c.mode, Group: name}
			s := opened(t, dir, o)
			current := shipped(t, s, id(1), "var/log/a", text(1, 2*leaf+7))
			sealedCopy(t, s, id(2), "var/log/b", []byte("x"), clock)
			taken := filepath.Join(dir, "web1", "var", "log", "c")
			must(t, os.WriteFile(taken, nil, 0o600)) // so that the copy is kept beside it
			beside := shipped(t, s, id(3), "var/log/c", []byte("y"))
			files := []string{current.path(t), beside.path(t)}
			for rec, file := range s.All {
				if rec.State == replica.Sealed {
					files = append(files, file)
				}
			}
			damaged := files[0]
			flip(t, damaged, 2*leaf+1)
			s = reopened(t, s, o)
			if mended := start(t, s, id(1), "var/log/a"); mended.rec.N != 2*leaf || mended.path(t) != damaged {
				t.Errorf("the mended copy has %d bytes at %s, want %d at %s", mended.rec.N, mended.path(t), 2*leaf, damaged)
			}
			aside, err := filepath.Glob(damaged + ".diverged-*")
			must(t, err)
			if files = append(files, aside...); len(files) != 4 {
				t.Fatalf("the files are %q, want four", files)
			}
			for _, file := range files {
				if got, want := placeOf(t, file), (place{c.file, gid}); got != want {
					t.Errorf("%s has mode %o and group %d, want %o and %d", file, got.mode, got.gid, want.mode, want.gid)
				}
			}
			for at := filepath.Dir(damaged); at != dir; at = filepath.Dir(at) {
				if got, want := placeOf(t, at), (place{c.dir, gid}); got != want {
					t.Errorf("directory %s has mode %o and group %d, want %o and %d", at, got.mode, got.gid, want.mode, want.gid)
				}
			}
			if got := placeOf(t, dir); got.mode != c.dir {
				t.Errorf("the store has mode %o, want %o", got.mode, c.dir)
			} else if got.gid != gid {
				t.Errorf("the store has group %d, want %d", got.gid, gid)
			}
			for own, mode := range map[string]fs.FileMode{ownDir: 0o700, ownDir + "/" + journalName: 0o600, ownDir + "/" + lockName: 0o600} {
				if got := placeOf(t, filepath.Join(dir, own)); got.mode != mode || got.gid == gid {
					t.Errorf("%s has mode %o and group %d, want %o, and nobody's group", own, got.mode, got.gid, mode)
				}
			}
		})
	}
}

// A directory that was there stays as it is.
func TestGroupOfAStoreThatWasThere(t *testing.T) {
	name, _ := groupOfOurs(t)
	dir := quick(t)
	must(t, os.Chmod(dir, 0o711))
	before := placeOf(t, dir)
	opened(t, dir, Options{Mode: 0o640, Group: name})
	if got := placeOf(t, dir); got != before {
		t.Errorf("the directory is %v, want %v as before", got, before)
	}
}

// Who is in the group, and nobody else, can read a copy.
func TestGroupReads(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user")
	}
	dir, err := os.MkdirTemp("", "store")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	s := opened(t, filepath.Join(dir, "store"), Options{Mode: 0o640, Group: "4"})
	x := shipped(t, s, id(1), "var/log/a", []byte("a line\n"))
	for gid, want := range map[uint32]string{4: "a line\n", 65534: ""} {
		if got := readAs(t, gid, x.path(t)); got != want {
			t.Errorf("group %d reads %q, want %q", gid, got, want)
		}
	}
}

// A group that there is not is said before anything is made.
func TestGroupUnknown(t *testing.T) {
	dir := filepath.Join(quick(t), "store")
	_, err := Open(dir, Options{Group: "nosuchgroup"})
	if err == nil || !strings.Contains(err.Error(), "nosuchgroup") {
		t.Errorf("Open = %v, want that there is no nosuchgroup", err)
	}
	if _, err := os.Lstat(dir); err == nil {
		t.Error("the store was made all the same")
	}
}

// A group that we may not give files to: the copy is refused, with the reason, and is
// there once we may.
func TestGroupNotOurs(t *testing.T) {
	s := opened(t, quick(t), Options{Mode: 0o640})
	may := false
	s.disk.Around = func(op, name string, do func() error) error {
		if err := do(); err != nil || may || op != "create" && op != "mkdir" {
			return err
		}
		return &fs.PathError{Op: "chown", Path: name, Err: syscall.EPERM}
	}
	if _, err := try(s, id(1), "var/log/a"); err == nil || !strings.Contains(err.Error(), "not permitted") {
		t.Errorf("Open of a copy = %v, want the reason", err)
	}
	may = true
	clock := clock.Add(time.Hour)
	s.o.Now = func() time.Time { return clock }
	if x, err := try(s, id(1), "var/log/a"); err != nil {
		t.Errorf("Open of a copy = %v once it may be", err)
	} else if err := x.grow([]byte("x")); err != nil {
		t.Error(err)
	}
}

// readAs is what a user of a group can read of a file.
func readAs(t *testing.T, gid uint32, path string) string {
	t.Helper()
	cmd := exec.Command("cat", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: gid}}
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out)
}
