package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// retried calls f again as long as a signal interrupts it.
func retried(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// Datasync makes durable what is needed to read the bytes of a file.
func Datasync(f *os.File) error {
	if err := retried(func() error { return unix.Fdatasync(int(f.Fd())) }); err != nil {
		return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

func syncfs(dir *os.File) error {
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return &fs.PathError{Op: "syncfs", Path: dir.Name(), Err: err}
	}
	return nil
}

// File systems whose syncfs makes files and directories durable.
var whole = map[int64]bool{
	unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true,
	unix.F2FS_SUPER_MAGIC: true, unix.TMPFS_MAGIC: true,
}

// SyncAllTells says that SyncAll makes all durable and returns the errors of writes:
// Linux does since 5.8.
func (d *Dir) SyncAllTells() bool {
	var st unix.Statfs_t
	var un unix.Utsname
	if unix.Fstatfs(int(d.Self.Fd()), &st) != nil || unix.Uname(&un) != nil || !whole[int64(uint32(st.Type))] {
		return false
	}
	var major, minor int
	fmt.Sscanf(unix.ByteSliceToString(un.Release[:]), "%d.%d", &major, &minor)
	return major > 5 || major == 5 && minor >= 8
}

// atOnce opens a directory without a step for each part of its name, of which
// none may be a symlink. It returns nil if that does not work, for whatever reason:
// step finds out what is wrong.
func (d *Dir) atOnce(name string) *os.Root {
	fd, err := unix.Openat2(int(d.Self.Fd()), name, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	dir, err := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", fd)) // what fd is, wherever its name leads by now
	if err != nil {
		return nil
	}
	return dir
}

func nameMax(dir *os.File) int {
	var st unix.Statfs_t
	if unix.Fstatfs(int(dir.Fd()), &st) != nil || st.Namelen <= 0 {
		return 255
	}
	return int(min(st.Namelen, 255))
}

// spaceOf counts as df does: what is reserved for root is not there.
func spaceOf(dir *os.File) (Space, error) {
	var st unix.Statfs_t
	if err := retried(func() error { return unix.Fstatfs(int(dir.Fd()), &st) }); err != nil {
		return Space{}, err
	}
	used := (st.Blocks - st.Bfree) * uint64(st.Bsize)
	return Space{int64(used), int64(used + st.Bavail*uint64(st.Bsize))}, nil
}

// Allocate gets room for a file's bytes from off to end. Where that cannot be
// done, writing will tell.
func Allocate(f *os.File, off, end int64) error {
	err := retried(func() error { return unix.Fallocate(int(f.Fd()), 0, off, end-off) })
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return err
}

func (d *Dir) renameNoReplace(from, to string) error {
	a, b, err := d.pair(from, to)
	if err != nil {
		return err
	}
	defer a.Close()
	defer b.Close()
	err = retried(func() error {
		return unix.Renameat2(int(a.Fd()), path.Base(from), int(b.Fd()), path.Base(to), unix.RENAME_NOREPLACE)
	})
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return d.RenameByLink(from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// pair opens the directories of two names.
func (d *Dir) pair(from, to string) (a, b *os.File, err error) {
	if a, err = d.DirFile(from); err != nil {
		return nil, nil, err
	}
	if b, err = d.DirFile(to); err != nil {
		a.Close()
		return nil, nil, err
	}
	return a, b, nil
}
