//go:build !linux

package store

import (
	"errors"
	"os"
)

func fdatasync(f *os.File) error { return f.Sync() }

func syncfs(*os.File) error { return errors.ErrUnsupported }

func syncfsTells(*os.File) bool { return false }

func (d *disk) dirAtOnce(string) *os.Root { return nil }

func nameMax(*os.File) int { return 255 }

// A space is how much the disk has, in bytes.
type space struct{ used, total int64 }

func spaceOf(*os.File) (space, error) { return space{}, errors.ErrUnsupported }

func allocate(*os.File, int64, int64) error { return nil }

func (d *disk) renameNoReplace(from, to string) error { return d.renameByLink(from, to) }
