package store

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"fairlead/replica"
)

// What is begun together has the names that it would have had one by one, and what
// cannot be so is left to Open.
func TestBegin(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir, Options{Quota: func(sender string) Quota {
		if sender == "small" {
			return Quota{Files: 2}
		}
		return Quota{}
	}})
	known := id(1)
	p, _, _, err := s.Open(known, []string{"log", "known"}, time.Time{})
	must(t, err)
	must(t, p.Close())
	must(t, os.MkdirAll(filepath.Join(dir, "web1", "log"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "web1", "log", "theirs"), nil, 0o600))
	must(t, os.Symlink("/etc", filepath.Join(dir, "web1", "way")))

	ended := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	small := func(n byte) replica.ID { return replica.ID{Sender: "small", Gen: id(n).Gen} }
	cases := []struct {
		name  string
		n     replica.New
		begun bool
		file  string // once it is open
	}{
		{"new", replica.New{ID: id(2), Path: []string{"log", "a"}}, true, "web1/log/a"},
		{"beside it", replica.New{ID: id(3), Path: []string{"log", "b"}}, true, "web1/log/b"},
		{"below one that is a file", replica.New{ID: id(4), Path: []string{"log", "a", "c"}}, false, ""},
		{"what is a directory", replica.New{ID: id(5), Path: []string{"log"}}, false, ""},
		{"its name once more", replica.New{ID: id(6), Path: []string{"log", "a"}}, false, "web1/log/a"},
		{"ended", replica.New{ID: id(7), Path: []string{"log", "a"}, Ended: ended}, true, "web1/log/a-20260102T030405Z." + id(7).Gen.Short()},
		{"known", replica.New{ID: known, Path: []string{"log", "other"}}, true, "web1/log/known"},
		{"the name of one that is known", replica.New{ID: id(8), Path: []string{"log", "known"}}, false, "web1/log/known"},
		{"the name of a file that is not ours", replica.New{ID: id(9), Path: []string{"log", "theirs"}}, false, ""},
		{"behind a symlink", replica.New{ID: id(10), Path: []string{"way", "passwd"}}, false, ""},
		{"no name", replica.New{ID: id(11), Path: []string{".."}}, false, ""},
		{"in the quota", replica.New{ID: small(1), Path: []string{"a"}}, true, "small/a"},
		{"still in it", replica.New{ID: small(2), Path: []string{"b"}}, true, "small/b"},
		{"beyond the quota", replica.New{ID: small(3), Path: []string{"c"}}, false, ""},
	}
	var list []replica.New
	for _, c := range cases {
		list = append(list, c.n)
	}
	must(t, s.Begin(list))
	for _, c := range cases {
		if r, err := s.record(c.n.ID); err != nil || (r != nil) != c.begun {
			t.Errorf("%s: record %+v, %v; want begun %v", c.name, r, err, c.begun)
		}
	}
	audited(t, s)
	for _, c := range cases {
		p, _, _, err := s.Open(c.n.ID, c.n.Path, c.n.Ended)
		if err != nil {
			if c.begun {
				t.Errorf("%s: Open = %v", c.name, err)
			}
			continue
		}
		must(t, p.Close())
		if r, err := s.record(c.n.ID); c.file != "" && (err != nil || r.file != c.file) {
			t.Errorf("%s: the file is %q, %v; want %q", c.name, r.file, err, c.file)
		}
	}
	audited(t, s)
}

// A batch that is larger than a commit is begun all the same, once.
func TestBeginMany(t *testing.T) {
	s := opened(t, t.TempDir(), Options{})
	var list []replica.New
	for i := range 2*maxBegin + 3 {
		x := id(1)
		x.Gen[3], x.Gen[4] = byte(i), byte(i>>8)
		list = append(list, replica.New{ID: x, Path: []string{"log", string(rune('a'+i%26)) + x.Gen.Short()}})
	}
	must(t, s.Begin(slices.Concat(list, list[:5])))
	must(t, s.Begin(list))
	n := 0
	for range s.All {
		n++
	}
	if n != len(list) {
		t.Errorf("%d records, want %d", n, len(list))
	}
	audited(t, s)
}
