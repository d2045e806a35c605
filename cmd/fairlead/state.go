package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"fairlead/logfile"
)

// A state is the directory of what outlives the process: the ids of
// generations. What it holds is a cache and may be deleted.
type state struct {
	dir       string
	temporary bool
}

// openState returns the state directory: the flag's, $STATE_DIRECTORY,
// $XDG_STATE_HOME/fairlead, ~/.local/state/fairlead, or else a temporary one,
// and says so. The first two are somebody's word: if they cannot be used, that
// is an error.
func openState(flag string, log *slog.Logger) (state, error) {
	if flag != "" {
		return namedState("--state", flag)
	}
	// systemd sets a list if the unit names several directories.
	if dir, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); dir != "" {
		return namedState("$STATE_DIRECTORY", dir)
	}
	var tried []string
	for _, dir := range userStates() {
		if err := usable(dir); err == nil {
			return state{dir: dir}, nil
		}
		tried = append(tried, dir)
	}
	dir, err := os.MkdirTemp("", "fairlead-state-")
	if err != nil {
		return state{}, fmt.Errorf("make a state directory: %w; name one with --state DIR", err)
	}
	log.Warn("nothing is remembered after this run: no state directory can be written",
		"path", dir, "tried", strings.Join(tried, " "), "cure", "name one with --state DIR or $STATE_DIRECTORY")
	return state{dir: dir, temporary: true}, nil
}

// lastingState returns the state directory for what must not be forgotten, which is
// what.
func lastingState(flag, what string, log *slog.Logger) (dir string, err error) {
	s, err := openState(flag, log)
	if err != nil {
		return "", err
	}
	if s.temporary {
		s.Close()
		return "", exitf(exitFailed, "there is no place to keep %s: name one with --state DIR", what)
	}
	return s.dir, nil
}

// Close removes what nobody will look for again.
func (s state) Close() {
	if s.temporary {
		os.RemoveAll(s.dir)
	}
}

func namedState(by, dir string) (state, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return state{}, err
	}
	if err := usable(dir); err != nil {
		return state{}, usagef("the state directory that %s names cannot be used: %v", by, err)
	}
	return state{dir: dir}, nil
}

// userStates returns where a user's state may be, best first.
func userStates() []string {
	var dirs []string
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		dirs = append(dirs, filepath.Join(dir, "fairlead"))
	}
	if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) {
		dirs = append(dirs, filepath.Join(home, ".local", "state", "fairlead"))
	}
	return dirs
}

// usable makes dir if there is none, and proves that it can be written.
func usable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".probe-")
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}

// lockName is the file in a room's directory that its process has locked.
const lockName = "lock"

// roomDir is the directory of a room in the state.
func roomDir(room, name string) string {
	if name != "" {
		return room + "-" + name
	}
	return room
}

// lockRoom makes a room's directory, which no other process may have at the same
// time.
func lockRoom(dir, cure string) (io.Closer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := logfile.Lock(f, dir, cure); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
