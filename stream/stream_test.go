package stream_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/stream"
)

func both(t *testing.T, test func(t *testing.T, opt stream.Options)) {
	t.Run("disk", func(t *testing.T) { test(t, stream.Options{Dir: filepath.Join(t.TempDir(), "spool")}) })
	t.Run("memory", func(t *testing.T) { test(t, stream.Options{}) })
}

func TestEntriesReachEveryClient(t *testing.T) {
	both(t, func(t *testing.T, opt stream.Options) {
		w := newWorld(t, opt)
		w.write("a.log", "before\n")
		w.start()
		clients := []*client{w.connect("", ""), w.connect("", ""), w.connect("", "")}
		lines := w.dial()
		w.write("a.log", "one\ntwo\n")
		w.write("b.log", "a new file\n")
		for _, c := range clients {
			got := map[string]bool{}
			for _, e := range c.entries(3) {
				got[e.Message] = true
			}
			if len(got) != 3 || !got["one"] || !got["a new file"] {
				t.Errorf("entries = %v", got)
			}
		}
		for range 3 {
			if e := decode(t, lines.line()); e.At == "" {
				t.Errorf("entry %+v has no place", e)
			}
		}
	})
}

// dial connects by TCP.
func (w *world) dial() *tcpReader {
	w.t.Helper()
	return w.dialWith(&net.Dialer{})
}

// dialSmall connects by TCP with a receive buffer that is soon full.
func (w *world) dialSmall() *tcpReader {
	w.t.Helper()
	return w.dialWith(&net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		c.Control(func(fd uintptr) { err = setReceiveBuffer(fd, 4096) })
		return err
	}})
}

func (w *world) dialWith(d *net.Dialer) *tcpReader {
	w.t.Helper()
	n := w.tcp.Stats().Total
	conn, err := d.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	w.until("the client is in", func() bool { return w.tcp.Stats().Total > n })
	return &tcpReader{w.t, conn, bufio.NewReader(conn)}
}

type tcpReader struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func (r *tcpReader) line() string {
	r.t.Helper()
	r.conn.SetReadDeadline(time.Now().Add(patience))
	line, err := r.r.ReadString('\n')
	if err != nil {
		r.t.Fatalf("read a line: %v after %q", err, line)
	}
	return strings.TrimSuffix(line, "\n")
}

func TestBackfillIsTheNewestOfAll(t *testing.T) {
	w := newWorld(t, stream.Options{Backfill: 4})
	w.write("a.log", "2024-01-01T00:00:01Z a1\n2024-01-01T00:00:03Z a3\n2024-01-01T00:00:05Z a5\nunfinished")
	w.write("b.log", "2024-01-01T00:00:02Z b2\n2024-01-01T00:00:04Z b4\n2024-01-01T00:00:06Z b6\n")
	w.start()
	c := w.connect("tail=100", "")
	c.wantMessages("2024-01-01T00:00:03Z a3", "2024-01-01T00:00:04Z b4", "2024-01-01T00:00:05Z a5", "2024-01-01T00:00:06Z b6")
	w.write("a.log", " until now\n")
	c.wantMessages("unfinished until now")
}

// A backfill keeps the order of each log, whatever times it has, and begins with a
// whole line.
func TestBackfillKeepsOrder(t *testing.T) {
	w := newWorld(t, stream.Options{Backfill: 5000})
	var want []string
	var text strings.Builder
	for i := range 3000 {
		line := fmt.Sprintf("2024-01-01T00:%02d:00Z line %d %s", (i*7)%60, i, strings.Repeat("x", 200))
		want = append(want, line)
		text.WriteString(line + "\n")
	}
	w.write("a.log", text.String())
	w.start()
	c := w.connect("tail=5000", "")
	w.write("a.log", "the end\n")
	var got []string
	for len(got) == 0 || got[len(got)-1] != "the end" {
		got = append(got, c.entries(1)[0].Message)
	}
	got = got[:len(got)-1]
	if len(got) < 1000 || len(got) > len(want) {
		t.Fatalf("%d lines, want some thousand", len(got))
	}
	for i, line := range want[len(want)-len(got):] {
		if got[i] != line {
			t.Fatalf("line %d = %.50q, want %.50q", i, got[i], line)
		}
	}
}

// What was backfilled, and what came since, is there once after a restart,
// also of logs in which nothing has happened meanwhile.
func TestBackfillThenRestart(t *testing.T) {
	w := newWorld(t, stream.Options{Dir: filepath.Join(t.TempDir(), "spool"), Segment: 4 << 10})
	w.write("a.log", numbered(0, 100))
	w.write("quiet.log", "quiet\n")
	w.write("empty.log", "")
	w.start()
	w.write("a.log", numbered(100, 50))
	w.until("all is encoded", func() bool { return w.atEnd("line 149 ") })
	w.kill()
	w.write("a.log", numbered(150, 1500))
	w.write("quiet.log", numbered(0, 1500))
	w.write("empty.log", numbered(0, 1500))
	w.start()
	w.until("all is encoded", func() bool { return w.stream.Stats().Spool.Bytes > 4650*150 })
	c := w.connect("tail=100000", "")
	w.write("a.log", "the end\n")
	next := map[string]int{w.path("quiet.log"): -1}
	for {
		e := c.entries(1)[0]
		if e.Message == "the end" {
			break
		}
		n := -1
		if e.Message != "quiet" {
			n = lineNumber(t, e.Message)
		}
		if n != next[e.Source] {
			t.Fatalf("line %d of %s, want %d", n, e.Source, next[e.Source])
		}
		next[e.Source]++
	}
	if next[w.path("a.log")] != 1650 || next[w.path("quiet.log")] != 1500 || next[w.path("empty.log")] != 1500 {
		t.Errorf("lines by log: %v", next)
	}
}

func TestRotateIsTold(t *testing.T) {
	w := newWorld(t, stream.Options{})
	w.write("a.log", "one\n")
	w.start()
	c := w.connect("tail=1", "")
	c.wantMessages("one")
	if err := os.Rename(w.path("a.log"), w.path("a.log.1")); err != nil {
		t.Fatal(err)
	}
	w.write("a.log", "two\n")
	e := c.want()
	r := decode(t, e.data)
	if e.name != "rotate" || r.Type != "rotate" || !strings.HasSuffix(r.Old, ":4") || !strings.HasSuffix(r.New, ":0") || r.Source != w.path("a.log") {
		t.Errorf("event %q %+v, want rotate of 4 bytes", e.name, r)
	}
	c.wantMessages("two")
}
