package logfile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"fairlead/logfile"
)

// The bytes of an unfinished line come at once, also where the writer then dies
// and another goes on.
func TestF12UnfinishedLine(t *testing.T) {
	eachWay(t, func(x *fixture) {
		w := newWriter(t, x.path("app.log"))
		w.raw([]byte("a line and a hal"))
		r := x.follow("app.log")
		r.expect(w.contents()...)
		x.strike(func() {
			w.raw([]byte("f of ano"))
			w.f.Close()
		})
		r.expect(w.contents()...)
		x.strike(func() {
			f, err := os.OpenFile(w.path, os.O_APPEND|os.O_WRONLY, 0)
			must(t, err)
			t.Cleanup(func() { f.Close() })
			w.f = f
			w.raw([]byte("ther\n"))
		})
		x.judge(w)
	}, live, down, cursor, paused)
}

// Lines of any length: memory does not grow with them.
func TestF13LongLines(t *testing.T) {
	for _, size := range []int{1 << 20, night(t, "MiB without a newline", 16, 64) << 20} {
		t.Run(fmt.Sprintf("MiB=%d", size>>20), func(t *testing.T) {
			before := heap()
			l, run := runSet(t, longLine(t, size))
			f := logfile.Follow(l, logfile.FromStart)
			defer f.Close()
			defer run()
			buf, n, most := make([]byte, 64<<10), 0, int64(0)
			for n < size {
				span, err := f.Read(t.Context(), buf)
				must(t, err)
				if i := bytes.IndexFunc(buf[:span.N], func(r rune) bool { return r != 'x' }); i >= 0 {
					t.Fatalf("byte %d is %q, want x", n+i, buf[i])
				}
				if n += int(span.N); n%(4<<20) == 0 {
					most = max(most, heap()-before)
				}
			}
			if most > 1<<20 {
				t.Errorf("the heap grew by %d bytes while %d were read, want at most 1 MiB", most, size)
			}
		})
	}
}

func longLine(t *testing.T, size int) string {
	t.Helper()
	path := t.TempDir() + "/app.log"
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	for piece := bytes.Repeat([]byte{'x'}, 1<<20); size > 0; size -= len(piece) {
		_, err := f.Write(piece)
		must(t, err)
	}
	return path
}

// heap is how much is in use, after what is garbage is gone.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// runSet runs a Set of one file. done ends it and waits.
func runSet(t *testing.T, path string) (l *logfile.Log, done func()) {
	t.Helper()
	set := &logfile.Set{Quiet: 50 * time.Millisecond, Active: 20 * time.Millisecond, Sweep: 200 * time.Millisecond}
	must(t, set.Add(path))
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- set.Run(ctx) }()
	return set.First(), func() {
		cancel()
		must(t, <-ran)
	}
}

// Bytes are bytes.
func TestF14AnyBytes(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	corpus := map[string][]byte{
		"NUL":           []byte("a\x00b\x00\n\x00"),
		"invalid UTF-8": []byte("\xff\xfe\xc0\xaf\xed\xa0\x80\n\xf5"),
		"CRLF":          []byte("one\r\ntwo\r\n"),
		"lone CR":       []byte("one\rtwo\r\r"),
		"BOM":           []byte("\xef\xbb\xbfone\n"),
		"UTF-16":        []byte("\xff\xfeo\x00n\x00e\x00\n\x00"),
		"formats":       []byte("%s%d%n %!v(MISSING)\n{{.}}$(x)\x1b[31m<script>"),
		"every byte":    all,
		"only NULs":     make([]byte, 9000),
	}
	for name, b := range corpus {
		t.Run(name, func(t *testing.T) {
			eachWay(t, func(x *fixture) {
				w := newWriter(t, x.path("app.log"))
				w.raw(b)
				r := x.follow("app.log")
				r.expect(w.contents()...)
				x.strike(func() {
					w.raw(b)
					w.rotate()
					w.raw(bytes.Repeat(b, 3))
				})
				r.expect(w.contents()...)
				x.down()
				r.expect(w.contents()...)
			}, live, down, cursor, paused)
		})
	}
}

// A sparse file of 1 TiB with 1 MiB of data: nothing is read that nobody asked
// for, every byte asked for is right, and a reader can be stopped at once.
func TestF15Sparse(t *testing.T) {
	eachWay(t, func(x *fixture) {
		const size, data = int64(1) << 40, int64(1) << 20
		w := newWriter(t, x.path("app.log"))
		if err := w.f.Truncate(size - data); err != nil {
			t.Skipf("no sparse file of 1 TiB here: %v", err)
		}
		x.conf.Allow = 100_000
		began := time.Now()
		r := x.follow("app.log")
		x.strike(func() { w.fill(int(data)) })
		r.awaitBytes(100_000)
		x.down()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("beginning, reading 100,000 bytes and stopping took %v", took)
		}
		r.expect(make([]byte, 100_000))
		checkSparse(t, w, size-data)
	}, live, down, cursor)
}

// checkSparse reads the end of the file, and asks for more of it than anyone
// would wait for.
func checkSparse(t *testing.T, w *refWriter, hole int64) {
	t.Helper()
	l, done := runSet(t, w.path)
	defer done()
	f := logfile.Follow(l, logfile.FromOffset(hole-100))
	defer f.Close()
	var got []byte
	for buf := make([]byte, 64<<10); len(got) < 100+len(w.gen.bytes); {
		span, err := f.Read(t.Context(), buf)
		must(t, err)
		got = append(got, buf[:span.N]...)
	}
	if want := append(make([]byte, 100), w.gen.bytes...); !bytes.Equal(got, want) {
		t.Errorf("the end of the sparse file is %s, want %s", glimpse(got), glimpse(want))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	all := logfile.Follow(l, logfile.FromStart)
	defer all.Close()
	buf := make([]byte, 1<<20)
	for i := range 100 {
		if i == 50 {
			cancel()
		}
		_, err := all.Read(ctx, buf)
		if stopped := i >= 50; stopped != errors.Is(err, context.Canceled) {
			t.Fatalf("read %d: %v, want it stopped: %v", i, err, stopped)
		}
	}
}

// A record that is split by a rotation stays split: each half is its own
// generation's.
func TestF12SplitByRotation(t *testing.T) {
	eachWay(t, func(x *fixture) {
		w := newWriter(t, x.path("app.log"))
		w.raw([]byte(strings.Repeat("whole line\n", 9) + "the first ha"))
		r := x.follow("app.log")
		r.expect(w.contents()...)
		x.strike(func() {
			w.rotate()
			w.raw([]byte("lf and the second\n"))
		})
		x.judge(w)
	}, live, down, cursor)
}
