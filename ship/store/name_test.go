package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/replica"
	"fairlead/ship/disk"
)

// names60 are paths, each of which somebody once used, or could, to get out of a
// directory or to confuse who lists it; and what becomes of them.
var names60 = []struct {
	path []string
	ok   bool
}{
	{nil, false},
	{[]string{""}, false},
	{[]string{"."}, false},
	{[]string{".."}, false},
	{[]string{"..", "x"}, false},
	{[]string{"a", "..", "x"}, false},
	{[]string{"a", ".", "x"}, false},
	{[]string{"a", "", "x"}, false},
	{[]string{"a", ".."}, false},
	{[]string{"../x"}, false},
	{[]string{"a/b"}, false},
	{[]string{"/"}, false},
	{[]string{"/etc/passwd"}, false},
	{[]string{"a/../../x"}, false},
	{[]string{`a\b`}, false},
	{[]string{`\`}, false},
	{[]string{`..\x`}, false},
	{[]string{`C:\x`}, false},
	{[]string{`\\host\share`}, false},
	{[]string{"a\x00b"}, false},
	{[]string{"\x00"}, false},
	{[]string{"a\nb"}, false},
	{[]string{"a\rb"}, false},
	{[]string{"a\tb"}, false},
	{[]string{"\x1b[31mred"}, false},
	{[]string{"a\x7fb"}, false},
	{[]string{"a\u0085b"}, false},
	{[]string{"a\u009bb"}, false},
	{[]string{"-rf"}, false},
	{[]string{"-"}, false},
	{[]string{"a", "-x"}, false},
	{[]string{"\xff"}, false},
	{[]string{"a\xc0\xafb"}, false},
	{[]string{"\xed\xa0\x80"}, false},
	{[]string{"\xf4\x90\x80\x80"}, false},
	{[]string{strings.Repeat("x", 201)}, false},
	{[]string{strings.Repeat("é", 101)}, false},
	{slices.Repeat([]string{"d"}, 65), false},
	{slices.Repeat([]string{strings.Repeat("x", 200)}, 21), false},
	{[]string{"x"}, true},
	{[]string{"..."}, true},
	{[]string{"..x"}, true},
	{[]string{".x"}, true},
	{[]string{"x."}, true},
	{[]string{"x.."}, true},
	{[]string{"a b"}, true},
	{[]string{" "}, true},
	{[]string{"a", " ", "b"}, true},
	{[]string{"a%2fb"}, true},
	{[]string{"%2e%2e", "x"}, true},
	{[]string{"~root"}, true},
	{[]string{"$HOME"}, true},
	{[]string{"`id`"}, true},
	{[]string{"a:b"}, true},
	{[]string{"a", "b-"}, true},
	{[]string{"*?[x]"}, true},
	{[]string{"日志.log"}, true},
	{[]string{"\u202egol"}, true},
	{[]string{"․․", "x"}, true},
	{[]string{"／etc"}, true},
	{[]string{".fairlead", "journal.db"}, true},
	{[]string{"web2", "a"}, true},
	{[]string{strings.Repeat("x", 200)}, true},
	{slices.Repeat([]string{"d"}, 64), true},
	{slices.Repeat([]string{strings.Repeat("y", 200)}, 20), true},
}

// outside returns all that is in a directory beside the store, with what tells
// whether it was changed.
func outside(t testing.TB, dir string) map[string]string {
	t.Helper()
	seen := make(map[string]string)
	must(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p == filepath.Join(dir, "store") {
			return fs.SkipDir
		}
		fi, err := d.Info()
		seen[p] = fi.Mode().String() + fi.ModTime().String()
		if fi.Mode().IsRegular() {
			b, err := os.ReadFile(p)
			seen[p] += string(b)
			return err
		}
		return err
	}))
	return seen
}

// guarded returns a directory in which only "store" may change, and what says
// whether anything else did.
func guarded(t testing.TB) (store string, unchanged func(t testing.TB)) {
	t.Helper()
	dir := quick(t)
	must(t, os.MkdirAll(filepath.Join(dir, "etc"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "etc", "x"), []byte("theirs"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "x"), []byte("theirs"), 0o600))
	must(t, os.Mkdir(filepath.Join(dir, "store"), 0o700))
	before := outside(t, dir)
	return filepath.Join(dir, "store"), func(t testing.TB) {
		t.Helper()
		after := outside(t, dir)
		for name, was := range before {
			if after[name] != was {
				t.Errorf("%s was changed", name)
			}
		}
		if len(after) != len(before) {
			t.Errorf("there are %d things outside, want %d", len(after), len(before))
		}
	}
}

func TestT06Names(t *testing.T) {
	dir, unchanged := guarded(t)
	s := opened(t, dir, Options{})
	for i, c := range names60 {
		x := id(1)
		x.Gen[1] = byte(i)
		err := CheckPath(c.path)
		var name *NameError
		if c.ok != (err == nil) || err != nil && (!errors.As(err, &name) || name.Why == "") {
			t.Errorf("CheckPath(%.100q) = %v, want ok %v", c.path, err, c.ok)
		}
		p, _, _, err := s.Open(x, c.path, time.Time{})
		if c.ok {
			if err != nil {
				t.Errorf("Open(%.100q) = %v", c.path, err)
				continue
			}
			must(t, p.Close())
			r, err := s.record(x)
			must(t, err)
			if want := "web1/" + strings.Join(c.path, "/"); r.file != want {
				t.Errorf("the file of %.100q is %.100q", c.path, r.file)
			}
			continue
		}
		var refused *replica.RefusedError
		if !errors.As(err, &name) || !errors.As(err, &refused) {
			t.Errorf("Open(%.100q) = %v, want a NameError that is a RefusedError", c.path, err)
		}
		if _, err := s.Under("web1", c.path, replica.Head{}, 8); !errors.As(err, &name) {
			t.Errorf("Under(%.100q) = %v, want a NameError", c.path, err)
		}
	}
	unchanged(t)
	audited(t, s)
}

func TestT06Senders(t *testing.T) {
	dir, unchanged := guarded(t)
	s := opened(t, dir, Options{})
	for _, sender := range []string{"", ".", "..", "../x", ".fairlead", "Web", "a_b", "a b", "a\x00", "é", "a/b", strings.Repeat("x", 64)} {
		var name *NameError
		if _, _, _, err := s.Open(replica.ID{Sender: sender, Gen: gen(1)}, []string{"x"}, time.Time{}); !errors.As(err, &name) {
			t.Errorf("Open for sender %q = %v, want a NameError", sender, err)
		}
		if _, err := s.Under(sender, []string{"x"}, replica.Head{}, 8); !errors.As(err, &name) {
			t.Errorf("Under for sender %q = %v, want a NameError", sender, err)
		}
	}
	wantNames(t, s)
	unchanged(t)
}

// No path that passes leads out of the store, and what is opened is what was asked.
func FuzzT06Paths(f *testing.F) {
	for _, c := range names60 {
		f.Add(strings.Join(c.path, "\x01"), "\x01")
	}
	dir, unchanged := guarded(f)
	s := opened(f, dir, Options{})
	n := uint64(0)
	f.Fuzz(func(t *testing.T, joined, sep string) {
		path := strings.Split(joined, sep)
		if sep == "" {
			path = []string{joined}
		}
		n++
		x := id(2)
		x.Gen = [16]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), 1}
		c, rec, _, err := s.Open(x, path, time.Time{})
		if CheckPath(path) != nil {
			var name *NameError
			if !errors.As(err, &name) {
				t.Fatalf("Open(%q) = %v, want a NameError", path, err)
			}
			return
		}
		if err != nil {
			t.Fatalf("Open(%q) = %v", path, err)
		}
		_, err = c.WriteAt([]byte(joined), 0)
		must(t, err)
		must(t, c.Close())
		if !slices.Equal(rec.Path, path) {
			t.Errorf("the path of %q is %q", path, rec.Path)
		}
		if n%100 == 0 {
			unchanged(t)
		}
	})
	unchanged(f)
}

// The name of an ended copy tells when it ended, and for which path; no other does.
func TestParseEnded(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, nr := range []int{1, 2, 10} {
		name := disk.Join("app.log", disk.GenSuffix(at, gen(1)), nr, 255)
		if base, when, ok := parseEnded(name); base != "app.log" || !when.Equal(at) || !ok {
			t.Errorf("parseEnded(%q) = %q, %v, %v", name, base, when, ok)
		}
	}
	for _, name := range []string{"app.log", "app.log-20260203", "app.log-20260203T040506Z", "app.log-20261303T040506Z.11111111", "app.log.11111111", "-20260203T040506Z.11111111"} {
		if base, _, ok := parseEnded(name); ok || base != name {
			t.Errorf("parseEnded(%q) = %q, %v", name, base, ok)
		}
	}
}
