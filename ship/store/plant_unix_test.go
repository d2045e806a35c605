//go:build unix

package store

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fairlead/replica"
)

// plants are what somebody could put where a copy is, or is to be.
var plants = map[string]func(t *testing.T, at, outside string){
	"symlink out":         func(t *testing.T, at, outside string) { must(t, os.Symlink(filepath.Join(outside, "x"), at)) },
	"symlink up":          func(t *testing.T, at, _ string) { must(t, os.Symlink("../../x", at)) },
	"symlink beside":      func(t *testing.T, at, _ string) { must(t, os.Symlink("other", at)) },
	"dangling symlink":    func(t *testing.T, at, outside string) { must(t, os.Symlink(filepath.Join(outside, "new"), at)) },
	"symlink to itself":   func(t *testing.T, at, _ string) { must(t, os.Symlink(filepath.Base(at), at)) },
	"symlink to a folder": func(t *testing.T, at, outside string) { must(t, os.Symlink(outside, at)) },
	"FIFO":                func(t *testing.T, at, _ string) { must(t, syscall.Mkfifo(at, 0o600)) },
	"directory":           func(t *testing.T, at, _ string) { must(t, os.Mkdir(at, 0o700)) },
	"hard link":           func(t *testing.T, at, outside string) { must(t, os.Link(filepath.Join(outside, "x"), at)) },
	"file":                func(t *testing.T, at, _ string) { must(t, os.WriteFile(at, []byte("theirs"), 0o600)) },
	"device": func(t *testing.T, at, _ string) {
		if err := syscall.Mknod(at, syscall.S_IFCHR|0o600, 1<<8|3); err != nil {
			t.Skipf("make a device: %v", err)
		}
	},
}

// A name at which something is planted is left alone: a new copy is kept beside it.
func TestT06PlantedBefore(t *testing.T) {
	for name, plant := range plants {
		t.Run(name, func(t *testing.T) {
			dir, unchanged := guarded(t)
			s := opened(t, dir, Options{})
			shipped(t, s, id(1), "log/other", []byte("ours"))
			plant(t, filepath.Join(dir, "web1", "log", "app.log"), filepath.Dir(dir))
			before := tree(t, s)["web1/log/app.log"]
			shipped(t, s, id(2), "log/app.log", []byte("copy"))
			files := tree(t, s)
			if files["web1/log/app.log.22222222"] != "copy" || files["web1/log/app.log"] != before || files["web1/log/other"] != "ours" {
				t.Errorf("the store has %q", files)
			}
			if ps := s.Problems(); len(ps) != 1 || !strings.Contains(ps[0].What, "taken") {
				t.Errorf("the problems are %v", ps)
			}
			audited(t, s)
			must(t, s.Close())
			must(t, os.RemoveAll(filepath.Join(dir, "web1", "log", "app.log")))
			unchanged(t)
		})
	}
}

// What takes the place of a copy is never written to: the copy is refused, with the
// reason, and others go on.
func TestT06PlantedInstead(t *testing.T) {
	for name, plant := range plants {
		if name == "file" {
			continue // that is damage
		}
		t.Run(name, func(t *testing.T) {
			dir, unchanged := guarded(t)
			s := opened(t, dir, Options{})
			shipped(t, s, id(1), "log/other", []byte("ours"))
			x := shipped(t, s, id(2), "log/app.log", []byte("copy"))
			must(t, x.c.Close())
			at := x.path(t)
			must(t, os.Rename(at, at+".moved"))
			plant(t, at, filepath.Dir(dir))
			for range 2 {
				_, err := try(s, id(2), "log/app.log")
				wantBusy(t, err, "app.log is ")
				must(t, start(t, s, id(1), "log/other").grow([]byte("!")))
				s = reopened(t, s, Options{})
			}
			if len(s.Problems()) == 0 {
				t.Error("nobody is told")
			}
			must(t, os.RemoveAll(at))
			must(t, os.Rename(at+".moved", at))
			must(t, start(t, s, id(2), "log/app.log").grow([]byte("!")))
			audited(t, s)
			unchanged(t)
		})
	}
}

// What is planted on the way to a copy is not followed.
func TestT06PlantedOnTheWay(t *testing.T) {
	for name, plant := range plants {
		if name == "directory" {
			continue // that is as it should be
		}
		t.Run(name, func(t *testing.T) {
			dir, unchanged := guarded(t)
			s := opened(t, dir, Options{})
			shipped(t, s, id(1), "other/app.log", []byte("ours"))
			plant(t, filepath.Join(dir, "web1", "log"), filepath.Dir(dir))
			shipped(t, s, id(2), "log/app.log", []byte("copy"))
			if got := tree(t, s)["web1/log.22222222/app.log"]; got != "copy" {
				t.Errorf("the store has %q", names(tree(t, s)))
			}
			must(t, os.Rename(filepath.Join(dir, "web1"), filepath.Join(dir, "web1-moved")))
			plant(t, filepath.Join(dir, "web1"), filepath.Dir(dir))
			_, err := try(s, id(3), "log/app.log")
			wantBusy(t, err, "web1 is ")
			_, err = try(s, id(2), "log/app.log")
			wantBusy(t, err, "web1 is ")
			must(t, s.Close())
			must(t, os.RemoveAll(filepath.Join(dir, "web1")))
			must(t, os.RemoveAll(filepath.Join(dir, "web1-moved", "log")))
			unchanged(t)
		})
	}
}

// Logs a and a/b are kept both, in whichever order they come.
func TestFileAndDirectory(t *testing.T) {
	s := opened(t, quick(t), Options{})
	shipped(t, s, id(1), "a", []byte("file"))
	shipped(t, s, id(2), "a/b", []byte("below"))
	shipped(t, s, id(3), "d/b", []byte("below"))
	shipped(t, s, id(4), "d", []byte("file"))
	wantNames(t, s, "web1/a", "web1/a.22222222/b", "web1/d/b", "web1/d.44444444")
	shipped(t, s, id(5), "a/b", []byte("next"))
	wantNames(t, s, "web1/a", "web1/a.22222222/b", "web1/a.55555555/b", "web1/d/b", "web1/d.44444444")
	s = reopened(t, s, Options{})
	audited(t, s)
	if rs, err := s.Under("web1", []string{"a", "b"}, replica.Head{}, 8); err != nil || len(rs) != 2 {
		t.Errorf("Under(a/b) = %d records, %v, want 2", len(rs), err)
	}
}

// A prune, an end, a mend, a rebuild leave alone what was planted.
func TestT06PlantedLater(t *testing.T) {
	dir, unchanged := guarded(t)
	s := opened(t, dir, Options{Keep: 1})
	sealedCopy(t, s, id(1), "a", []byte("one"), clock)
	shipped(t, s, id(2), "b", []byte("two"))
	for _, x := range []replica.ID{id(1), id(2)} {
		r, err := s.record(x)
		must(t, err)
		must(t, os.Rename(s.pathOf(r), s.pathOf(r)+".moved"))
		must(t, os.Symlink(filepath.Join(filepath.Dir(dir), "x"), s.pathOf(r)))
	}
	if _, err := s.Prune(clock.AddDate(1, 0, 0)); err != nil {
		t.Errorf("Prune() = %v", err)
	}
	must(t, s.End(id(2), clock))
	must(t, s.Close())
	must(t, os.Remove(filepath.Join(dir, ownDir, journalName)))
	s = opened(t, dir, Options{})
	for name, content := range tree(t, s) {
		if bytes.Contains([]byte(content), []byte("theirs")) {
			t.Errorf("%s has what is theirs", name)
		}
	}
	unchanged(t)
}
