//go:build !linux

package disk

import (
	"errors"
	"os"
)

// Datasync makes durable what is needed to read the bytes of a file.
func Datasync(f *os.File) error { return f.Sync() }

func syncfs(*os.File) error { return errors.ErrUnsupported }

// SyncAllTells says that SyncAll makes all durable: here it does not.
func (d *Dir) SyncAllTells() bool { return false }

func (d *Dir) atOnce(string) *os.Root { return nil }

func nameMax(*os.File) int { return 255 }

func spaceOf(*os.File) (Space, error) { return Space{}, errors.ErrUnsupported }

// Allocate is left to the writes.
func Allocate(*os.File, int64, int64) error { return nil }

func (d *Dir) renameNoReplace(from, to string) error { return d.RenameByLink(from, to) }
