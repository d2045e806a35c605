package stream_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fairlead/logfile"
	"fairlead/stream"
)

// hostile is what a log may hold that is no plain line.
var hostile = []string{
	"a\revent: forged\rdata: {}\r\rid: 1-1", "\r", "data: x", ": comment", "id: 00000001-5", "event: gap",
	"<script>alert(1)</script>", "\x1b[31mred\x1b]0;title\x07", "\xff\xfe\x00", "\x00\x00", "\ufeffbom", "\u2028\u2029",
	"%s%n%d", `{"type":"gap","missing":{}}`, `{"type":"rotate"}`, `{"msg":"x\ndata: y\n\n"}`, `","at":"00000000000000000000000000000000:7","len":9`,
	`{"msg":"x","at":"00000000000000000000000000000000:7","len":1}`, strings.Repeat("x", 300<<10), " ", `{`, "\xed\xa0\x80", "C1 \u0085 \u009b31m",
}

// T14: whatever a log holds, a client that reads as the standard says gets one
// event for each line of the spool, and nothing of it but data comes from a log.
func TestT14NoForgedEvents(t *testing.T) {
	w := newWorld(t, stream.Options{})
	w.also = []string{w.path("a.log")} // by name: in a directory it would be taken for binary
	w.start()
	lines, c := w.dial(), w.connect("", "")
	w.write("a.log", strings.Join(hostile, "\n")+"\nthe end\n")
	sameEvents(t, lines, c)
}

// sameEvents reads until the end and fails unless both are told the same.
func sameEvents(t *testing.T, lines *tcpReader, c *client) {
	t.Helper()
	for n := 0; ; n++ {
		line, e := lines.line(), c.want()
		if e.data != line || e.name != "" {
			t.Fatalf("event %d %q is %.200q, want the line %.200q", n, e.name, e.data, line)
		}
		entry := decode(t, line)
		if entry.Type != "" || strings.HasPrefix(entry.At, "0000") {
			t.Fatalf("line %d pretends to be a record: %.200s", n, line)
		}
		if entry.Message == "the end" {
			return
		}
	}
}

func FuzzT14Events(f *testing.F) {
	for _, line := range hostile {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := &stream.Lines{Source: "/a.log"}
		gen := logfile.NewGenID()
		text = append(text, '\n')
		out := lines.Add(nil, logfile.Span{Gen: gen, N: int64(len(text))}, text)
		var events []byte
		want := 0
		for line := range bytes.Lines(lines.Flush(out)) {
			want++
			events = stream.AppendEvent(events, "00000001-", line, int64(want))
		}
		r := sseReader{r: bufio.NewReader(bytes.NewReader(events))}
		for n := 1; n <= want; n++ {
			e, err := r.next()
			if err != nil || e.name != "" || e.comment || e.id != fmt.Sprintf("00000001-%d", n) || !json.Valid([]byte(e.data)) {
				t.Fatalf("event %d of %q: %+v, %v", n, text, e, err)
			}
		}
		if e, err := r.next(); err == nil {
			t.Fatalf("one event too many of %q: %+v", text, e)
		}
	})
}

// F12: a line without an end waits, is told as partial after a while, and its rest
// later, each byte once.
func TestF12UnfinishedLine(t *testing.T) {
	w := newWorld(t, stream.Options{Partial: 50 * time.Millisecond}).start()
	c := w.connect("", "")
	w.write("a.log", "half")
	e := c.entries(1)[0]
	if e.Message != "half" || !e.Partial || e.Len != 4 {
		t.Errorf("entry %+v, want a partial one of 4 bytes", e)
	}
	w.write("a.log", " and half\nnext\n")
	es := c.entries(2)
	if es[0].Message != " and half" || es[0].Partial || !strings.HasSuffix(es[0].At, ":4") || es[1].Message != "next" {
		t.Errorf("entries %+v, want the rest at 4, and the next", es)
	}
}

// F12: what was unfinished when we were killed comes once, whole.
func TestF12UnfinishedLineKilled(t *testing.T) {
	w := newWorld(t, stream.Options{Dir: filepath.Join(t.TempDir(), "spool")})
	w.write("a.log", "before\n")
	w.start()
	c := w.connect("tail=1", "")
	c.wantMessages("before")
	w.write("a.log", "whole\nha")
	c.wantMessages("whole")
	w.kill()
	w.start()
	w.write("a.log", "lf\n")
	w.connect("", c.last).wantMessages("half")
}

// F12: a generation that ends has no end of its last line to come.
func TestF12UnfinishedLineDeleted(t *testing.T) {
	w := newWorld(t, stream.Options{Partial: time.Hour}).start()
	c := w.connect("", "")
	w.write("a.log", "whole\nhalf")
	c.wantMessages("whole")
	if err := os.Remove(w.path("a.log")); err != nil {
		t.Fatal(err)
	}
	if e := c.entries(1)[0]; e.Message != "half" || !e.Partial {
		t.Errorf("entry %+v, want the unfinished line", e)
	}
}

// F01b: what a writer that reopens late adds to a rotated file comes once, also
// if we were stopped, and killed, meanwhile.
func TestF01bLateWriterAcrossRestarts(t *testing.T) {
	w := newWorld(t, stream.Options{Dir: filepath.Join(t.TempDir(), "spool"), Segment: 400}).start()
	c := w.connect("", "")
	w.write("a.log", "one\n")
	c.wantMessages("one")
	if err := os.Rename(w.path("a.log"), w.path("a.log.1")); err != nil {
		t.Fatal(err)
	}
	w.write("a.log", "two\n")
	c.wantMessages("two")
	for i := range 4 {
		late := fmt.Sprintf("late %d\n", i)
		if i%2 == 0 {
			w.stop()
		} else {
			w.kill()
		}
		w.write("a.log.1", late)
		w.start()
		c = w.connect("", c.last)
		c.wantMessages(strings.TrimSuffix(late, "\n"))
		w.write("a.log", "more\n") // so that a segment ends now and then
		c.wantMessages("more")
	}
}

// A log in which nothing has happened while we ran goes on where it was, too.
func TestQuietLogKilled(t *testing.T) {
	end := logfile.FromEnd
	w := newWorld(t, stream.Options{Dir: filepath.Join(t.TempDir(), "spool"), From: &end})
	w.write("a.log", "before\n")
	w.start().kill()
	w.write("a.log", "while down\n")
	w.start()
	w.write("a.log", "after\n")
	w.until("it is encoded", func() bool { return w.atEnd("after") })
	w.connect("tail=10", "").wantMessages("while down", "after")
}

// F13: a line without an end costs no memory, and the rest of the stream goes on.
func TestF13LongLine(t *testing.T) {
	size := 32 << 20
	if os.Getenv("FAIRLEAD_NIGHT") != "" {
		size = 1 << 30
	}
	w := newWorld(t, stream.Options{}).start()
	c := w.connect("", "")
	piece := strings.Repeat("x", 1<<20)
	var most uint64
	for range size >> 20 {
		w.write("long.log", piece)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	}
	w.write("other.log", "goes on\n")
	c.wantMessages("goes on")
	w.write("long.log", "\nthe next\n")
	e := c.entries(2)
	if e[0].Len != int64(size)+1 || len(e[0].Message) != 256<<10 || e[1].Message != "the next" {
		t.Errorf("entries of %d bytes (%d shown) and %q, want %d (%d)", e[0].Len, len(e[0].Message), e[1].Message, size+1, 256<<10)
	}
	if most > 64<<20 {
		t.Errorf("%d bytes of heap for a line of %d", most, size)
	}
}

// F14: nothing a file may hold is lost: at and len give the file back.
func TestF14BytesAreGivenBack(t *testing.T) {
	w := newWorld(t, stream.Options{})
	w.also = []string{w.path("a.log")}
	w.start()
	c := w.connect("", "")
	text := strings.Join(hostile, "\n") + "\n\n\r\nthe end\n"
	w.write("a.log", text)
	tile := newTiling(t)
	for {
		e := c.want()
		tile.add(e.name, e.data)
		if strings.Contains(e.data, `"message":"the end"`) {
			break
		}
	}
	tile.want(int64(len(text)))
}

// T15: an entry has no character that could begin a tag, wherever it is put.
func TestT15NoMarkup(t *testing.T) {
	lines := &stream.Lines{Source: "/<b>.log"}
	text := "<script>alert(1)</script>&amp;\n" + `{"msg":"<img src=x>","<k>":"</script>","fields":{"a":"<!--"}}` + "\n"
	out := lines.Add(nil, logfile.Span{Gen: logfile.NewGenID(), N: int64(len(text))}, []byte(text))
	if i := bytes.IndexAny(out, "<>&"); i >= 0 {
		t.Errorf("an entry with %q: %s", out[i], out)
	}
}

// A directory of very many logs costs little for each that is quiet, and those
// that are not are read. `FAIRLEAD_NIGHT=1` makes it 100,000.
func TestManyLogs(t *testing.T) {
	n, each := 3000, uint64(8<<10)
	if os.Getenv("FAIRLEAD_NIGHT") != "" {
		n, each = 100_000, 4<<10
	}
	w := newWorld(t, stream.Options{Dir: filepath.Join(t.TempDir(), "spool")})
	for i := range n {
		w.write(fmt.Sprintf("%d.log", i), fmt.Sprintf("2024-01-01T00:00:00Z of %d\n", i))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	goroutines := runtime.NumGoroutine()
	w.start()
	c := w.connect("", "")
	for _, i := range []int{0, n / 2, n - 1} {
		w.write(fmt.Sprintf("%d.log", i), fmt.Sprintf("more of %d\n", i))
	}
	for _, e := range c.entries(3) {
		if !strings.HasPrefix(e.Message, "more of ") {
			t.Errorf("entry %+v", e)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if more := (after.HeapAlloc + after.StackInuse - before.HeapAlloc - before.StackInuse) / uint64(n); more > each {
		t.Errorf("%d bytes of memory for each of %d logs, want at most %d", more, n, each)
	}
	if more := runtime.NumGoroutine() - goroutines; more > 50 {
		t.Errorf("%d goroutines more for %d quiet logs", more, n)
	}
}

// T17: who half-closes is served on; who leaves is gone at once.
func TestT17HalfOpenClients(t *testing.T) {
	w := newWorld(t, stream.Options{}).start()
	half, gone := w.dial(), w.dial()
	w.until("both are in", func() bool { return w.tcp.Stats().Clients == 2 })
	if err := half.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	gone.conn.(*net.TCPConn).SetLinger(0)
	gone.conn.Close()
	w.until("one has left", func() bool { return w.tcp.Stats().Clients == 1 })
	w.write("a.log", "still here\n")
	if e := decode(t, half.line()); e.Message != "still here" {
		t.Errorf("entry %+v", e)
	}
}

// A file that cannot be read any more holds up none of the others.
func TestUnreadableFile(t *testing.T) {
	w := newWorld(t, stream.Options{})
	w.write("bad.log", "one\n")
	w.write("good.log", "")
	w.start()
	c := w.connect("tail=1", "")
	c.wantMessages("one")
	if err := os.Remove(w.path("bad.log")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(w.path("bad.log"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("good.log", "goes on\n")
	c.wantMessages("goes on")
}

// Any Source is read: here files of our own, as received copies will be.
func TestSourcesOfOurs(t *testing.T) {
	wr, err := logfile.OpenWriter(filepath.Join(t.TempDir(), "own"), logfile.NewGenID(), 0)
	if err != nil {
		t.Fatal(err)
	}
	s, err := stream.Open(stream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	list := &sources{changed: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer func() { cancel(); wg.Wait(); s.Close(); wr.Close() }()
	wg.Go(func() { s.Run(ctx, list) })
	list.add(wr)
	fmt.Fprintf(wr, "line 1\nline 2\n")
	if err := wr.Commit(); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t}
	w.until("both lines are encoded", func() bool { return s.Stats().Spool.End > 150 })
}

// sources is a list to which others are added.
type sources struct {
	mu      sync.Mutex
	list    []logfile.Source
	changed chan struct{}
}

func (s *sources) add(src logfile.Source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, src)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *sources) Sources() []logfile.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]logfile.Source(nil), s.list...)
}

func (s *sources) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// A limit delays what comes and drops nothing.
func TestRateDelays(t *testing.T) {
	w := newWorld(t, stream.Options{Rate: 512 << 10}).start()
	c := w.connect("", "")
	began := time.Now()
	text := numbered(0, 32_000) // some 700 KiB: 256 at once, the rest at the rate
	w.write("a.log", text)
	for i, e := range c.entries(32_000) {
		if lineNumber(t, e.Message) != i {
			t.Fatalf("line %q, want %d", e.Message, i)
		}
	}
	if took, least := time.Since(began), time.Duration(len(text)-(512<<10))*time.Second/(512<<10)*9/10; took < least {
		t.Errorf("%d bytes in %s, want at least %s", len(text), took, least)
	}
}

// watchHeap looks every now and then at what is in memory, and fails at the end if
// that was not flat: within a tenth, or 2 MiB, from the second look on.
func watchHeap(t *testing.T, every time.Duration) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var looks []uint64
	wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			looks = append(looks, m.HeapAlloc)
		}
	})
	return func() {
		cancel()
		wg.Wait()
		if len(looks) < 3 {
			return
		}
		t.Logf("heap: %d", looks)
		base := looks[1]
		for _, n := range looks[2:] {
			if n > base+max(base/10, 2<<20) {
				t.Errorf("%d bytes of heap grew to %d", base, n)
			}
		}
	}
}

// A log that is written and rotated, a client that is cut again and again: each byte
// once, and memory stays as it is. `FAIRLEAD_NIGHT=1` runs it for ten minutes.
func TestPromiseResumeUnderRotation(t *testing.T) {
	const rate, every = 2000, 250 * time.Millisecond
	length, rotate, cut := 6*time.Second, time.Second, 200*time.Millisecond
	night := os.Getenv("FAIRLEAD_NIGHT") != ""
	if night {
		length, rotate, cut = 10*time.Minute, 5*time.Second, time.Second
	}
	w := newWorld(t, stream.Options{Dir: filepath.Join(t.TempDir(), "spool"), Budget: 64 << 20, Segment: 256 << 10}).start()
	var written atomic.Int64
	var wg sync.WaitGroup
	c := w.connect("", "")
	wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		limit, nextTurn := time.Now().Add(length), time.Now().Add(rotate)
		per := int(rate * every / time.Second)
		for n := 0; time.Now().Before(limit); n += per {
			<-tick.C
			text := numbered(n, per)
			w.write("a.log", text)
			written.Add(int64(len(text)))
			if time.Now().After(nextTurn) {
				nextTurn = time.Now().Add(rotate)
				if err := os.Rename(w.path("a.log"), w.path("a.log.1")); err != nil {
					t.Error(err)
				}
			}
		}
		w.write("a.log", "the end\n")
		written.Add(8)
	})
	tile, next, cuts, rotations := newTiling(t), 0, 0, 0
	if night {
		defer watchHeap(t, length/10)()
	}
	for begun := time.Now(); ; {
		e := c.want()
		tile.add(e.name, e.data)
		if e.name == "rotate" {
			rotations++
			continue
		}
		if strings.Contains(e.data, `"message":"the end"`) {
			break
		}
		if n := lineNumber(t, decode(t, e.data).Message); n != next {
			t.Fatalf("line %d after %d cuts, want %d", n, cuts, next)
		}
		next++
		if time.Since(begun) > cut {
			begun = time.Now()
			last := c.last
			c.close()
			c = w.connect("", last)
			cuts++
		}
	}
	wg.Wait()
	tile.want(written.Load())
	t.Logf("%d lines, %d cuts, %d rotations", next, cuts, rotations)
	if tile.gaps > 0 || cuts == 0 || rotations == 0 {
		t.Errorf("%d gaps, %d cuts, %d rotations: want none, some, some", tile.gaps, cuts, rotations)
	}
}
