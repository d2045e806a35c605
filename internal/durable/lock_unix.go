//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package durable

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Lock waits for the lock of f, which holds for as long as f is open. The kernel
// lets go of it when the process ends, however it does.
func Lock(f *os.File) error { return flock(f, unix.LOCK_EX) }

// TryLock is [Lock] without waiting. If somebody else has the lock the error is
// [ErrLocked].
func TryLock(f *os.File) error {
	err := flock(f, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("lock %s: %w", f.Name(), ErrLocked)
	}
	return err
}

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
	}
}
