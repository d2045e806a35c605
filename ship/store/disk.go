package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// A seam is where a test comes between the store and the disk: it does what it is
// given, or fails, or both. A nil seam does it.
type seam func(op, name string, do func() error) error

func (s seam) do(op, name string, do func() error) error {
	if s == nil {
		return do()
	}
	return s(op, name, do)
}

// A disk is the store's directory. Names are relative to it, with slashes. No
// method follows a symlink, on the way to a name or at its end.
type disk struct {
	path   string
	root   *os.Root
	self   *os.File // the directory itself, open from the beginning: see syncAll
	dev    uint64   // of its file system
	mode   fs.FileMode
	gid    int // -1: the one that the system gives
	max    int // bytes of a name
	around seam

	mu      sync.Mutex
	settled map[string]bool // directories of which it is known to be durable that they are there
}

// maxSettled is how many directories are known at a time.
const maxSettled = 10_000

// openDisk opens the directory, and makes it if there is none.
func openDisk(dir string, mode fs.FileMode, gid int, around seam) (*disk, error) {
	d := &disk{path: dir, mode: mode, gid: gid, around: around, settled: make(map[string]bool)}
	if err := os.MkdirAll(dir, d.dirMode()); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	if d.self, err = root.Open("."); err != nil {
		root.Close()
		return nil, err
	}
	fi, err := d.self.Stat()
	if err != nil {
		root.Close()
		d.self.Close()
		return nil, err
	}
	d.root, d.dev, d.max = root, device(fi), nameMax(d.self)
	return d, nil
}

func (d *disk) close() error { return errors.Join(d.root.Close(), d.self.Close()) }

// dirMode lets those into directories who may read the files.
func (d *disk) dirMode() fs.FileMode {
	m := fs.FileMode(0o700)
	if d.mode&0o040 != 0 {
		m |= 0o050
	}
	if d.mode&0o004 != 0 {
		m |= 0o005
	}
	return m
}

// A wayError says that something which is no directory is where one should be.
type wayError struct {
	Name string // of it
	Kind fs.FileMode
}

func (e *wayError) Error() string {
	return fmt.Sprintf("%s is %s, not a directory", e.Name, kind(e.Kind))
}

// kind says in words what a file is.
func kind(m fs.FileMode) string {
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

// dir opens the directory that a name is in; mk makes those that are missing.
func (d *disk) dir(name string, mk bool) (dir *os.Root, base string, err error) {
	if dir := d.dirAtOnce(path.Dir(name)); dir != nil {
		return dir, path.Base(name), nil
	}
	if dir, err = d.root.OpenRoot("."); err != nil {
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
func (d *disk) step(dir *os.Root, part, at string, mk bool) (*os.Root, error) {
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
		return nil, &wayError{at, fi.Mode()}
	}
	next, err := dir.OpenRoot(part)
	if err != nil {
		return nil, err
	}
	if is, err := next.Stat("."); err != nil || !os.SameFile(fi, is) {
		next.Close()
		return nil, &wayError{at, fs.ModeIrregular}
	}
	return next, nil
}

func (d *disk) mkdir(dir *os.Root, part, at string) error {
	return d.around.do("mkdir", at, func() error {
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

// lstat says what is at a name.
func (d *disk) lstat(name string) (fs.FileInfo, error) {
	dir, base, err := d.dir(name, false)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Lstat(base)
}

// A strangeError says that what is at the name of a copy is not its file.
type strangeError struct{ Name, Is string }

func (e *strangeError) Error() string { return fmt.Sprintf("%s is %s", e.Name, e.Is) }

// open opens a copy's file. It does not wait for the other end of a FIFO, and what
// is no regular file, or has another name as well, is refused.
func (d *disk) open(name string, flag int) (*os.File, error) {
	dir, base, err := d.dir(name, false)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	before, err := dir.Lstat(base)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, &strangeError{name, kind(before.Mode())}
	}
	f, err := dir.OpenFile(base, flag|openAsIs, 0)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	switch {
	case err != nil:
	case !os.SameFile(before, fi):
		err = &strangeError{name, "being exchanged"}
	case links(fi) != 1:
		err = &strangeError{name, fmt.Sprintf("a file with %d names", links(fi))}
	default:
		return f, nil
	}
	f.Close()
	return nil, err
}

// create makes a file where there is none, and the directories it is in.
func (d *disk) create(name string) (*os.File, error) {
	dir, base, err := d.dir(name, true)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	var f *os.File
	err = d.around.do("create", name, func() (err error) {
		if f, err = dir.OpenFile(base, os.O_RDWR|os.O_CREATE|os.O_EXCL|openAsIs, d.mode); err != nil {
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

// rename moves a file to a name that is free; fs.ErrExist says that it is not.
func (d *disk) rename(from, to string) error {
	return d.around.do("rename", from+"\x00"+to, func() error { return d.renameNoReplace(from, to) })
}

// renameByLink is rename where the system has none that spares what is there. A
// crash may leave both names.
func (d *disk) renameByLink(from, to string) error {
	err := d.root.Link(from, to)
	if err == nil {
		return d.root.Remove(from)
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := d.lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fs.ErrExist)
	}
	return d.root.Rename(from, to) // a file system without links
}

// remove removes a regular file; it is no error if there is none.
func (d *disk) remove(name string) error {
	dir, base, err := d.dir(name, false)
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
		err = &strangeError{name, kind(fi.Mode())}
	}
	if err != nil {
		return err
	}
	return d.around.do("remove", name, func() error { return dir.Remove(base) })
}

// syncDirOf makes durable which files the directory of a name has. Windows has no
// such thing.
func (d *disk) syncDirOf(name string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := d.dirFile(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return d.around.do("syncdir", path.Dir(name), f.Sync)
}

// settle makes it durable that files are there, and the directories they are in.
func (d *disk) settle(names []string) error {
	done := make(map[string]bool)
	for _, name := range names {
		for at := name; at != "." && !done[path.Dir(at)]; at = path.Dir(at) {
			if at != name && d.isSettled(at) {
				break
			}
			if err := d.syncDirOf(at); err != nil {
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

// settleOwn makes it durable that the journal is there, and the directory itself.
func (d *disk) settleOwn() error {
	if err := d.settle([]string{ownDir + "/" + journalName}); err != nil || runtime.GOOS == "windows" {
		return err
	}
	parent, err := os.Open(filepath.Dir(d.path))
	if errors.Is(err, fs.ErrPermission) {
		return nil // it was there before us
	}
	if err != nil {
		return err
	}
	defer parent.Close()
	return parent.Sync()
}

func (d *disk) isSettled(dir string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.settled[dir]
}

func (d *disk) setSettled(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.settled) >= maxSettled {
		clear(d.settled)
	}
	d.settled[dir] = true
}

// dirFile opens the directory of a name as a file.
func (d *disk) dirFile(name string) (*os.File, error) {
	dir, _, err := d.dir(name, false)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Open(".")
}

// cut cuts a file to n bytes.
func (d *disk) cut(f *os.File, name string, n int64) error {
	return d.around.do("cut", name, func() error { return f.Truncate(n) })
}

// syncFile makes a file durable; what is only needed to read its bytes, unless it
// is new.
func (d *disk) syncFile(f *os.File, name string, fresh bool) error {
	return d.around.do("sync", name, func() error {
		if fresh {
			return f.Sync()
		}
		return fdatasync(f)
	})
}

// syncAll makes durable all that the file system has. The descriptor it is asked
// through was open before anything was written, so that it is told of each write
// that failed since the last time.
func (d *disk) syncAll() error {
	return d.around.do("syncfs", ".", func() error { return syncfs(d.self) })
}
