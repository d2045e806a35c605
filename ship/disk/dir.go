package disk

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Seam is where a test comes between us and the disk: it does what it is given, or
// fails, or both. A nil Seam does it.
type Seam func(op, name string, do func() error) error

// Do does it, through the seam.
func (s Seam) Do(op, name string, do func() error) error {
	if s == nil {
		return do()
	}
	return s(op, name, do)
}

// A Dir is a directory whose files are named by others. Names are relative to it, with
// slashes. No method follows a symlink, on the way to a name or at its end. The
// fields are to be read.
type Dir struct {
	Path   string
	Root   *os.Root
	Self   *os.File // the directory itself, open from the beginning: see SyncAll
	Dev    uint64   // of its file system
	Max    int      // bytes of a name
	Around Seam

	mode fs.FileMode
	gid  int // -1: the one that the system gives

	mu      sync.Mutex      // guards what follows
	settled map[string]bool // directories of which it is known to be durable that they are there
	looked  time.Time       // when space was asked for
	space   Space
}

// maxSettled is how many directories are known at a time.
const maxSettled = 10_000

// Open opens a directory, and makes it if there is none. Its files get a mode, 0600 if
// that is 0, and belong to a group, a name or number; empty: the one that the system
// gives.
func Open(dir string, mode fs.FileMode, group string, around Seam) (*Dir, error) {
	gid, err := gidOf(group)
	if err != nil {
		return nil, err
	}
	d := &Dir{Path: dir, mode: cmp.Or(mode.Perm(), 0o600), gid: gid, Around: around, settled: make(map[string]bool)}
	_, err = os.Lstat(dir)
	made := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(dir, d.dirMode()); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	if d.Self, err = root.Open("."); err != nil {
		root.Close()
		return nil, err
	}
	fi, err := d.Self.Stat()
	if err == nil && made {
		err = d.letIn()
	}
	if err != nil {
		root.Close()
		d.Self.Close()
		return nil, err
	}
	d.Root, d.Dev, d.Max = root, Device(fi), nameMax(d.Self)
	return d, nil
}

// letIn gives the directory, which we have made, to those who may read the files. One
// that was there keeps what its owner chose.
func (d *Dir) letIn() error {
	if d.dirMode() != 0o700 {
		if err := d.Self.Chmod(d.dirMode()); err != nil {
			return err
		}
	}
	if d.gid < 0 {
		return nil
	}
	return d.Self.Chown(-1, d.gid)
}

// gidOf is the number of a group, -1 if none is named.
func gidOf(group string) (int, error) {
	if group == "" {
		return -1, nil
	}
	if n, err := strconv.Atoi(group); err == nil && n >= 0 {
		return n, nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}

// Close gives up what is open of it.
func (d *Dir) Close() error { return errors.Join(d.Root.Close(), d.Self.Close()) }

// dirMode lets those into directories who may read the files.
func (d *Dir) dirMode() fs.FileMode {
	m := fs.FileMode(0o700)
	if d.mode&0o040 != 0 {
		m |= 0o050
	}
	if d.mode&0o004 != 0 {
		m |= 0o005
	}
	return m
}

// A WayError says that something which is no directory is where one should be.
type WayError struct {
	Name string // of it
	Kind fs.FileMode
}

func (e *WayError) Error() string {
	return fmt.Sprintf("%s is %s, not a directory", e.Name, Kind(e.Kind))
}

// Kind says in words what a file is.
func Kind(m fs.FileMode) string {
	switch {
	case m.IsRegular():
		return "a file"
	case m.IsDir():
		return "a directory"
	case m&fs.ModeSymlink != 0:
		return "a symlink"
	case m&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "no regular file"
}

// Sub opens the directory that a name is in; mk makes those that are missing.
func (d *Dir) Sub(name string, mk bool) (dir *os.Root, base string, err error) {
	if dir := d.atOnce(path.Dir(name)); dir != nil {
		return dir, path.Base(name), nil
	}
	if dir, err = d.Root.OpenRoot("."); err != nil {
		return nil, "", err
	}
	parts := strings.Split(name, "/")
	for i, part := range parts[:len(parts)-1] {
		at := path.Join(parts[:i+1]...)
		next, err := d.step(dir, part, at, mk)
		dir.Close()
		if err != nil {
			return nil, "", err
		}
		dir = next
	}
	return dir, parts[len(parts)-1], nil
}

// step opens one directory in another. That it is the one that was looked at, and
// no symlink, is checked once it is open.
func (d *Dir) step(dir *os.Root, part, at string, mk bool) (*os.Root, error) {
	fi, err := dir.Lstat(part)
	if mk && errors.Is(err, fs.ErrNotExist) {
		if err = d.mkdir(dir, part, at); err == nil {
			fi, err = dir.Lstat(part)
		}
	}
	if err != nil {
		return nil, err
	}
	if !fi.IsDir() {
		return nil, &WayError{at, fi.Mode()}
	}
	next, err := dir.OpenRoot(part)
	if err != nil {
		return nil, err
	}
	if is, err := next.Stat("."); err != nil || !os.SameFile(fi, is) {
		next.Close()
		return nil, &WayError{at, fs.ModeIrregular}
	}
	return next, nil
}

func (d *Dir) mkdir(dir *os.Root, part, at string) error {
	return d.Around.Do("mkdir", at, func() error {
		err := dir.Mkdir(part, d.dirMode())
		if errors.Is(err, fs.ErrExist) {
			return nil // by somebody else, at this moment
		}
		d.mu.Lock()
		delete(d.settled, at)
		d.mu.Unlock()
		if err == nil && d.dirMode() != 0o700 {
			err = dir.Chmod(part, d.dirMode())
		}
		if err == nil && d.gid >= 0 {
			err = dir.Lchown(part, -1, d.gid)
		}
		return err
	})
}

// Lstat says what is at a name.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) {
	dir, base, err := d.Sub(name, false)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Lstat(base)
}

// A StrangeError says that what is at the name of a copy is not its file.
type StrangeError struct{ Name, Is string }

func (e *StrangeError) Error() string { return fmt.Sprintf("%s is %s", e.Name, e.Is) }

// Open opens a file. It does not wait for the other end of a FIFO, and what
// is no regular file, or has another name as well, is refused.
func (d *Dir) Open(name string, flag int) (*os.File, error) {
	dir, base, err := d.Sub(name, false)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	before, err := dir.Lstat(base)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, &StrangeError{name, Kind(before.Mode())}
	}
	f, err := dir.OpenFile(base, flag|OpenAsIs, 0)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	switch {
	case err != nil:
	case !os.SameFile(before, fi):
		err = &StrangeError{name, "being exchanged"}
	case links(fi) != 1:
		err = &StrangeError{name, fmt.Sprintf("a file with %d names", links(fi))}
	default:
		return f, nil
	}
	f.Close()
	return nil, err
}

// Create makes a file where there is none, and the directories it is in.
func (d *Dir) Create(name string) (*os.File, error) {
	dir, base, err := d.Sub(name, true)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	var f *os.File
	err = d.Around.Do("create", name, func() (err error) {
		if f, err = dir.OpenFile(base, os.O_RDWR|os.O_CREATE|os.O_EXCL|OpenAsIs, d.mode); err != nil {
			return err
		}
		if d.mode != 0o600 {
			err = f.Chmod(d.mode)
		}
		if err == nil && d.gid >= 0 {
			err = f.Chown(-1, d.gid)
		}
		return err
	})
	if err != nil && f != nil {
		f.Close()
	}
	return f, err
}

// Rename moves a file to a name that is free; fs.ErrExist says that it is not.
func (d *Dir) Rename(from, to string) error {
	return d.Around.Do("rename", from+"\x00"+to, func() error { return d.renameNoReplace(from, to) })
}

// RenameByLink is Rename where the system has none that spares what is there. A
// crash may leave both names.
func (d *Dir) RenameByLink(from, to string) error {
	err := d.Root.Link(from, to)
	if err == nil {
		return d.Root.Remove(from)
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := d.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fs.ErrExist)
	}
	return d.Root.Rename(from, to) // a file system without links
}

// Remove removes a regular file; it is no error if there is none.
func (d *Dir) Remove(name string) error {
	dir, base, err := d.Sub(name, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	fi, err := dir.Lstat(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !fi.Mode().IsRegular() {
		err = &StrangeError{name, Kind(fi.Mode())}
	}
	if err != nil {
		return err
	}
	return d.Around.Do("remove", name, func() error { return dir.Remove(base) })
}

// SyncDirOf makes durable which files the directory of a name has. Windows has no
// such thing.
func (d *Dir) SyncDirOf(name string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := d.DirFile(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return d.Around.Do("syncdir", path.Dir(name), f.Sync)
}

// Settle makes it durable that files are there, and the directories they are in.
func (d *Dir) Settle(names []string) error {
	done := make(map[string]bool)
	for _, name := range names {
		for at := name; at != "." && !done[path.Dir(at)]; at = path.Dir(at) {
			if at != name && d.isSettled(at) {
				break
			}
			if err := d.SyncDirOf(at); err != nil {
				return err
			}
			done[path.Dir(at)] = true
			if at != name {
				d.setSettled(at)
			}
		}
	}
	return nil
}

// SettleSelf makes it durable that the directory is there.
func (d *Dir) SettleSelf() error {
	if runtime.GOOS == "windows" {
		return nil
	}
	parent, err := os.Open(filepath.Dir(d.Path))
	if errors.Is(err, fs.ErrPermission) {
		return nil // it was there before us
	}
	if err != nil {
		return err
	}
	defer parent.Close()
	return parent.Sync()
}

func (d *Dir) isSettled(dir string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.settled[dir]
}

func (d *Dir) setSettled(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.settled) >= maxSettled {
		clear(d.settled)
	}
	d.settled[dir] = true
}

// DirFile opens the directory of a name as a file.
func (d *Dir) DirFile(name string) (*os.File, error) {
	dir, _, err := d.Sub(name, false)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Open(".")
}

// Cut cuts a file to n bytes.
func (d *Dir) Cut(f *os.File, name string, n int64) error {
	return d.Around.Do("cut", name, func() error { return f.Truncate(n) })
}

// SyncFile makes a file durable; what is only needed to read its bytes, unless it
// is new.
func (d *Dir) SyncFile(f *os.File, name string, fresh bool) error {
	return d.Around.Do("sync", name, func() error {
		if fresh {
			return f.Sync()
		}
		return Datasync(f)
	})
}

// SyncAll makes durable all that the file system has. The descriptor it is asked
// through was open before anything was written, so that it is told of each write
// that failed since the last time.
func (d *Dir) SyncAll() error {
	return d.Around.Do("syncfs", ".", func() error { return syncfs(d.Self) })
}
