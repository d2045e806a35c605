package stream_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/logfile"
	"fairlead/stream"
)

// A tiling checks that what a client got, and was told it did not get, are the
// bytes of each generation without a hole and without a byte twice.
type tiling struct {
	t      *testing.T
	ranges map[string][][2]int64 // by generation
	gaps   int
	got    int
}

func newTiling(t *testing.T) *tiling { return &tiling{t: t, ranges: map[string][][2]int64{}} }

func (x *tiling) add(name, data string) {
	e := decode(x.t, data)
	switch {
	case e.Type == "gap":
		x.gaps++
		for _, ranges := range e.Missing {
			for _, text := range ranges {
				gen, rest, _ := strings.Cut(text, ":")
				var from, to int64
				if _, err := fmt.Sscanf(rest, "%d-%d", &from, &to); err != nil {
					x.t.Fatalf("gap %q: %v", text, err)
				}
				x.ranges[gen] = append(x.ranges[gen], [2]int64{from, to})
			}
		}
	case e.Type == "":
		gen, from, to := e.place(x.t)
		if n := len(x.ranges[gen]); n > 0 && from < x.ranges[gen][n-1][1] {
			x.t.Fatalf("entry at %s goes back behind %d: doubled or out of order", e.At, x.ranges[gen][n-1][1])
		}
		x.got++
		if n := len(x.ranges[gen]); n > 0 && x.ranges[gen][n-1][1] == from {
			x.ranges[gen][n-1][1] = to
			return
		}
		x.ranges[gen] = append(x.ranges[gen], [2]int64{from, to})
	}
}

// want fails unless the ranges of every generation join.
func (x *tiling) want(total int64) {
	x.t.Helper()
	var sum int64
	for gen, ranges := range x.ranges {
		sort.Slice(ranges, func(i, j int) bool { return ranges[i][0] < ranges[j][0] })
		for i, r := range ranges {
			if i > 0 && r[0] != ranges[i-1][1] {
				x.t.Fatalf("generation %.8s: %v behind %v", gen, r, ranges[i-1])
			}
			sum += r[1] - r[0]
		}
	}
	if sum != total {
		x.t.Fatalf("%d bytes in entries and gaps, want %d", sum, total)
	}
}

// PROMISE stream: a client that reconnects with its last id sees each entry once,
// after a dropped connection, a stop and a kill.
func TestPromiseResume(t *testing.T) {
	const rounds, perRound = 12, 200
	w := newWorld(t, stream.Options{Dir: filepath.Join(t.TempDir(), "spool"), Segment: 16 << 10, Budget: 16 << 20})
	w.start()
	var text int64
	add := func(round int) {
		lines := numbered(round*perRound, perRound)
		text += int64(len(lines))
		w.write("a.log", lines)
	}
	tile, last, next := newTiling(t), "", 0
	read := func(c *client, until int) {
		for next < until {
			e := c.want()
			tile.add(e.name, e.data)
			if e.name != "" {
				continue
			}
			if n := lineNumber(t, decode(t, e.data).Message); n != next {
				t.Fatalf("line %d, want %d", n, next)
			}
			next++
		}
		last = c.last
	}
	c := w.connect("", "")
	for round := range rounds {
		add(round)
		read(c, round*perRound+rand.IntN(perRound))
		c.close()
		switch round % 3 {
		case 1:
			w.stop()
		case 2:
			w.kill()
		}
		if round%4 == 3 {
			if err := os.Rename(w.path("a.log"), w.path("a.log.1")); err != nil {
				t.Fatal(err)
			}
		}
		if round%3 != 0 {
			w.start()
		}
		c = w.connect("", last)
		read(c, (round+1)*perRound)
	}
	tile.want(text)
	if tile.gaps != 0 {
		t.Errorf("%d gaps, want none", tile.gaps)
	}
}

// PROMISE stream: after a power cut, and beyond the budget, a client is told what
// it misses.
func TestPromiseGapAfterPowerCut(t *testing.T) {
	opt := stream.Options{Dir: filepath.Join(t.TempDir(), "spool"), Boot: "one"}
	w := newWorld(t, opt)
	w.write("a.log", "before\n")
	w.start()
	c := w.connect("tail=1", "")
	c.wantMessages("before")
	last := c.last
	w.write("a.log", "unseen\n")
	w.until("it is in the spool", func() bool { return w.stream.Stats().Spool.End > 300 })
	c.close()
	w.kill()
	w.opt.Boot = "two"
	w.write("a.log", "while down\n")
	// The disk has lost the end of what was written, so that the new epoch uses
	// offsets of the old one again.
	segs, err := filepath.Glob(filepath.Join(opt.Dir, "*.seg"))
	if err != nil || len(segs) != 1 {
		t.Fatalf("segments %q, %v", segs, err)
	}
	if err := os.Truncate(segs[0], 50); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.until("all is in the spool again", func() bool { return w.atEnd("while down") })
	c = w.connect("", last)
	e := c.want()
	g := decode(t, e.data)
	if e.name != "gap" || len(g.Missing[w.path("a.log")]) != 1 || !strings.HasSuffix(g.Missing[w.path("a.log")][0], ":0-25") {
		t.Fatalf("event %q %+v, want a gap of 0 to 25", e.name, g)
	}
	w.write("a.log", "goes on\n")
	c.wantMessages("goes on")
}

func TestPromiseGapBeyondBudget(t *testing.T) {
	both(t, func(t *testing.T, opt stream.Options) {
		opt.Budget, opt.Segment = 64<<10, 8<<10
		w := newWorld(t, opt).start()
		c := w.connect("", "")
		w.write("a.log", numbered(0, 10))
		first, _, _ := c.entries(10)[0].place(t)
		last := c.last
		c.close()
		w.until("it has left", func() bool { return w.sse.Stats().Clients == 0 })
		total := int64(len(numbered(0, 2010)))
		for n := 10; n < 2010; n += 100 {
			step := 100
			if n == 610 || n == 1210 { // generations that come and go while the client is away
				step = 10
			}
			for i := n; i < n+100; i += step {
				if step < 100 {
					os.Remove(w.path("a.log.1"))
					if err := os.Rename(w.path("a.log"), w.path("a.log.1")); err != nil {
						t.Fatal(err)
					}
				}
				w.write("a.log", numbered(i, step))
				w.until("it is encoded", func() bool { return w.atEnd(fmt.Sprintf("line %d ", i+step-1)) })
			}
		}
		c = w.connect("", last)
		tile := newTiling(t)
		for {
			e := c.want()
			tile.add(e.name, e.data)
			if strings.Contains(e.data, "line 2009 ") {
				break
			}
		}
		if tile.gaps != 1 {
			t.Errorf("%d gaps, want 1", tile.gaps)
		}
		// Where a segment is gone a gap may begin before what was seen, never behind.
		seen := int64(len(numbered(0, 10)))
		ranges := tile.ranges[first]
		if len(ranges) == 0 || ranges[0][0] > seen {
			t.Fatalf("the gap begins at %v in the first generation, and %d bytes of it were seen", ranges, seen)
		}
		ranges[0][0] = 0
		tile.want(total)
		if st := w.sse.Stats(); st.Gaps == 0 || st.Gapped == 0 { // a client of before may have had one, too
			t.Errorf("Stats() = %+v, want a gap", st)
		}
	})
}

// What a gap says of a log that appeared meanwhile begins where its reading began.
func TestGapOfALogThatBeganLate(t *testing.T) {
	end := logfile.FromEnd
	w := newWorld(t, stream.Options{Budget: 16 << 10, Segment: 4 << 10, From: &end})
	w.write("a.log", "before we came\n")
	w.start()
	c := w.connect("", "")
	first := c.last // in front of everything
	c.close()
	for n := 0; n < 1000; n += 50 {
		w.write("a.log", numbered(n, 50))
		w.until("it is encoded", func() bool { return w.atEnd(fmt.Sprintf("line %d ", n+49)) })
	}
	e := w.connect("", first).want()
	ranges := decode(t, e.data).Missing[w.path("a.log")]
	if e.name != "gap" || len(ranges) != 1 || !strings.Contains(ranges[0], ":15-") {
		t.Errorf("event %q with %q, want a gap from byte 15 on", e.name, ranges)
	}
}

// atEnd says whether the newest entry has a text.
func (w *world) atEnd(text string) bool {
	c := w.connect("tail=1", "")
	defer c.close()
	return strings.Contains(c.want().data, text)
}

// T12: each client is an offset. The fast one has everything, all others entries
// and gaps that together are all bytes; nothing waits for the dead.
func TestT12SlowAndDeadClients(t *testing.T) {
	const slow, dead, lines = 50, 50, 30_000
	w := newWorld(t, stream.Options{Dir: filepath.Join(t.TempDir(), "spool"), Budget: 1 << 20, Segment: 64 << 10})
	w.sendBuffer = 4096
	w.start()
	w.write("a.log", "first\n")
	w.until("it is encoded", func() bool { return w.stream.Stats().Spool.End > 0 })
	for range dead {
		w.dialSmall() // never reads
	}
	var wg sync.WaitGroup
	finish := make(chan struct{})
	var slowOnes []*tiling
	for i := range slow {
		tile := newTiling(t)
		slowOnes = append(slowOnes, tile)
		if i%2 == 0 {
			r := w.dialSmall()
			wg.Go(func() { readSlowly(tile, finish, func() (string, string) { return "", r.line() }) })
		} else {
			c := w.connect("", "")
			wg.Go(func() {
				readSlowly(tile, finish, func() (string, string) { e := c.want(); return e.name, e.data })
			})
		}
	}
	fast := w.connect("", "")
	began := time.Now()
	var text int64
	for n := 0; n < lines; n += 1000 {
		part := numbered(n, 1000)
		text += int64(len(part))
		w.write("a.log", part)
		for i, e := range fast.entries(1000) {
			if got := lineNumber(t, e.Message); got != n+i {
				t.Fatalf("the fast client got line %d, want %d", got, n+i)
			}
		}
	}
	t.Logf("the fast client: %d lines in %s", lines, time.Since(began))
	close(finish)
	w.write("a.log", "the end\n")
	text += 8
	wg.Wait()
	var gaps [2]int // over TCP, SSE
	for i, tile := range slowOnes {
		tile.want(text)
		gaps[i%2] += tile.gaps
	}
	st := w.stream.Stats().Spool
	t.Logf("gaps over TCP and SSE: %d; pinned %d bytes", gaps, st.Pinned)
	if gaps[0] == 0 || gaps[1] == 0 {
		t.Error("no slow client had a gap: the test shows nothing")
	}
	if st.Pinned > w.opt.Budget {
		t.Errorf("deleted segments pin %d bytes, want at most %d", st.Pinned, w.opt.Budget)
	}
}

// T12: stuck clients that are all in other segments pin no more than one more
// budget. Who is let go in the middle of an entry gets the rest of it, and then
// exactly what it misses.
func TestT12ExpiredSegments(t *testing.T) {
	const clients, lines = 20, 1000
	w := newWorld(t, stream.Options{Dir: filepath.Join(t.TempDir(), "spool"), Budget: 1 << 20, Segment: 64 << 10})
	w.sendBuffer = 4096
	w.start()
	w.write("a.log", "first\n")
	w.until("it is encoded", func() bool { return w.atEnd("first") })
	readers, texts := []*tcpReader{}, []int64{}
	for i := range clients {
		readers, texts = append(readers, w.dialSmall()), append(texts, 0)
		text := numbered(i*lines, lines)
		w.write("a.log", text)
		for j := range texts {
			texts[j] += int64(len(text))
		}
		w.until("it is encoded", func() bool { return w.atEnd(fmt.Sprintf("line %d ", (i+1)*lines-1)) })
	}
	w.until("those who were told to have let go", func() bool { return w.stream.Stats().Spool.Pinned <= w.opt.Budget })
	if st := w.stream.Stats().Spool; st.Expired == 0 {
		t.Errorf("no segment expired: %+v", st)
	}
	w.write("a.log", "the end\n")
	inside := 0
	for i, r := range readers {
		tile := newTiling(t)
		for last := ""; !strings.Contains(last, `"message":"the end"`); {
			before := tile.got
			last = r.line()
			tile.add("", last)
			if tile.got == before && before%lines != 0 {
				inside++
			}
		}
		tile.want(texts[i] + int64(len("the end\n")))
	}
	if inside == 0 {
		t.Error("no client was let go within what was appended at once: the test shows nothing")
	}
}

// T12: clients that are stuck at as many places as there are cost no memory for
// each place.
func TestT12StuckEverywhere(t *testing.T) {
	const lines, clients, most = 400_000, 300, 96 << 20
	w := newWorld(t, stream.Options{Dir: filepath.Join(t.TempDir(), "spool")}).start()
	first := w.connect("", "")
	w.write("a.log", "first\n")
	first.wantMessages("first")
	w.write("a.log", numbered(0, lines))
	w.until("all is encoded", func() bool { return w.atEnd(fmt.Sprintf("line %d ", lines-1)) })
	epoch, _, _ := strings.Cut(first.last, "-")
	first.close()
	seg := w.boundaries(epoch, clients)
	for _, id := range seg {
		w.get("after="+id, "")
	}
	var m runtime.MemStats
	w.until("all have come", func() bool { return w.sse.Stats().Total >= clients })
	runtime.GC()
	runtime.ReadMemStats(&m)
	t.Logf("%d MB of heap for %d clients in %d MB of spool", m.HeapAlloc>>20, clients, w.stream.Stats().Spool.Bytes>>20)
	if m.HeapAlloc > most {
		t.Errorf("%d bytes of heap, want at most %d", m.HeapAlloc, most)
	}
}

// boundaries returns n ids that are spread evenly over what is in the spool.
func (w *world) boundaries(epoch string, n int) (ids []string) {
	w.t.Helper()
	segs, err := filepath.Glob(filepath.Join(w.opt.Dir, epoch+"-*.seg"))
	if err != nil || len(segs) == 0 {
		w.t.Fatalf("segments %q, %v", segs, err)
	}
	end := w.stream.Stats().Spool.End
	for _, path := range segs {
		base, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), epoch+"-"), ".seg"), 10, 64)
		if err != nil {
			w.t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			w.t.Fatal(err)
		}
		for at := 0; at < len(text); at += int(end) / n {
			ids = append(ids, fmt.Sprintf("%s-%d", epoch, base+int64(at+strings.IndexByte(string(text[at:min(len(text), at+4096)]), '\n')+1)))
		}
	}
	return ids
}

// readSlowly reads until the last line, slowly before finish is closed.
func readSlowly(tile *tiling, finish chan struct{}, next func() (name, data string)) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-finish:
		}
		name, data := next()
		tile.add(name, data)
		if strings.Contains(data, `"message":"the end"`) {
			return
		}
	}
}

func TestBadQueries(t *testing.T) {
	w := newWorld(t, stream.Options{}).start()
	w.write("a.log", "one\n")
	w.until("it is encoded", func() bool { return w.stream.Stats().Spool.End > 0 })
	c := w.connect("tail=1", "")
	c.wantMessages("one")
	epoch, _, _ := strings.Cut(c.last, "-")
	for query, want := range map[string]string{
		"regex=a(b":                      "position 0", // what is missing is missing of all of it
		"regex=ab%5Bz-a%5D":              "position 3",
		"exclude=x%2B%2B%2B":             "position",
		"level=loud":                     "there are trace",
		"tail=-1":                        "tail",
		"tail=9999999":                   "tail",
		"after=x":                        "position",
		"after=" + epoch + "-1":          "not the position of an entry",
		"after=" + epoch + "--1":         "position",
		"q=%zz":                          "invalid",
		"soruce=a":                       "unknown query",
		"q=" + strings.Repeat("x", 2000): "at most",
	} {
		c := w.get(query, "")
		body := make([]byte, 500)
		n, _ := c.resp.Body.Read(body)
		if c.resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body[:n]), want) {
			t.Errorf("GET ?%.80s = %s %q, want 400 with %q", query, c.resp.Status, body[:n], want)
		}
	}
}

// A filter of the stream holds for every client, whatever it asks for, over TCP too.
func TestFilterOfTheStream(t *testing.T) {
	f, err := stream.ParseFilter(url.Values{"exclude": {"secret"}})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, stream.Options{Filter: f}).start()
	lines, all, some := w.dial(), w.connect("", ""), w.connect("q=open", "")
	w.write("a.log", "a secret\nfirst\nan open secret\nopen\n")
	all.wantMessages("first", "open")
	some.wantMessages("open")
	for _, want := range []string{"first", "open"} {
		if e := decode(t, lines.line()); e.Message != want {
			t.Errorf("over TCP: %q, want %q", e.Message, want)
		}
	}
}

func TestFilters(t *testing.T) {
	w := newWorld(t, stream.Options{}).start()
	w.write("a.log", "INFO: hello world\nERROR: it broke\nno level here\n")
	w.write("b.log", "DEBUG: Hello there\n"+`{"level":"error","msg":"from json","user":"Anna"}`+"\n")
	w.until("all is encoded", func() bool { return len(w.connect("tail=10", "").entries(5)) == 5 })
	for query, want := range map[string][]string{
		"level=error":       {"ERROR: it broke", "from json"},
		"level=debug":       {"INFO: hello world", "ERROR: it broke", "DEBUG: Hello there", "from json"},
		"q=hello":           {"INFO: hello world", "DEBUG: Hello there"},
		"q=anna":            {"from json"},
		"source=b.log":      {"DEBUG: Hello there", "from json"},
		"regex=%5EERR":      {"ERROR: it broke"},
		"exclude=hello":     {"ERROR: it broke", "no level here", "DEBUG: Hello there", "from json"},
		"q=hello&level=inf": {"INFO: hello world"},
	} {
		got := []string{}
		for _, e := range w.connect(query+"&tail=100", "").entries(len(want)) {
			got = append(got, e.Message)
		}
		sort.Strings(got)
		sort.Strings(want)
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("?%s = %q, want %q", query, got, want)
		}
	}
	// tail counts what the filter lets through.
	w.connect("level=error&tail=1", "").entries(1)
}
