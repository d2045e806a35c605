package disk

import (
	"errors"
	"io/fs"
	"syscall"
)

// OpenAsIs has no meaning here: what is opened was looked at before and is after.
const OpenAsIs = 0

// Device is the number of a file's file system; 0: not known.
func Device(fs.FileInfo) uint64 { return 0 }

func links(fs.FileInfo) uint64 { return 1 }

// DescriptorLimit is how many descriptors the process may have.
func DescriptorLimit() int { return 4096 }

const (
	errHandleDiskFull syscall.Errno = 39
	errDiskFull       syscall.Errno = 112
)

// Full says in words why there is no room, if that is what err says.
func Full(err error) (why string, ok bool) {
	if errors.Is(err, errDiskFull) || errors.Is(err, errHandleDiskFull) {
		return "the disk is full", true
	}
	return "", false
}

// OutOfDescriptors says that an error means that.
func OutOfDescriptors(error) bool { return false }

// NameTooLong says that an error means that the file system has no such long names.
func NameTooLong(error) bool { return false }
