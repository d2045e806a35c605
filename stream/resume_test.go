package stream_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/stream"
)

// saved waits until the set has written down n generations, and returns what puts
// that back: what a set writes when it ends, one that is killed does not.
func (w *world) saved(n int) (restore func()) {
	w.t.Helper()
	path := filepath.Join(w.opt.Dir+".state", "generations")
	var b []byte
	w.until("the generations are saved", func() bool {
		b, _ = os.ReadFile(path)
		return strings.Count(string(b), "\n") == 1+n
	})
	return func() {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
}

// wantLines wants entries of the lines from..to-1 and no others.
func (c *client) wantLines(from, to int) {
	c.t.Helper()
	for n := from; n < to; n++ {
		e := c.want()
		for e.name == "rotate" || e.name == "connected" {
			e = c.want()
		}
		if got := decode(c.t, e.data).Message; e.name != "" || lineNumber(c.t, got) != n {
			c.t.Fatalf("event %q %s, want line %d", e.name, e.data, n)
		}
	}
}

// A file that is empty when it is first seen, as logrotate makes them, is recognised
// after a kill by what was read of it, wherever it is by then.
func TestResumeOfEmptyFile(t *testing.T) {
	for _, early := range []bool{true, false} {
		w := newWorld(t, stream.Options{Dir: filepath.Join(t.TempDir(), "spool")})
		if early {
			w.write("a.log", "")
		}
		w.start()
		c := w.connect("", "")
		if !early {
			w.write("a.log", "")
		}
		restore := w.saved(1)
		w.write("a.log", numbered(0, 1))
		c.wantLines(0, 1)
		w.write("a.log", numbered(1, 20))
		c.wantLines(1, 21)
		last := c.last
		c.close()
		w.kill()
		restore()
		if err := os.Rename(w.path("a.log"), w.path("a.log.1")); err != nil {
			t.Fatal(err)
		}
		w.write("a.log", numbered(21, 3))
		w.start()
		c = w.connect("", last)
		c.wantLines(21, 24)
		c.close()
		w.stop()
	}
}

// A generation that began a moment before a kill, so that only the spool knows it,
// comes behind the one that the state knows.
func TestResumeOfNextGeneration(t *testing.T) {
	w := newWorld(t, stream.Options{Dir: filepath.Join(t.TempDir(), "spool")})
	copyTruncate := func(older ...string) {
		if len(older) > 1 {
			if err := os.Rename(w.path(older[0]), w.path(older[1])); err != nil {
				t.Fatal(err)
			}
		}
		b, err := os.ReadFile(w.path("a.log"))
		if err != nil {
			t.Fatal(err)
		}
		w.write(older[0], string(b))
		if err := os.Truncate(w.path("a.log"), 0); err != nil {
			t.Fatal(err)
		}
	}
	w.start()
	c := w.connect("", "")
	w.write("a.log", numbered(0, 20))
	c.wantLines(0, 20)
	restore := w.saved(1)
	copyTruncate("a.log.1")
	w.write("a.log", numbered(20, 25))
	c.wantLines(20, 45)
	last := c.last
	c.close()
	w.kill()
	restore()
	copyTruncate("a.log.1", "a.log.2")
	w.write("a.log", numbered(45, 3))
	w.start()
	w.connect("", last).wantLines(45, 48)
}
