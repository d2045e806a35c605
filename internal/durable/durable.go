package durable

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Replace is the durable write: a temporary file of mode 0600, fsync, rename,
// fsync of the directory. After a crash the file is whole, the old one or the new
// one.
func Replace(path string, write func(f *os.File) error) error {
	return put(path, write, os.Rename)
}

// Create is [Replace] where there is no file yet. If there is one, also one that
// was made meanwhile, that stays, and the error is fs.ErrExist.
func Create(path string, write func(f *os.File) error) error {
	return put(path, write, func(temp, path string) error {
		if err := os.Link(temp, path); err != nil { // a rename would go over it
			return err
		}
		return os.Remove(temp)
	})
}

func put(path string, write func(f *os.File) error, name func(temp, path string) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("create temporary file: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err = write(f); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", f.Name(), err)
	}
	if err = f.Close(); err != nil {
		return fmt.Errorf("close %s: %w", f.Name(), err)
	}
	if err = name(f.Name(), path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir makes durable which files a directory has. Windows has no such thing.
func SyncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}
