//go:build unix

package logfile

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func (i *info) fillSys(fi fs.FileInfo) {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		i.dev, i.ino = uint64(st.Dev), uint64(st.Ino)
	}
}

// lstat does not follow symlinks: for names found beside a log. It is os.Lstat
// without its garbage, for a sweep calls it for every log.
func lstat(path string) (info, error) {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	for err == unix.EINTR {
		err = unix.Lstat(path, &st)
	}
	if err != nil {
		return info{}, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	return info{
		dev: uint64(st.Dev), ino: uint64(st.Ino),
		size: st.Size, mtime: time.Unix(st.Mtim.Unix()), mode: fileMode(uint32(st.Mode)),
	}, nil
}

func fileMode(m uint32) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	switch m & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	default:
		mode |= fs.ModeIrregular
	}
	return mode
}

func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

func isLoop(err error) bool { return errors.Is(err, syscall.ELOOP) }

func outOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// openLog opens without waiting: a FIFO put at the path must not hang us.
func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
}

// nameOf returns the name an open file has now, or "" where the system does
// not tell. A deleted file's name ends in deletedSuffix, so it is not found.
func nameOf(f *os.File) string {
	name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	if err != nil {
		return ""
	}
	return name
}

// descriptorLimit is how many descriptors the process may have.
func descriptorLimit() int {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil {
		return 1024
	}
	return int(min(uint64(r.Cur), 1<<20))
}

// fstat is f.Stat without its allocations: a reader of a busy log calls it for
// every piece it sends. f is not closed meanwhile.
func fstat(f *os.File) (size int64, mtime time.Time, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, time.Time{}, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return st.Size, time.Unix(st.Mtim.Unix()), nil
}
