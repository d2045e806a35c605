package store

import (
	"errors"
	"io/fs"
	"syscall"
)

// openAsIs has no meaning here: what is opened was looked at before and is after.
const openAsIs = 0

func device(fs.FileInfo) uint64 { return 0 }

func links(fs.FileInfo) uint64 { return 1 }

func descriptorLimit() int { return 4096 }

const (
	errHandleDiskFull syscall.Errno = 39
	errDiskFull       syscall.Errno = 112
)

// full says in words why there is no room, if that is what err says.
func full(err error) (why string, ok bool) {
	if errors.Is(err, errDiskFull) || errors.Is(err, errHandleDiskFull) {
		return "the store's disk is full", true
	}
	return "", false
}

func outOfDescriptors(error) bool { return false }

func nameTooLong(error) bool { return false }
