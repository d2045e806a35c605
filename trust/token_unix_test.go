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

// A file that others can have put there, or written to, lets nobody in, and
// nothing is added to it; a FIFO holds nobody up.
func TestTokensUnsafeFile(t *testing.T) {
	for name, tt := range map[string]struct {
		plant func(t *testing.T, path, real string) error
		want  string
	}{
		"writable by others": {func(t *testing.T, path, real string) error {
			return errors.Join(os.Rename(real, path), os.Chmod(path, 0o602))
		}, "chmod go-w"},
		"link":      {func(t *testing.T, path, real string) error { return os.Symlink(real, path) }, "not a regular file"},
		"directory": {func(t *testing.T, path, real string) error { return os.Mkdir(path, 0o700) }, "not a regular file"},
		"fifo":      {func(t *testing.T, path, real string) error { return syscall.Mkfifo(path, 0o600) }, "not a regular file"},
		"another user's": {func(t *testing.T, path, real string) error {
			if os.Getuid() != 0 {
				t.Skip("needs root, to give a file away")
			}
			return errors.Join(os.Rename(real, path), os.Chown(path, stranger, stranger))
		}, "another user"},
	} {
		t.Run(name, func(t *testing.T) {
			ts, _ := newTokens(t)
			secret := newToken(t, ts, "a", trust.RoleView, 0)
			path := filepath.Join(t.TempDir(), "tokens")
			if err := tt.plant(t, path, ts.Path); err != nil {
				t.Fatal(err)
			}
			planted := &trust.Tokens{Path: path}
			_, checked := planted.Check(secret)
			_, made := planted.New("b", trust.RoleView, 0)
			for _, err := range []error{checked, made, planted.Revoke("a")} {
				if err == nil || errors.Is(err, trust.ErrNoToken) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Check, New or Revoke = %v, want an error with %q", err, tt.want)
				}
			}
		})
	}
}

// A mode that is widened later is seen as well.
func TestTokensBecomeUnsafe(t *testing.T) {
	ts, _ := newTokens(t)
	secret := newToken(t, ts, "a", trust.RoleView, 0)
	wantCheck(t, ts, secret, nil)
	if err := os.Chmod(ts.Path, 0o620); err != nil {
		t.Fatal(err)
	}
	if _, err := ts.Check(secret); err == nil {
		t.Error("Check in a file that the group can write = nil, want an error")
	}
}

// Root who makes a token in a service's state makes it for the service.
func TestTokensOfAService(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to make a directory of another user")
	}
	ts, _ := newTokens(t)
	if err := os.Chown(filepath.Dir(ts.Path), stranger, stranger); err != nil {
		t.Fatal(err)
	}
	secret := newToken(t, ts, "a", trust.RoleView, 0)
	fi, err := os.Stat(ts.Path)
	if err != nil {
		t.Fatal(err)
	}
	if uid := fi.Sys().(*syscall.Stat_t).Uid; uid != stranger {
		t.Errorf("the file belongs to %d, want %d", uid, stranger)
	}
	newToken(t, ts, "b", trust.RoleView, 0)
	wantCheck(t, ts, secret, nil)
}
