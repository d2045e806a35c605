//go:build unix

package plain

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// What is planted at the name of a file is not written through.
func TestSeed01Planted(t *testing.T) {
	plants := map[string]func(at, outside string) error{
		"symlink":          func(at, outside string) error { return os.Symlink(outside, at) },
		"dangling symlink": func(at, outside string) error { return os.Symlink(outside+"-new", at) },
		"hard link":        func(at, outside string) error { return os.Link(outside, at) },
		"FIFO":             func(at, _ string) error { return syscall.Mkfifo(at, 0o600) },
		"directory":        func(at, _ string) error { return os.Mkdir(at, 0o700) },
	}
	for what, plant := range plants {
		t.Run(what, func(t *testing.T) {
			s := newStation(t)
			outside := filepath.Join(t.TempDir(), "outside")
			must(t, os.WriteFile(outside, []byte("theirs"), 0o600))
			must(t, plant(s.stored("a.log"), outside))
			conn := s.dial()
			io.WriteString(conn, "a.log\nDATA")
			closed(t, conn)
			if wrong := has(outside, "theirs")(); wrong != "" {
				t.Error(wrong)
			}
			if _, err := os.Lstat(outside + "-new"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a file was made outside: %v", err)
			}
			if n := s.Stats().Refused["bad-file"]; n != 1 {
				t.Errorf("%d were refused, want 1:\n%s", n, s.said.String())
			}
		})
	}
}

// F35: two receivers of one directory are one too many.
func TestF35TwoReceivers(t *testing.T) {
	s := newStation(t)
	if err := (&Receiver{Dir: s.Dir}).Open(); err == nil {
		t.Error("a second receiver was opened")
	}
}
