//go:build unix

package disk

import (
	"errors"
	"io/fs"
	"syscall"
)

// OpenAsIs opens what is at a name itself, and at once.
const OpenAsIs = syscall.O_NOFOLLOW | syscall.O_NONBLOCK | syscall.O_NOCTTY

// Device is the number of a file's file system; 0: not known.
func Device(fi fs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev)
	}
	return 0
}

// links is how many names a file has.
func links(fi fs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}

// DescriptorLimit is how many descriptors the process may have.
func DescriptorLimit() int {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil {
		return 1024
	}
	return int(min(uint64(r.Cur), 1<<20))
}

// The errors that mean that there is no room, or not at the moment, in words.
var noRoom = []struct {
	err syscall.Errno
	why string
}{
	{syscall.ENOSPC, "the disk has no space, or no inodes, left"},
	{syscall.EDQUOT, "the disk quota of the user is used up"},
	{syscall.EFBIG, "a file would be larger than the system allows"},
	{syscall.EMFILE, "the process has no descriptors left"},
	{syscall.ENFILE, "the machine has no descriptors left"},
}

// Full says in words why there is no room, if that is what err says.
func Full(err error) (why string, ok bool) {
	for _, n := range noRoom {
		if errors.Is(err, n.err) {
			return n.why, true
		}
	}
	return "", false
}

// OutOfDescriptors says that an error means that.
func OutOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// NameTooLong says that an error means that the file system has no such long names.
func NameTooLong(err error) bool { return errors.Is(err, syscall.ENAMETOOLONG) }
