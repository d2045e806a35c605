package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fairlead/logfile"
)

const (
	// adHoc begins the name of a spool of targets that were named with the command.
	adHoc = "up."
	// removed ends the name of one that is being removed.
	removed = ".removed"
	// spoolAge is how long such a one is kept after its last use.
	spoolAge = 7 * 24 * time.Hour
)

// removeOldSpools removes what fairlead up kept of targets that nobody has watched
// for a week, but for own, which is about to be used. The logs it was made of are
// their owners'.
func removeOldSpools(state, own string, log *slog.Logger) {
	entries, _ := os.ReadDir(state) // that it can be used openState has proved
	for _, e := range entries {
		dir := filepath.Join(state, e.Name())
		if !e.IsDir() || !strings.HasPrefix(e.Name(), adHoc) || dir == own {
			continue
		}
		switch done, err := removeOldSpool(dir); {
		case err != nil:
			log.Warn("an old spool cannot be removed", "path", dir, "err", err)
		case done:
			log.Info("removed the entries of targets that were not watched for a week", "path", dir)
		}
	}
}

// removeOldSpool removes one that is in nobody's use, and has not been for long.
func removeOldSpool(dir string) (done bool, err error) {
	if strings.HasSuffix(dir, removed) { // we ended before we were done
		return true, os.RemoveAll(dir)
	}
	used, err := lastUse(dir)
	if err != nil || time.Since(used) < spoolAge {
		return false, err
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // not one of ours
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if logfile.Lock(f, dir, "") != nil {
		return false, nil
	}
	// Whoever wants it from now on makes it anew.
	if err := os.Rename(dir, dir+removed); err != nil {
		return false, err
	}
	return true, os.RemoveAll(dir + removed)
}

// lastUse is when a spool was written, or its process began. One that ran for
// longer than a week, and was killed, is not an old one.
func lastUse(dir string) (last time.Time, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if fi, err := e.Info(); err == nil && fi.ModTime().After(last) {
			last = fi.ModTime()
		}
	}
	return last, err
}
