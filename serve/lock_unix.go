//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package serve

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Lock locks f for as long as it is open. The kernel lets go of it when the
// process ends, however it does. If somebody else has it, the error says who
// writes to path, which the lock stands for, and what else to do: cure.
func Lock(f *os.File, path, cure string) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%s is being written by %s: stop that, or %s", path, lockHolder(f), cure)
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return nil
}
