package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"fairlead/logfile"
	"fairlead/replica"
	"fairlead/ship/disk"
)

// What a path may be.
const (
	maxPath  = 4096 // bytes of a path, with a separator between names
	maxDepth = 64   // names of a path
)

// ownDir has what is ours in the store's directory. No sender can have this name.
const ownDir = ".fairlead"

// Is says whether a directory is a store, as far as can be seen.
func Is(dir string) bool {
	fi, err := os.Lstat(filepath.Join(dir, ownDir))
	return err == nil && fi.IsDir()
}

// A NameError says why a path or a sender is not taken. It is, to errors.As, a
// *replica.RefusedError as well: other copies are taken.
type NameError struct {
	Name string // the name that is wrong, or the whole path
	Why  string
}

func (e *NameError) Error() string { return fmt.Sprintf("name %.80q: %s", e.Name, e.Why) }

func (e *NameError) Unwrap() error {
	return &replica.RefusedError{Why: e.Error()}
}

// CheckPath returns nil if a path can be stored, else a *NameError: it has 1 to 64
// names and at most 4,096 bytes; each name has 1 to 200 bytes of UTF-8 without
// slashes, backslashes and control characters, is not . or .., and does not begin
// with a dash.
func CheckPath(path []string) error {
	if len(path) == 0 {
		return &NameError{"", "there is none"}
	}
	if len(path) > maxDepth {
		return &NameError{path[0], fmt.Sprintf("is the first of %d, and there may be %d", len(path), maxDepth)}
	}
	n := len(path) - 1
	for _, name := range path {
		if why := disk.WrongName(name); why != "" {
			return &NameError{name, why}
		}
		n += len(name)
	}
	if n > maxPath {
		return &NameError{path[0], fmt.Sprintf("begins a path of %d bytes, and there may be %d", n, maxPath)}
	}
	return nil
}

var senderName = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)

func checkSender(name string) error {
	if !senderName.MatchString(name) {
		return &NameError{name, "a sender has 1 to 63 of a-z, 0-9 and dash"}
	}
	return nil
}

// besideSuffix is what a name gets that is taken.
func besideSuffix(gen logfile.GenID) string { return "." + gen.Short() }

// damagedSuffix is what a damaged file gets.
func damagedSuffix(at time.Time) string { return ".diverged-" + disk.Stamp(at) }

var (
	endedName   = regexp.MustCompile(`^(.+)-([0-9]{8}T[0-9]{6}Z)\.[0-9a-f]{8}(?:\.[0-9]+)?$`)
	damagedName = regexp.MustCompile(`\.diverged-[0-9]{8}T[0-9]{6}Z(?:\.[0-9]+)?$`)
)

// parseEnded takes the name of an ended copy apart; ok is false for other names.
func parseEnded(name string) (base string, at time.Time, ok bool) {
	m := endedName.FindStringSubmatch(name)
	if m == nil {
		return name, time.Time{}, false
	}
	at, err := time.Parse(disk.StampLayout, m[2])
	if err != nil {
		return name, time.Time{}, false
	}
	return m[1], at, true
}

var errNoName = errors.New("no name is free")
