package logfile

import (
	"bufio"
	"errors"
	"fmt"
	"os"

	"fairlead/internal/durable"
)

// lockFile waits for the lock of a file made for that purpose.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := durable.Lock(f); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// Lock locks f for as long as it is open. The kernel lets go of it when the
// process ends, however it does. If somebody else has it, the error says who
// writes to path, which the lock stands for, and what else to do: cure. Where the
// system has no such locks, two writers of one file are the operator's to avoid.
func Lock(f *os.File, path, cure string) error {
	err := durable.TryLock(f)
	if errors.Is(err, durable.ErrLocked) {
		return fmt.Errorf("%s is being written by %s: stop that, or %s", path, lockHolder(f), cure)
	}
	return err
}

// replaceFile replaces a file durably. write need not look at the errors of w.
func replaceFile(path string, write func(w *bufio.Writer) error) error {
	return durable.Replace(path, func(f *os.File) error {
		w := bufio.NewWriter(f)
		if err := write(w); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return fmt.Errorf("write %s: %w", f.Name(), err)
		}
		return nil
	})
}
