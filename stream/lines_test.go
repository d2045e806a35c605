package stream

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fairlead/logfile"
)

// reading is the time of reading in tests.
var reading = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func newLines() *Lines {
	return &Lines{Source: "/a.log", Location: time.UTC, Now: func() time.Time { return reading }}
}

// An outEntry is what a client decodes.
type outEntry struct {
	Time      time.Time
	Source    string
	Level     string
	Message   *string
	Fields    json.RawMessage
	At        string
	Len       int64
	Partial   bool
	Truncated bool
	Raw       []byte `json:"raw_b64"`
}

type fataler interface{ Fatalf(string, ...any) }

func decodeEntries(t fataler, out []byte) (entries []outEntry) {
	for line := range bytes.Lines(out) {
		var e outEntry
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&e); err != nil {
			t.Fatalf("decode %.300q: %v", line, err)
		}
		if e.Message == nil || e.Time.IsZero() || e.Len <= 0 {
			t.Fatalf("entry %.300q: want a time, a message and a len", line)
		}
		entries = append(entries, e)
	}
	return entries
}

// feed adds pieces that follow each other, the first at off.
func feed(l *Lines, gen logfile.GenID, off int64, pieces ...[]byte) (out []byte) {
	for _, p := range pieces {
		out = l.Add(out, logfile.Span{Gen: gen, Off: off, N: int64(len(p))}, p)
		off += int64(len(p))
	}
	return out
}

func gen1() logfile.GenID { return logfile.GenID{15: 1} }

// entriesOf returns the entries of text, without the keys that any entry has.
func entriesOf(t *testing.T, l *Lines, text string) string {
	t.Helper()
	out := feed(l, gen1(), 0, []byte(text))
	out = l.Flush(out)
	decodeEntries(t, out)
	s := strings.ReplaceAll(string(out), `,"source":"/a.log"`, "")
	s = strings.ReplaceAll(s, `"time":"2026-11-20T12:00:00Z",`, "")
	return strings.TrimSuffix(placeRE.ReplaceAllString(s, ""), "\n")
}

var placeRE = regexp.MustCompile(`,"at":"[0-9a-f]{32}:\d+","len":\d+`)

// A formatTest is a line and its entry: without source, at and len, and without
// a time if that is the time of reading.
type formatTest struct{ name, line, want string }

func testFormats(t *testing.T, tests []formatTest) {
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			if got := entriesOf(t, newLines(), c.line+"\n"); got != c.want {
				t.Errorf("entry of %s\n is %s\nwant %s", c.line, got, c.want)
			}
		})
	}
}

func TestEntryOnTheWire(t *testing.T) {
	l := newLines()
	got := string(l.Flush(feed(l, gen1(), 100, []byte("\n\r\n2024-01-01T00:00:00.5+01:00 WARN: <b>\xff\r\nrest"))))
	want := `{"time":"2024-01-01T00:00:00.5+01:00","source":"/a.log","level":"WARN","message":"2024-01-01T00:00:00.5+01:00 WARN: \u003cb\u003e\ufffd",` +
		`"at":"00000000000000000000000000000001:100","len":43,"raw_b64":"` + base64.StdEncoding.EncodeToString([]byte("2024-01-01T00:00:00.5+01:00 WARN: <b>\xff")) + `"}
{"time":"2026-11-20T12:00:00Z","source":"/a.log","message":"rest","at":"00000000000000000000000000000001:143","len":4,"partial":true}
`
	if got != want {
		t.Errorf("entries\n%swant\n%s", got, want)
	}
}

// What LogWisp made of its sample, and where we differ on purpose.
func TestLogWispSample(t *testing.T) {
	differs := map[int]struct{ want, why string }{
		11: {`{"time":"2024-01-01T12:00:00Z","source":"app.log","level":"info","message":"time is not RFC 3339"}`, "more times are read"},
		12: {`{"time":"now","source":"app.log","level":"info","message":"the key message is not read"}`, "message is read"},
		13: {`{"time":"now","source":"app.log","level":"info","message":"a number where a string is expected"}`, "levels may be numbers"},
	}
	input, err := os.ReadFile("testdata/logwisp.input")
	if err != nil {
		t.Fatal(err)
	}
	output, err := os.ReadFile("testdata/logwisp.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	l := newLines()
	l.Source, l.LogWisp = "app.log", true
	ours := strings.Split(string(feed(l, gen1(), 0, input)), "\n")
	theirs := strings.Split(string(output), "\n")
	if len(ours) != len(theirs) {
		t.Fatalf("%d entries, LogWisp has %d", len(ours)-1, len(theirs)-1)
	}
	timeRead := regexp.MustCompile(`^{"time":"2026-11-20T1[^"]*"`)
	for i := range ours {
		want, why := timeRead.ReplaceAllString(theirs[i], `{"time":"now"`), "as LogWisp"
		if d, ok := differs[i+1]; ok {
			want, why = d.want, d.why
		}
		got := timeRead.ReplaceAllString(placeRE.ReplaceAllString(ours[i], ""), `{"time":"now"`)
		if got != want {
			t.Errorf("entry %d\n is %s\nwant %s (%s)", i+1, got, want, why)
		}
	}
}

// tile checks that the entries are the bytes from off to end, without hole or overlap.
func tile(t fataler, entries []outEntry, gen logfile.GenID, off, end int64) {
	for _, e := range entries {
		if want := (logfile.Pos{Gen: gen, Off: off}).String(); e.At != want {
			t.Fatalf("at %s, want %s", e.At, want)
		}
		off += e.Len
	}
	if off != end {
		t.Fatalf("the entries end at %d, what waits begins at %d", off, end)
	}
}

// pieceOf draws bytes that are hard to cut.
func pieceOf() *rapid.Generator[[]byte] {
	var words [][]byte
	for _, w := range []string{"\n", "\r\n", "\r", "line\n", " indented\n", "\tat x.y\n", "\n\n", "\x00", "\xff", "ä", "\ufeff", "\u2028", "<b>&\n",
		"2016-10-06T00:17:09.669794202Z stdout F whole\n", "2016-10-06T00:17:09Z stdout P part\n", "2016-10-06T00:17:09Z stderr F other\n",
		`{"msg":"json"}` + "\n", `{"log":"docker\n","stream":"stdout"}` + "\n", `{"log":"part","stream":"stdout"}` + "\n",
		"level=info msg=\"a b\"\n", "{\"log\":\"\",\"stream\":\"stderr\"}\n"} {
		words = append(words, []byte(w))
	}
	return rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 1, 20), rapid.SampledFrom(words))
}

// F12 to F14: entries tile the bytes, whatever they are and however they come.
func TestF14EntriesTile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(pieceOf(), 1, 30).Draw(t, "pieces")
		gen, start := logfile.NewGenID(), rapid.Int64Range(0, 1<<40).Draw(t, "off")
		l := newLines()
		l.MultiLine, l.LogWisp = rapid.Bool().Draw(t, "multi-line"), rapid.Bool().Draw(t, "LogWisp")
		var out []byte
		off, flushed := start, false
		for _, p := range pieces {
			out = append(out, feed(l, gen, off, p)...)
			off += int64(len(p))
			if rapid.IntRange(0, 9).Draw(t, "flush") == 0 {
				out, flushed = l.Flush(out), true
				if l.Unfinished() {
					t.Fatalf("after Flush something is unfinished")
				}
			}
		}
		tile(t, decodeEntries(t, out), gen, start, l.Pos(logfile.Pos{Gen: gen, Off: off}).Off)
		if !flushed {
			whole := *newLines()
			whole.MultiLine, whole.LogWisp = l.MultiLine, l.LogWisp
			if got := feed(&whole, gen, start, bytes.Join(pieces, nil)); !bytes.Equal(got, out) {
				t.Fatalf("in one piece\n%s\nin many\n%s", got, out)
			}
		}
	})
}

// F14: nothing of a plain line is lost.
func TestF14PlainIsTheBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := bytes.Join(rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 30), 1, 10).Draw(t, "lines"), []byte("\n"))
		l := newLines()
		gen := gen1()
		for _, e := range decodeEntries(t, l.Flush(feed(l, gen, 0, text))) {
			if e.Fields != nil {
				continue // by chance a format
			}
			pos, err := logfile.ParsePos(e.At)
			if err != nil {
				t.Fatalf("%v", err)
			}
			raw := e.Raw
			if raw == nil {
				raw = []byte(*e.Message)
			}
			if bytes.HasPrefix(raw, []byte("{")) || bytes.HasPrefix(raw, []byte("<")) {
				continue
			}
			at := bytes.TrimLeft(text[pos.Off:pos.Off+e.Len], "\r\n")
			if !bytes.Contains(text[pos.Off:pos.Off+e.Len], raw) || len(at) > 0 && len(raw) < len(bytes.TrimRight(at, "\r\n")) {
				t.Fatalf("entry %q at %q", raw, text[pos.Off:pos.Off+e.Len])
			}
		}
	})
}

// F13: a line without end costs no memory; what is kept of it is marked.
func TestF13LongLine(t *testing.T) {
	const size = 64 << 20
	piece := bytes.Repeat([]byte("ä"), 32<<10)
	for _, multi := range []bool{false, true} {
		l := newLines()
		l.MultiLine = multi
		for off := int64(0); off < size; off += int64(len(piece)) {
			if out := feed(l, gen1(), off, piece); len(out) > 0 {
				t.Fatalf("Add = %.100q before the line has ended, want nothing", out)
			}
		}
		if got := cap(l.line.kept); got > 4*maxLine {
			t.Errorf("%d bytes of memory for a line of %d, want no more than %d", got, size, 4*maxLine)
		}
		es := decodeEntries(t, l.Flush(feed(l, gen1(), size, []byte("\nnext\n"))))
		if len(es) != 2 || es[0].Len != size+1 || !es[0].Truncated || len(*es[0].Message) != maxLine {
			t.Fatalf("a long line: %d entries, len %d, truncated %v, want 2, %d, true and %d bytes of text",
				len(es), es[0].Len, es[0].Truncated, size+1, maxLine)
		}
		if want := fmt.Sprintf("%s:%d", gen1(), size+1); es[1].At != want || *es[1].Message != "next" || es[1].Truncated {
			t.Errorf("the line behind it: %+v, want next at %s", es[1], want)
		}
	}
}

func TestTruncatedAtTheLimit(t *testing.T) {
	for _, c := range []struct {
		line      string
		n         int
		truncated bool
	}{
		{strings.Repeat("x", maxLine-1), maxLine - 1, false},
		{strings.Repeat("x", maxLine), maxLine, false},
		{strings.Repeat("x", maxLine) + "\r", maxLine, false},
		{strings.Repeat("x", maxLine) + "\ry", maxLine, true},
		{strings.Repeat("x", maxLine+1), maxLine, true},
		{strings.Repeat("x", maxLine-1) + "ä", maxLine - 1, true},
		{strings.Repeat("x", maxLine-1) + "\xff", maxLine + 2, false},
	} {
		whole, pieces := newLines(), newLines()
		out := feed(whole, gen1(), 0, []byte(c.line+"\n"))
		es := decodeEntries(t, out)
		if len(es) != 1 || es[0].Truncated != c.truncated || es[0].Len != int64(len(c.line)+1) || len(*es[0].Message) != c.n {
			t.Errorf("a line of %d bytes: truncated %v, len %d, %d bytes of text, want %v and %d",
				len(c.line), es[0].Truncated, es[0].Len, len(*es[0].Message), c.truncated, c.n)
		}
		half := len(c.line) / 2
		if got := feed(pieces, gen1(), 0, []byte(c.line[:half]), []byte(c.line[half:]), []byte("\n")); !bytes.Equal(got, out) {
			t.Errorf("a line of %d bytes is another entry in pieces", len(c.line))
		}
	}
}

// F12: what another generation brings never ends a line of this one; nor what
// comes behind a jump.
func TestF12UnfinishedLineOfAnotherGeneration(t *testing.T) {
	l := newLines()
	a, b := gen1(), logfile.GenID{15: 2}
	out := feed(l, a, 10, []byte("half"))
	out = append(out, feed(l, b, 0, []byte("whole\nha"))...)
	out = append(out, feed(l, b, 20, []byte("lf\n"))...)
	var got []string
	for _, e := range decodeEntries(t, out) {
		got = append(got, fmt.Sprint(strings.TrimLeft(e.At, "0"), e.Len, *e.Message, e.Partial))
	}
	want := []string{"1:10 4 half true", "2:0 6 whole false", "2:6 2 ha true", "2:20 3 lf false"}
	for i := range got {
		got[i] = strings.Join(strings.Fields(got[i]), " ")
	}
	if g, w := norm(got), norm(want); g != w {
		t.Errorf("entries %s, want %s", g, w)
	}
}

// Nothing of one generation is left when another begins.
func TestGenerationsAreApart(t *testing.T) {
	l := newLines()
	a, b := gen1(), logfile.GenID{15: 2}
	feed(l, a, 0, []byte("x\n\n"))
	es := decodeEntries(t, feed(l, b, 0, []byte("y\n")))
	tile(t, es, b, 0, 2)
	l.Flush(feed(l, b, 2, []byte("half")))
	if es = decodeEntries(t, feed(l, a, 0, []byte(`{"msg":"z"}`+"\n"))); *es[0].Message != "z" {
		t.Errorf("the first line of a generation is taken for a rest: %q", *es[0].Message)
	}
}

func norm(s []string) string { return strings.ReplaceAll(strings.Join(s, ";"), " ", "") }

// F12: what follows a partial entry is plain text, up to the line's end.
func TestF12RestIsPlain(t *testing.T) {
	l := newLines()
	gen := gen1()
	out := l.Flush(feed(l, gen, 0, []byte("\nbegin ")))
	out = l.Flush(append(out, feed(l, gen, 7, []byte(`{"msg":"x"}`))...))
	out = append(out, feed(l, gen, 18, []byte("2024-01-01 00:00:00 ERROR: z\n"+`{"msg":"y"}`+"\n"))...)
	es := decodeEntries(t, out)
	tile(t, es, gen, 0, 18+29+12)
	for i, want := range []string{"begin ", `{"msg":"x"}`, "2024-01-01 00:00:00 ERROR: z", "y"} {
		if *es[i].Message != want || es[i].Partial != (i < 2) || !es[i].Time.Equal(reading) {
			t.Errorf("entry %d: %q, partial %v, want %q", i, *es[i].Message, es[i].Partial, want)
		}
	}
	if l.Unfinished() || l.Pos(logfile.Pos{Off: 5}) != (logfile.Pos{Off: 5}) {
		t.Errorf("after a whole line something waits")
	}
}

func TestMultiLine(t *testing.T) {
	for _, c := range []formatTest{
		{"trace", "2024-01-01 00:00:00 [INFO] x\n\tat a\n\n    at b ERROR:\nnext",
			`{"time":"2024-01-01T00:00:00Z","level":"INFO","message":"2024-01-01 00:00:00 [INFO] x\n\tat a\n    at b ERROR:"}` + "\n" + `{"message":"next"}`},
		{"json", `{"msg":"x","a":1}` + "\n  more", `{"message":"x\n  more","fields":{"a":1}}`},
		{"indented first", " x\n y", `{"message":" x\n y"}`},
		{"invalid", "a\n \xff", `{"message":"a\n \ufffd","raw_b64":"YQog/w=="}`},
		{"container", "2024-01-01T00:00:00Z stdout F a\n b", `{"time":"2024-01-01T00:00:00Z","message":"a","fields":{"stream":"stdout"}}` + "\n" + `{"message":" b"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLines()
			l.MultiLine = true
			if got := entriesOf(t, l, c.line+"\n"); got != c.want {
				t.Errorf("entries\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestF12RestIsNoPiece(t *testing.T) {
	const cri = "2016-10-06T00:17:09Z stdout P x"
	l := newLines()
	gen := gen1()
	out := l.Flush(feed(l, gen, 0, []byte("a")))
	out = l.Flush(append(out, feed(l, gen, 1, []byte(cri+"\nb"))...))
	out = append(out, feed(l, gen, int64(len(cri))+3, []byte("\n"+`{"msg":"y"}`+"\n"))...)
	var got []string
	for _, e := range decodeEntries(t, out) {
		got = append(got, *e.Message)
	}
	if want := []string{"a", cri, "b", "y"}; !slices.Equal(got, want) {
		t.Errorf("messages %q, want %q", got, want)
	}
}

// A group that was flushed is over: what is indented begins another.
func TestMultiLineAfterFlush(t *testing.T) {
	l := newLines()
	l.MultiLine = true
	out := l.Flush(feed(l, gen1(), 0, []byte("a\n")))
	out = l.Flush(append(out, feed(l, gen1(), 2, []byte(" b\n c\n"))...))
	es := decodeEntries(t, out)
	if len(es) != 2 || *es[0].Message != "a" || *es[1].Message != " b\n c" {
		t.Errorf("entries %s, want a, and b with c", out)
	}
	tile(t, es, gen1(), 0, 8)
}

// What waits is told, and where it begins.
func TestPosOfWhatWaits(t *testing.T) {
	there := logfile.Pos{Gen: gen1(), Off: 1000}
	at := func(off int64) logfile.Pos { return logfile.Pos{Gen: gen1(), Off: off} }
	for _, c := range []struct {
		text       string
		multi      bool
		unfinished bool
		pos        logfile.Pos
	}{
		{"a\n", false, false, there},
		{"a\nb", false, true, at(2)},
		{"a\n\n\r\n", false, false, at(2)},
		{"a\n\nb", false, true, at(2)},
		{"a\nb\n", true, true, at(2)},
		{"a\nb\n\n c\nd", true, true, at(2)},
		{"a\n2016-10-06T00:17:09Z stdout P x\n", false, true, at(2)},
	} {
		l := newLines()
		l.MultiLine = c.multi
		feed(l, gen1(), 0, []byte(c.text))
		if l.Unfinished() != c.unfinished || l.Pos(there) != c.pos {
			t.Errorf("after %q: unfinished %v, at %v, want %v, %v", c.text, l.Unfinished(), l.Pos(there), c.unfinished, c.pos)
		}
	}
}

// The time of reading is asked for once for all that is added.
func TestTimeOfReadingIsOne(t *testing.T) {
	asked := 0
	l := &Lines{Now: func() time.Time { asked++; return reading.Add(time.Duration(asked)) }}
	es := decodeEntries(t, l.Flush(feed(l, gen1(), 0, []byte("a\nb\nc"))))
	if len(es) != 3 || asked != 2 || !es[0].Time.Equal(es[1].Time) || es[2].Time.Equal(es[1].Time) {
		t.Errorf("asked %d times for %d entries in two calls: %v %v %v", asked, len(es), es[0].Time, es[1].Time, es[2].Time)
	}
}

// A first line that is as long as may be, and ends within a rune.
func TestMultiLineAtTheLimit(t *testing.T) {
	l := newLines()
	l.MultiLine = true
	text := strings.Repeat("x", maxLine-1) + "\xc3\n y\n"
	es := decodeEntries(t, l.Flush(feed(l, gen1(), 0, []byte(text))))
	if len(es) != 1 || !es[0].Truncated || es[0].Len != int64(len(text)) || len(*es[0].Message) != maxLine-1 {
		t.Errorf("%d entries, the first of %d bytes, truncated %v", len(es), es[0].Len, es[0].Truncated)
	}
}

// A group of lines without end costs no memory either.
func TestGroupIsBounded(t *testing.T) {
	for name, line := range map[string]string{
		"multi-line": " " + strings.Repeat("x", 1000) + "\n",
		"cri":        "2024-01-01T00:00:00Z stdout P " + strings.Repeat("x", 1000) + "\n",
		"docker":     `{"log":"` + strings.Repeat("x", 1000) + `","stream":"stdout"}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLines()
			l.MultiLine = true
			piece := []byte(strings.Repeat(line, 100))
			off := int64(0)
			for range 40 {
				if out := feed(l, gen1(), off, piece); len(out) > 0 {
					t.Fatalf("Add = %.100q, want nothing before the group ends", out)
				}
				off += int64(len(piece))
			}
			if c := cap(l.group.kept); c > 3*maxLine {
				t.Errorf("a group has %d bytes of memory", c)
			}
			es := decodeEntries(t, l.Flush(nil))
			if len(es) != 1 || !es[0].Truncated || es[0].Partial || es[0].Len != off || len(*es[0].Message) != maxLine {
				t.Errorf("%d entries, len %d, truncated %v, partial %v, %d bytes of text", len(es), es[0].Len, es[0].Truncated, es[0].Partial, len(*es[0].Message))
			}
		})
	}
}

// In steady state a line allocates nothing.
func TestAddAllocatesNothing(t *testing.T) {
	for _, line := range []string{
		"2024-05-06 07:08:09 [INFO] x", `{"time":"2024-05-06T07:08:09Z","level":30,"msg":"a\nb","n":[1,"<"],"ts":1.5}`,
		`{"log":"level=info msg=x\n","stream":"stdout","time":"2024-05-06T07:08:09Z"}`,
		`1.2.3.4 - - [06/May/2024:07:08:09 +0000] "GET / HTTP/1.1" 404 1 "-" "x"`, "I0506 07:08:09.123456   12 a.go:3] x",
		"<34>1 2003-10-11T22:14:15.003Z h a - i [x y=\"z\"] m", "May  6 07:08:09 h a[1]: m", "2024-05-06T07:08:09.1Z stdout F x", "1700000000.5 x",
	} {
		text := bytes.Repeat([]byte(line+"\n"), 200)
		l := newLines()
		dst := make([]byte, 0, 1<<20)
		off := int64(0)
		n := testing.AllocsPerRun(5, func() {
			dst = l.Add(dst[:0], logfile.Span{Gen: gen1(), Off: off}, text)
			off += int64(len(text))
		})
		if n > 0 {
			t.Errorf("200 lines of %s allocate %v times", line, n)
		}
	}
}
