package stream_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"fairlead/logfile"
	"fairlead/stream"
)

// A shelf is one log whose entries are asked for by their places.
type shelf struct {
	t    *testing.T
	path string
	set  *logfile.Set
	s    *stream.Stream
	url  string
}

// newShelf serves the entries of a file that begins with a text.
func newShelf(t *testing.T, opt stream.Options, text string) *shelf {
	t.Helper()
	x := &shelf{t: t, path: filepath.Join(t.TempDir(), "a.log")}
	x.write(text)
	var err error
	if x.s, err = stream.Open(opt); err != nil {
		t.Fatal(err)
	}
	x.set = &logfile.Set{Quiet: 50 * time.Millisecond, Active: 20 * time.Millisecond, Sweep: 50 * time.Millisecond, Hold: 50 * time.Millisecond}
	if err := x.set.Add(x.path); err != nil {
		t.Fatal(err)
	}
	x.url = x.serve(&stream.Entries{Files: x.set, Stream: x.s})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- x.set.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
		x.s.Close()
	})
	return x
}

func (x *shelf) serve(h http.Handler) string {
	web := httptest.NewServer(h)
	x.t.Cleanup(web.Close)
	return web.URL + "/entries/a.log"
}

func (x *shelf) write(text string) {
	x.t.Helper()
	f, err := os.OpenFile(x.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(text)
		f.Close()
	}
	if err != nil {
		x.t.Fatal(err)
	}
}

// A pageOf is an answer.
type pageOf struct {
	status         int
	header         http.Header
	body           string
	from, to, size int64
}

func (x *shelf) get(query string) (p pageOf) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, x.url+"?"+query, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		x.t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		x.t.Fatal(err)
	}
	p = pageOf{status: resp.StatusCode, header: resp.Header, body: string(body)}
	if p.status == http.StatusOK {
		if _, err := fmt.Sscanf(resp.Header.Get("Fairlead-Range")+" "+resp.Header.Get("Fairlead-Size"), "%d-%d %d", &p.from, &p.to, &p.size); err != nil {
			x.t.Fatalf("GET ?%s: headers %v: %v", query, resp.Header, err)
		}
	}
	return p
}

// ok is get of what is there.
func (x *shelf) ok(query string) pageOf {
	x.t.Helper()
	p := x.get(query)
	if p.status != http.StatusOK {
		x.t.Fatalf("GET ?%s = %d %s", query, p.status, p.body)
	}
	if p.to < p.from || p.to-p.from > 32<<20+64<<10 {
		x.t.Fatalf("GET ?%s covers %d-%d, want at most 32 MiB", query, p.from, p.to)
	}
	return p
}

func (x *shelf) messages(query string) string {
	x.t.Helper()
	var ms []string
	for line := range strings.Lines(x.ok(query).body) {
		ms = append(ms, decode(x.t, line).Message)
	}
	return strings.Join(ms, "|")
}

// forward walks from the start to the end, with limits as they come.
func (x *shelf) forward(query string, limit func() int) (lines []string, steps int) {
	x.t.Helper()
	at := int64(-1)
	for {
		from := "start"
		if at >= 0 {
			from = strconv.FormatInt(at, 10)
		}
		p := x.ok(fmt.Sprintf("from=%s&limit=%d&%s", from, limit(), query))
		if at >= 0 && p.from != at || p.to <= p.from && p.to < p.size {
			x.t.Fatalf("from=%d covers %d-%d of %d", at, p.from, p.to, p.size)
		}
		for line := range strings.Lines(p.body) {
			lines = append(lines, line)
		}
		steps++
		if at = p.to; at == p.size {
			return lines, steps
		}
	}
}

// back walks from the end to the start.
func (x *shelf) back(query string, limit func() int) (lines []string, steps int) {
	x.t.Helper()
	var pages [][]string
	for before := int64(1 << 60); ; {
		p := x.ok(fmt.Sprintf("before=%d&limit=%d&%s", before, limit(), query))
		if p.from >= before || before <= p.size && p.to != before {
			x.t.Fatalf("before=%d covers %d-%d of %d", before, p.from, p.to, p.size)
		}
		var page []string
		for line := range strings.Lines(p.body) {
			page = append(page, line)
		}
		pages = append(pages, page)
		steps++
		if before = p.from; before == 0 {
			break
		}
	}
	for i := len(pages) - 1; i >= 0; i-- {
		lines = append(lines, pages[i]...)
	}
	return lines, steps
}

func fixed(n int) func() int { return func() int { return n } }

func sameLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Fatalf("%s: %d entries, want %d, the next of them %.300q", what, len(got), len(want), want[i])
		case i >= len(want):
			t.Fatalf("%s: %d entries, want %d; too much is %.300q", what, len(got), len(want), got[i])
		case got[i] != want[i]:
			t.Fatalf("%s: entry %d is %.300q, want %.300q", what, i, got[i], want[i])
		}
	}
}

// streamed returns the entries that the stream makes of a text when all of it is
// there.
func (x *shelf) streamed(opt stream.Options, text string) (lines []string) {
	x.t.Helper()
	g := x.current()
	l := &stream.Lines{Source: x.path, MultiLine: opt.MultiLine, Now: func() time.Time { return g.Modified }}
	out := l.Flush(l.Add(nil, logfile.Span{Gen: g.ID, N: int64(len(text))}, []byte(text)))
	for line := range strings.Lines(string(out)) {
		lines = append(lines, line)
	}
	return lines
}

func (x *shelf) current() *logfile.Gen {
	x.t.Helper()
	g := x.set.First().Stat().Current
	if g == nil {
		x.t.Fatal("there is no generation")
	}
	return g
}

// pick is a text of all that lines may be.
func pick(r *rand.Rand, n int) string {
	kinds := []func() string{
		func() string { return "plain text " + strconv.Itoa(r.IntN(1e6)) + "\n" },
		func() string { return strings.Repeat("\n", 1+r.IntN(5)) },
		func() string { return "\r\n" },
		func() string { return "\r\r\n" },
		func() string { return "  indented\n" },
		func() string { return "\tindented too\n" },
		func() string { return `{"level":"info","msg":"json","n":` + strconv.Itoa(r.IntN(9)) + "}\r\n" },
		func() string { return "2024-05-06T07:08:09.1Z stdout P a piece of \n" },
		func() string { return "2024-05-06T07:08:09.1Z stderr P another \n" },
		func() string { return "2024-05-06T07:08:09.2Z stdout F its end\n" },
		func() string {
			return `{"log":"docker ","stream":"stdout","time":"2024-05-06T07:08:09Z"}` + "\n"
		},
		func() string {
			return `{"log":"docker\n","stream":"stdout","time":"2024-05-06T07:08:09Z"}` + "\n"
		},
		func() string { return "\x00\x00\xff\xfe NUL\x00\n" },
		func() string { return "level=warn msg=\"of logfmt\"\n" },
	}
	var b strings.Builder
	for b.Len() < n {
		switch r.IntN(400) {
		case 0:
			b.WriteString(strings.Repeat("long ", 60<<10) + "\n")
		case 1:
			b.WriteString("2024-05-06T07:08:09.1Z stdout P " + strings.Repeat("y", 300<<10) + "\n")
		default:
			b.WriteString(kinds[r.IntN(len(kinds))]())
		}
	}
	if r.IntN(2) == 0 {
		b.WriteString("without an end")
	}
	return b.String()
}

// few is n, or one where everything is slow.
func few(n int) int {
	if raced {
		return 1
	}
	return n
}

// PROMISE entries: whichever way one walks through a file, the entries are the
// same, and those of the stream.
func TestEntriesWalk(t *testing.T) {
	for _, multiLine := range []bool{false, true} {
		for range few(4) {
			seed := rand.Uint64()
			t.Run(fmt.Sprintf("multiLine=%v,seed=%d", multiLine, seed), func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 0))
				opt := stream.Options{MultiLine: multiLine}
				text := pick(r, 200<<10+r.IntN(200<<10))
				x := newShelf(t, opt, text)
				want := x.streamed(opt, text)
				limit := func() int { return 1 + r.IntN(1000) }
				lines, _ := x.forward("", limit)
				sameLines(t, "forward", lines, want)
				lines, _ = x.back("", limit)
				sameLines(t, "back", lines, want)
				lines, _ = x.back("", fixed(7))
				sameLines(t, "back by 7", lines, want)
				for range 50 {
					i := r.IntN(len(want))
					_, from, to := decode(t, want[i]).place(t)
					p := x.ok(fmt.Sprintf("before=%d&limit=1", to))
					if p.body != want[i] || p.from != from || p.to != to {
						t.Fatalf("before=%d: %d-%d %.300q, want %d-%d %.300q", to, p.from, p.to, p.body, from, to, want[i])
					}
					if p := x.ok(fmt.Sprintf("from=%d&limit=1", from)); p.body != want[i] || p.to != to {
						t.Fatalf("from=%d: to %d %.300q, want %d %.300q", from, p.to, p.body, to, want[i])
					}
					if to > from+1 && i > 0 { // one byte less: it does not end there
						if p := x.ok(fmt.Sprintf("before=%d&limit=1", to-1)); p.body != want[i-1] {
							t.Fatalf("before=%d: %.300q, want %.300q", to-1, p.body, want[i-1])
						}
					}
					if to-from < 100<<10 {
						if p := x.ok(fmt.Sprintf("near=%d&limit=1", from+r.Int64N(to-from))); p.body != want[i] {
							t.Fatalf("near %d to %d: %.300q, want %.300q", from, to, p.body, want[i])
						}
					}
				}
			})
		}
	}
}

// Lines without end, and empty ones without end, are read in bounded steps that are
// the same from both sides.
func TestEntriesBreaks(t *testing.T) {
	const mib = 1 << 20
	x20 := strings.Repeat("x", 20*mib)
	for name, text := range map[string]string{
		"one line":         "a\n" + x20 + x20 + "\nz\n",
		"one line, no end": x20 + x20,
		"NUL":              "a\n" + strings.Repeat("\x00", 20*mib) + "b\nz",
		"empty lines":      "a\n" + strings.Repeat("\n", 18*mib) + "b\nz\n",
		"ends at a break":  x20[:16*mib] + "\nz\n",
		"and with CR":      x20[:16*mib] + "\r\nz\n",
		"CR before it":     x20[:16*mib-1] + "\r\nz\n",
		"begins at one":    x20[:8*mib-1] + "\n" + x20 + "\nz\n",
		"many of them":     strings.Repeat(x20[:8*mib]+"\n", 4) + "z\n",
		"a group": "2024-05-06T07:08:09.1Z stdout P a\n" + x20 + "\n2024-05-06T07:08:09.1Z stdout P a\n" +
			strings.Repeat("\n", 17*mib) + "2024-05-06T07:08:09.1Z stdout F b\n",
	} {
		t.Run(name, func(t *testing.T) {
			x := newShelf(t, stream.Options{}, text)
			forward, _ := x.forward("", fixed(1000))
			if !raced {
				single, _ := x.forward("", fixed(1))
				sameLines(t, "forward, one at a time", single, forward)
				back, _ := x.back("", fixed(1000))
				sameLines(t, "back", back, forward)
			}
			back, _ := x.back("", fixed(1))
			sameLines(t, "back, one at a time", back, forward)
			var covered int64
			for _, line := range forward {
				e := decode(t, line)
				if e.Len > 16*mib {
					t.Errorf("entry of %d bytes, want at most 16 MiB", e.Len)
				}
				covered += e.Len
			}
			empty := int64(strings.Count(text, "\n"))
			if n := int64(len(text)); covered > n || covered < n-empty-4 {
				t.Errorf("entries of %d bytes, want %d", covered, n)
			}
		})
	}
}

func TestEntriesBlankLines(t *testing.T) {
	x := newShelf(t, stream.Options{}, strings.Repeat("\n", 1_000_000))
	if p := x.ok(""); p.body != "" || p.from != 0 || p.to != 1_000_000 {
		t.Errorf("covers %d-%d with %q, want all and nothing", p.from, p.to, p.body)
	}
	if p := x.ok("before=1000000"); p.body != "" || p.from != 0 || p.to != 1_000_000 {
		t.Errorf("before covers %d-%d with %q, want all and nothing", p.from, p.to, p.body)
	}
	x.write("at last\n")
	for limit := time.After(patience); x.ok("before=0").size != 1_000_008; { // a write is seen soon, not at once
		select {
		case <-limit:
			t.Fatal("what was written is not seen")
		case <-time.After(time.Millisecond):
		}
	}
	for _, query := range []string{"from=start", "before=1000008", "near=1000003&limit=1", "from=0&q=last", "before=1000008&q=last"} {
		if query[0] == 'n' {
			continue // it looks back a little only
		}
		if e := decode(t, x.ok(query).body); e.Message != "at last" || e.Len != 1_000_008 {
			t.Errorf("?%s = %+v, want the line with all before it", query, e)
		}
	}
	if e := decode(t, x.ok("near=1000003&limit=1").body); e.Message != "at last" {
		t.Errorf("near = %+v, want the line", e)
	}
}

// A search that finds nothing says how far it came.
func TestEntriesSearch(t *testing.T) {
	size := 100 << 20
	if raced {
		size = 34 << 20
	}
	line := strings.Repeat("nothing to be found in this line ", 3) + "\n"
	text := strings.Repeat(line, size/len(line)) + "a needle\n"
	x := newShelf(t, stream.Options{}, text+text[:1<<20])
	least := size / (32 << 20)
	for way, walk := range map[string]func(string, func() int) ([]string, int){"forward": x.forward, "back": x.back} {
		lines, steps := walk("q=NEEDLE", fixed(200))
		if len(lines) != 1 || decode(t, lines[0]).Message != "a needle" || steps < least || steps > least+3 {
			t.Errorf("%s: %d entries in %d steps, want 1 in about %d", way, len(lines), steps, least+1)
		}
	}
	if raced {
		return
	}
	if lines, steps := x.back("regex=never", fixed(200)); len(lines) != 0 || steps < least || steps > least+3 {
		t.Errorf("%d entries in %d steps, want none in about %d", len(lines), steps, least+1)
	}
}

func TestEntriesPlaces(t *testing.T) {
	x := newShelf(t, stream.Options{}, "one\ntwo\n\nthree\nfour") // at 0, 4, 8, 15; 19 bytes
	gen := x.current().ID.String()
	for query, want := range map[string]string{
		"":                           "0-19 one|two|three|four",
		"from=start":                 "0-19 one|two|three|four",
		"from=end":                   "19-19 ",
		"from=4":                     "4-19 two|three|four",
		"from=5":                     "5-19 wo|three|four",
		"from=-4":                    "15-19 four",
		"from=-100":                  "0-19 one|two|three|four",
		"from=" + gen + ":8":         "8-19 three|four",
		"gen=" + gen + "&from=4":     "4-19 two|three|four",
		"from=8&to=9":                "8-15 three",
		"from=0&to=8":                "0-8 one|two",
		"from=0&to=4":                "0-4 one",
		"from=4&to=4":                "4-4 ",
		"from=4&to=1":                "4-4 ",
		"limit=2":                    "0-8 one|two",
		"near=0&limit=1":             "0-4 one",
		"near=3&limit=1":             "0-4 one",
		"near=4&limit=1":             "4-8 two",
		"near=8&limit=1":             "8-15 three",
		"near=18&limit=1":            "15-19 four",
		"near=19&limit=1":            "15-19 four",
		"near=13&to=15":              "8-15 three",
		"before=0":                   "0-0 ",
		"before=3":                   "0-0 ",
		"before=4":                   "0-4 one",
		"before=8":                   "0-8 one|two",
		"before=9":                   "0-8 one|two",
		"before=18":                  "0-15 one|two|three",
		"before=18&limit=1":          "8-15 three",
		"before=19&limit=1":          "15-19 four",
		"before=9223372036854775807": "0-19 one|two|three|four",
		"q=o&limit=2":                "0-8 one|two",
		"q=o&before=19&limit=2":      "4-19 two|four",
		"exclude=o":                  "0-19 three",
		"regex=%5Et&regex=e$":        "0-19 three",
	} {
		p := x.ok(query)
		if got := fmt.Sprintf("%d-%d %s", p.from, p.to, x.messages(query)); got != want || p.size != 19 {
			t.Errorf("?%s = %q of %d, want %q of 19", query, got, p.size, want)
		}
		if p.header.Get("ETag") != `"`+gen+`"` || p.header.Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("?%s: header %v", query, p.header)
		}
	}
	if e := decode(t, x.ok("before=19&limit=1").body); !e.Partial {
		t.Errorf("the last line is %+v, want it partial", e)
	}
}

func TestEntriesRefuses(t *testing.T) {
	x := newShelf(t, stream.Options{}, "one\n")
	other := filepath.Join(filepath.Dir(x.path), "sub", "a.log")
	if err := os.Mkdir(filepath.Dir(other), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := x.set.Add(other, filepath.Join(filepath.Dir(x.path), "missing.log")); err != nil {
		t.Fatal(err)
	}
	root := strings.TrimSuffix(x.url, "/entries/a.log")
	own := root + "/entries" + x.path
	zero := strings.Repeat("0", 32)
	for _, c := range []struct {
		url, query string
		status     int
		want       string
	}{
		{own, "soruce=a", 400, "unknown query"},
		{own, "source=a", 400, "unknown query"},
		{own, "tail=1", 400, "unknown query"},
		{own, "from=1&near=1", 400, "more than one"},
		{own, "near=1&before=1", 400, "more than one"},
		{own, "before=1&to=2", 400, "to is for"},
		{own, "near=-1", 400, "from 0 on"},
		{own, "near=", 400, "from 0 on"},
		{own, "from=", 400, "parse from"},
		{own, "to=x", 400, "from 0 on"},
		{own, "limit=0", 400, "1 to 1000"},
		{own, "limit=1001", 400, "1 to 1000"},
		{own, "limit=1&limit=2", 400, "2 times"},
		{own, "level=loud", 400, "there are trace"},
		{own, "regex=a(b", 400, "position"},
		{own, "q=%zz", 400, "invalid"},
		{own, "gen=x", 400, "hexadecimal"},
		{own, "gen=" + logfile.NewGenID().String() + "&from=" + logfile.NewGenID().String() + ":1", 400, "different"},
		{own, "gen=" + zero, 410, "can no longer be read"},
		{own, "from=" + zero + ":0", 410, "can no longer be read"},
		{own, "gen=" + logfile.NewGenID().String(), 410, "can no longer be read"},
		{own, "from=5", 416, "behind the end"},
		{own, "near=5", 416, "behind the end"},
		{root + "/entries/nothing.log", "", 404, "GET /logs lists them all"},
		{root + "/entries/missing.log", "", 404, "not there at the moment"},
		{root + "/entries/", "", 404, "GET /logs"},
		{root + "/entries", "", 404, "GET /logs"},
		{root + "/entries/a.log", "", 409, `"candidates": [`},
	} {
		x.url = c.url
		p := x.get(c.query)
		if p.status != c.status || !strings.Contains(p.body, c.want) {
			t.Errorf("GET %s?%s = %d %q, want %d with %q", c.url, c.query, p.status, p.body, c.status, c.want)
		}
		if c.status == 416 && (p.header.Get("Content-Range") != "bytes */4" || p.header.Get("ETag") == "") {
			t.Errorf("416 has header %v", p.header)
		}
	}
	for header, value := range map[string]string{"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"} {
		if code := do(t, http.MethodGet, own, header, value); code != http.StatusForbidden {
			t.Errorf("GET with %s = %d, want 403", header, code)
		}
	}
	if code := do(t, http.MethodPost, own, "", ""); code != http.StatusMethodNotAllowed {
		t.Errorf("POST = %d, want 405", code)
	}
	if code := do(t, http.MethodHead, own, "", ""); code != http.StatusOK {
		t.Errorf("HEAD = %d, want 200", code)
	}
}

func do(t *testing.T, method, url, header, value string) int {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != "" {
		req.Header.Set(header, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	return resp.StatusCode
}

// What no client of the stream is sent is not to be had by its place either.
func TestEntriesFilterOfTheStream(t *testing.T) {
	f, err := stream.ParseFilter(url.Values{"exclude": {"secret"}})
	if err != nil {
		t.Fatal(err)
	}
	x := newShelf(t, stream.Options{Filter: f}, "a secret\nfirst\nan open secret\nopen\n")
	for query, want := range map[string]string{"": "first|open", "q=open": "open", "before=99": "first|open", "near=2&limit=1": "first"} {
		if got := x.messages(query); got != want {
			t.Errorf("?%s = %q, want %q", query, got, want)
		}
	}
}

// FuzzEntriesQuery asks for anything: the answer is an error that says why, or whole
// entries within the range that it names.
func FuzzEntriesQuery(f *testing.F) {
	for _, seed := range []string{
		"", "from=start", "from=-3&limit=2", "near=7&to=20", "before=12&q=o", "gen=0&from=0:0", "regex=(?i)T&exclude=x",
		"from=9223372036854775807", "from=-9223372036854775808", "to=0", "level=info;q=1", "%", "before=1&limit=1000",
	} {
		f.Add(seed)
	}
	dir := f.TempDir()
	path := filepath.Join(dir, "a.log")
	text := "one\ntwo\n\n\nthree \x00\xff\n  four\nfive"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		f.Fatal(err)
	}
	s, err := stream.Open(stream.Options{MultiLine: true})
	if err != nil {
		f.Fatal(err)
	}
	defer s.Close()
	set := &logfile.Set{NoEvents: true}
	if err := set.Add(path); err != nil {
		f.Fatal(err)
	}
	h := &stream.Entries{Files: set, Stream: s}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "/entries/a.log", nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var from, to int64
		switch w.Code {
		case 400, 410, 416:
			if w.Body.Len() == 0 {
				t.Fatalf("?%q = %d without a reason", query, w.Code)
			}
		case 200:
			if _, err := fmt.Sscanf(w.Header().Get("Fairlead-Range"), "%d-%d", &from, &to); err != nil || from > to || to > int64(len(text)) {
				t.Fatalf("?%q covers %q", query, w.Header().Get("Fairlead-Range"))
			}
			for line := range strings.Lines(w.Body.String()) {
				if _, at, end := decode(t, line).place(t); at < from || end > to {
					t.Fatalf("?%q: %d-%d is not in %d-%d", query, at, end, from, to)
				}
			}
		default:
			t.Fatalf("?%q = %d %s", query, w.Code, w.Body)
		}
	})
}

// What begins inside a line is plain text, as behind a partial entry of the stream.
func TestEntriesInsideALine(t *testing.T) {
	x := newShelf(t, stream.Options{}, `x {"msg":"m"}`+"\n"+`{"msg":"n"}`+"\n")
	if got := x.messages("from=2"); got != `{"msg":"m"}|n` {
		t.Errorf("messages = %q, want the rest of the line as it is, and n", got)
	}
}
