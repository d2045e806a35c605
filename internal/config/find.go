package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const fileName = "fairlead.toml"

// Find returns the path of the file to load: the one that is named (/dev/null:
// none), or the first there is of what the environment names and of the places
// where it may be. It returns nothing if there is none.
func Find(named string, environ []string) (path string, err error) {
	by := ""
	if named == "" {
		named, by = getenv(environ, "FAIRLEAD_CONFIG"), "FAIRLEAD_CONFIG="
	}
	switch {
	case named == os.DevNull:
		return "", nil
	case named != "":
		if _, err := os.Stat(named); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				err = errNotThere
			}
			return "", &Error{Where: by + shown(named), Text: bare(err).Error()}
		}
		return named, nil
	}
	for _, path := range places(environ) {
		if _, err := os.Stat(path); !missing(err) {
			return path, nil // if it cannot be read, that is an error, and no reason to take the next
		}
	}
	return "", nil
}

// places returns where the file may be, best first.
func places(environ []string) (paths []string) {
	// systemd sets a list if the unit names several directories.
	for _, dir := range filepath.SplitList(getenv(environ, "CONFIGURATION_DIRECTORY")) {
		if dir != "" {
			paths = append(paths, filepath.Join(dir, fileName))
		}
	}
	if dir := getenv(environ, "XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		paths = append(paths, filepath.Join(dir, "fairlead", fileName))
	} else if home := getenv(environ, "HOME"); filepath.IsAbs(home) {
		paths = append(paths, filepath.Join(home, ".config", "fairlead", fileName))
	}
	return append(paths, filepath.Join(string(filepath.Separator), "etc", "fairlead", fileName))
}

// missing says that a path leads to nothing, a home of /dev/null included.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func getenv(environ []string, name string) string {
	for _, v := range environ {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}
