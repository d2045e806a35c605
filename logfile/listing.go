package logfile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// names returns the names in dir that begin with, and are longer than, prefix.
// The listing serves one round of looks; locate and adopt of a log that
// was renamed meanwhile come round again.
func (s *Set) names(path, prefix string) []string {
	path = filepath.Clean(path)
	s.mu.Lock()
	d := s.dirOf(path)
	names := d.names
	s.mu.Unlock()
	if names == nil {
		f, err := os.Open(path)
		if err != nil {
			return nil
		}
		listed := modified(f)
		names, _ = f.Readdirnames(-1)
		f.Close()
		slices.Sort(names)
		s.mu.Lock()
		d.names, d.listed = names, listed
		s.listed = append(s.listed, d)
		s.mu.Unlock()
	}
	i, _ := slices.BinarySearch(names, prefix)
	j := i
	for j < len(names) && strings.HasPrefix(names[j], prefix) {
		j++
	}
	return slices.DeleteFunc(slices.Clone(names[i:j]), func(n string) bool { return n == prefix })
}

// namesHold says whether a directory still is as it was listed.
func (s *Set) namesHold(path string) bool {
	path = filepath.Clean(path)
	s.mu.Lock()
	listed := s.dirOf(path).listed
	s.mu.Unlock()
	fi, err := os.Stat(path)
	return err != nil || fi.ModTime().Equal(listed)
}

func modified(f *os.File) time.Time {
	fi, err := f.Stat()
	if err != nil {
		return time.Time{}
	}
	return fi.ModTime()
}

// relist has the directory of path listed anew.
func (s *Set) relist(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirOf(filepath.Dir(path)).names = nil
}
