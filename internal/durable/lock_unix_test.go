//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package durable_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"fairlead/internal/durable"
)

// A lock holds until the file is closed, and who waits for it gets it then.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	first, second := open(), open()
	if err := durable.Lock(first); err != nil {
		t.Fatal(err)
	}
	if err := durable.TryLock(second); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("TryLock of a file that is locked = %v, want %v", err, durable.ErrLocked)
	}
	got := make(chan error)
	go func() { got <- durable.Lock(second) }()
	select {
	case err := <-got:
		t.Errorf("Lock of a file that is locked = %v, want it to wait", err)
	default:
	}
	first.Close()
	if err := <-got; err != nil {
		t.Errorf("Lock of a file that was closed = %v", err)
	}
}
