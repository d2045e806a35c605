package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"fairlead/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A judge is a testing.TB or a rapid.T.
type judge interface {
	Helper()
	Fatal(args ...any)
}

func must(t judge, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// quick returns a directory where an fsync costs nothing, if there is one.
func quick(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "spool")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// open opens a spool of one boot that is closed when the test ends.
func open(t testing.TB, o spool.Options) *spool.Spool {
	t.Helper()
	if o.Boot == "" {
		o.Boot = "boot 1"
	}
	s, err := spool.Open(o)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func acquire(t testing.TB, s *spool.Spool, off int64) *spool.Segment {
	t.Helper()
	g, err := s.Acquire(off)
	must(t, err)
	return g
}

// content returns all of a segment, read in each way there is.
func content(g *spool.Segment) ([]byte, error) {
	b := make([]byte, g.End()-g.Base())
	n, err := g.ReadAt(b, g.Base())
	if n < len(b) {
		return nil, fmt.Errorf("ReadAt(%d) = %d, %v, want %d bytes", g.Base(), n, err, len(b))
	}
	if direct := g.Bytes(g.Base()); direct != nil && !bytes.Equal(direct[:len(b)], b) {
		return nil, fmt.Errorf("Bytes(%d) = %q, want %q", g.Base(), direct, b)
	}
	if f := g.File(); f != nil {
		direct := make([]byte, len(b))
		if _, err := f.ReadAt(direct, 0); err != nil && err != io.EOF || !bytes.Equal(direct, b) {
			return nil, fmt.Errorf("File() has %q, %v, want %q", direct, err, b)
		}
	}
	return b, nil
}

// text returns all that is kept.
func text(t testing.TB, s *spool.Spool) string {
	t.Helper()
	var all []byte
	for off := s.Start(); off < s.End(); {
		g := acquire(t, s, off)
		b, err := content(g)
		must(t, err)
		all = append(all, b...)
		off = g.End()
		g.Release()
	}
	return string(all)
}

// files returns the names of the files with an extension, sorted.
func files(t judge, dir, ext string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ext) {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	slices.Sort(names)
	return names
}

func wantGone(t testing.TB, err error, start int64) {
	t.Helper()
	var gone *spool.Gone
	if !errors.As(err, &gone) || gone.Start != start {
		t.Errorf("Acquire() = %v, want *Gone{%d}", err, start)
	}
}
