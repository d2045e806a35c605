//go:build unix

package trust_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fairlead/trust"
)

// A key that others can have read is refused, with what to do, and so is what is
// no file.
func TestKeyUnsafeFile(t *testing.T) {
	for name, tt := range map[string]struct {
		plant func(t *testing.T, path, real string) error
		want  string
	}{
		"read by the group":   {func(t *testing.T, path, real string) error { return plantMode(path, real, 0o640) }, "chmod 600 "},
		"read by everyone":    {func(t *testing.T, path, real string) error { return plantMode(path, real, 0o604) }, "chmod 600 "},
		"written by everyone": {func(t *testing.T, path, real string) error { return plantMode(path, real, 0o602) }, "chmod 600 "},
		"link":                {func(t *testing.T, path, real string) error { return os.Symlink(real, path) }, "not a regular file"},
		"directory":           {func(t *testing.T, path, real string) error { return os.Mkdir(path, 0o700) }, "not a regular file"},
		"fifo":                {func(t *testing.T, path, real string) error { return syscall.Mkfifo(path, 0o600) }, "not a regular file"},
		"another user's": {func(t *testing.T, path, real string) error {
			if os.Getuid() != 0 {
				t.Skip("needs root, to give a file away")
			}
			return errors.Join(os.Rename(real, path), os.Chown(path, stranger, stranger))
		}, "another user"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			real, path := filepath.Join(dir, "real"), filepath.Join(dir, "key")
			if _, err := trust.OpenKey(real); err != nil {
				t.Fatal(err)
			}
			if err := tt.plant(t, path, real); err != nil {
				t.Fatal(err)
			}
			if _, err := trust.OpenKey(path); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("OpenKey = %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func plantMode(path, real string, mode os.FileMode) error {
	return errors.Join(os.Rename(real, path), os.Chmod(path, mode))
}

// Root who makes what a service is to read makes it for the service.
func TestKeyOfAService(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to make a directory of another user")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, stranger, stranger); err != nil {
		t.Fatal(err)
	}
	k, err := trust.OpenKey(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	trusted := &trust.Trusted{Path: filepath.Join(dir, "trusted")}
	if err := trusted.Add(trust.Machine{Name: "a", Key: k.Public(), Roles: []string{trust.RoleSend}}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"key", "trusted", "trusted.lock"} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if uid := fi.Sys().(*syscall.Stat_t).Uid; uid != stranger {
			t.Errorf("%s belongs to %d, want %d", name, uid, stranger)
		}
	}
}

// A file of machines that others can have put there, or written to, lets nobody in,
// and nothing is added to it.
func TestTrustedUnsafeFile(t *testing.T) {
	for name, plant := range map[string]func(path, real string) error{
		"written by everyone": func(path, real string) error { return plantMode(path, real, 0o602) },
		"written by a group":  func(path, real string) error { return plantMode(path, real, 0o620) },
		"link":                func(path, real string) error { return os.Symlink(real, path) },
		"fifo":                func(path, real string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			key := newKey(t).Public()
			real := newTrusted(t, "")
			add(t, real, machine("web", key, "send"))
			trusted := &trust.Trusted{Path: filepath.Join(t.TempDir(), "trusted")}
			if err := plant(trusted.Path, real.Path); err != nil {
				t.Fatal(err)
			}
			wantKnown(t, trusted, key, "")
			_, _, listed := trusted.List()
			_, removed := trusted.Remove("web")
			for _, err := range []error{listed, removed, trusted.Add(machine("x", newKey(t).Public(), "send"))} {
				if err == nil || errors.Is(err, trust.ErrNotTrusted) {
					t.Errorf("List, Remove or Add = %v, want an error about the file", err)
				}
			}
		})
	}
}
