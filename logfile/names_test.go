package logfile

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRotatedBases(t *testing.T) {
	tests := map[string][]string{
		"app.log":                  nil,
		"app.log.1":                {"app.log"},
		"app.log.12345":            {"app.log"},
		"app.log.123456":           nil, // a process id, or a time
		"app.log.1.gz":             {"app.log"},
		"app.log.old":              {"app.log"},
		"app.log.old.xz":           {"app.log"},
		"app.log-20261120":         {"app.log"},
		"app.log-20261120.gz":      {"app.log"},
		"app.log-2026-11-20":       {"app.log"},
		"app.log.2026-11-20":       {"app.log"},
		"app.log_20261120":         {"app.log"},
		"app.log.2026-11-20_13":    {"app.log"},
		"app.log-20261120-1795190": {"app.log"},
		"app.log-1795190400":       {"app.log"},
		"app.log.2026-11-20.1":     {"app.log.2026-11-20", "app.log"},
		"syslog.1":                 {"syslog"},
		"1":                        nil,
		".1":                       nil,
		"":                         nil,
		"app.log.gz":               nil,
		"app.log.bak":              nil,
		"app.1.log":                nil,
		"x86-64":                   nil,
	}
	for name, want := range tests {
		if got := rotatedBases(name); !slices.Equal(got, want) {
			t.Errorf("rotatedBases(%q) = %q, want %q", name, got, want)
		}
	}
}

// A base is a beginning of the name and shorter than it, so the search ends.
func FuzzRotatedName(f *testing.F) {
	for _, s := range []string{"app.log.1", "app.log-20261120.gz", "a.2026-11-20.1.old.2.gz", "\xff.1\n.1", ".old.old"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		last := name
		for _, base := range rotatedBases(name) {
			if base == "" || len(base) >= len(last) || !strings.HasPrefix(last, base) {
				t.Errorf("rotatedBases(%q): %q after %q", name, base, last)
			}
			last = base
		}
	})
}

func TestLookup(t *testing.T) {
	dir := t.TempDir()
	paths := []string{
		filepath.Join(dir, "a", "app.log"), filepath.Join(dir, "b", "app.log"), filepath.Join(dir, "b", "other.log"),
		filepath.Join(dir, "b", "another.log"), filepath.Join(dir, "with blank.log"),
	}
	set := new(Set)
	for _, path := range paths {
		if err := set.Add(path); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, want string
		ambiguous  []string
	}{
		{paths[0], paths[0], nil},
		{dir + "/b/../a/./app.log", paths[0], nil},
		{"a/app.log", paths[0], nil},
		{"/a/app.log", paths[0], nil},
		{"other.log", paths[2], nil}, // whole names only: not the end of another.log
		{"b/other.log", paths[2], nil},
		{"with blank.log", paths[4], nil},
		{"app.log", "", paths[:2]},
		{"/app.log", "", paths[:2]},
		{"ther.log", "", nil},
		{"c/app.log", "", nil},
		{dir, "", nil},
		{"", "", nil},
		{".", "", nil},
		{"/", "", nil},
	}
	for _, tt := range tests {
		l, err := set.Lookup(tt.name)
		var ambiguous *AmbiguousError
		switch {
		case tt.want != "":
			if err != nil || l.Name() != tt.want {
				t.Errorf("Lookup(%q) = %v, %v, want %s", tt.name, l, err, tt.want)
			}
		case tt.ambiguous != nil:
			if !errors.As(err, &ambiguous) || !slices.Equal(ambiguous.Candidates, tt.ambiguous) || !strings.Contains(err.Error(), tt.ambiguous[1]) {
				t.Errorf("Lookup(%q) = %v, want the candidates %v", tt.name, err, tt.ambiguous)
			}
		case !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "look up"):
			t.Errorf("Lookup(%q) = %v, %v, want %v", tt.name, l, err, ErrNotFound)
		}
	}
}

func TestLogsAndFirst(t *testing.T) {
	dir, set := t.TempDir(), new(Set)
	if got := set.First(); got != nil {
		t.Errorf("First() of an empty set = %v, want nil", got)
	}
	for _, name := range []string{"b", "c", "a", "b"} {
		if err := set.Add(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for _, l := range set.Logs() {
		names = append(names, filepath.Base(l.Name()))
	}
	if want := []string{"a", "b", "c"}; !slices.Equal(names, want) {
		t.Errorf("Logs() = %v, want %v, each once", names, want)
	}
	if got := filepath.Base(set.First().Name()); got != "b" {
		t.Errorf("First() = %s, want b", got)
	}
}

// Siblings are in the order in which they were written.
func TestOlder(t *testing.T) {
	at := func(path string, sec int64) sibling {
		s := sibling{path: path}
		s.mtime = s.mtime.AddDate(2000, 0, int(sec))
		return s
	}
	tests := [][2]sibling{ // the older first
		{at("app.log.1", 1), at("app.log.2", 2)},
		{at("app.log.2", 1), at("app.log.1", 1)},
		{at("app.log.10", 1), at("app.log.9", 1)},
		{at("app.log-20261119", 1), at("app.log-20261120", 1)},
	}
	for _, tt := range tests {
		if older(tt[0], tt[1]) >= 0 || older(tt[1], tt[0]) <= 0 || older(tt[0], tt[0]) != 0 {
			t.Errorf("older(%s, %s) = %d, want the first to be older", tt[0].path, tt[1].path, older(tt[0], tt[1]))
		}
	}
}
