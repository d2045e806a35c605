package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fairlead/logfile"
)

// cut feeds text to a lineReader in pieces and returns its entries, as JSON.
func cut(gen logfile.GenID, off int64, pieces [][]byte) []byte {
	l := &lineReader{source: "/a.log"}
	var out []byte
	for _, p := range pieces {
		out = append(out, l.add(logfile.Span{Gen: gen, Off: off, N: int64(len(p))}, p)...)
		off += int64(len(p))
	}
	return append(out, l.flush()...)
}

func decode(t interface{ Fatalf(string, ...any) }, out []byte) (entries []entry) {
	for line := range bytes.Lines(out) {
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("decode %q: %v", line, err)
		}
		entries = append(entries, e)
	}
	return entries
}

// The entries are the bytes, whatever they are and however they came: at + len
// is the next at, and nothing is changed.
func TestF14EntriesAreTheBytes(t *testing.T) {
	piece := rapid.OneOf(
		rapid.SliceOfN(rapid.Byte(), 1, 50),
		rapid.SampledFrom([][]byte{[]byte("\n"), []byte("line\r\n"), {0}, {0xff}, []byte("ä"), []byte("\ufeff"), []byte("\u2028"), []byte("<b>&")}),
	)
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(piece, 1, 20).Draw(t, "pieces")
		gen, off := logfile.NewGenID(), rapid.Int64Range(0, 1<<40).Draw(t, "off")
		text := bytes.Join(pieces, nil)
		out := cut(gen, off, pieces)
		var back []byte
		at := off
		for i, e := range decode(t, out) {
			if want := (logfile.Pos{Gen: gen, Off: at}).String(); e.At != want {
				t.Fatalf("entry %d: at %s, want %s", i, e.At, want)
			}
			raw := e.Raw
			if e.Message != nil {
				raw = []byte(*e.Message)
			}
			if !e.Partial {
				raw = append(raw, '\n')
			}
			if int64(len(raw)) != e.Len {
				t.Fatalf("entry %d: len %d, and it has %d bytes", i, e.Len, len(raw))
			}
			back = append(back, raw...)
			at += e.Len
		}
		if !bytes.Equal(back, text) {
			t.Fatalf("the entries of %q are %q", text, back)
		}
		if whole := cut(gen, off, [][]byte{text}); !bytes.Equal(whole, out) {
			t.Fatalf("in one piece %q gives %q, in pieces %q", text, whole, out)
		}
	})
}

// F13: a line without end costs no memory; what is kept of it is marked.
func TestF13LongLine(t *testing.T) {
	const size = 64 << 20
	piece := bytes.Repeat([]byte("ä"), 32<<10)
	l := &lineReader{source: "/a.log"}
	gen := logfile.NewGenID()
	for off := int64(0); off < size; off += int64(len(piece)) {
		if out := l.add(logfile.Span{Gen: gen, Off: off}, piece); len(out) > 0 {
			t.Fatalf("add = %.100q before the line has ended, want nothing", out)
		}
	}
	if got := cap(l.kept); got > 4*maxLine {
		t.Errorf("%d bytes of memory for a line of %d, want no more than %d", got, size, 4*maxLine)
	}
	es := decode(t, l.add(logfile.Span{Gen: gen, Off: size}, []byte("\nnext\n")))
	if len(es) != 2 || es[0].Len != size+1 || !es[0].Truncated || es[0].Message == nil || len(*es[0].Message) != maxLine {
		t.Fatalf("a long line: %d entries, len %d, truncated %v, want 2, %d, true and %d bytes of text",
			len(es), es[0].Len, es[0].Truncated, size+1, maxLine)
	}
	if want := fmt.Sprintf("%s:%d", gen, size+1); es[1].At != want || *es[1].Message != "next" || es[1].Truncated {
		t.Errorf("the line behind it: %+v, want next at %s", es[1], want)
	}
}

func TestTruncatedAtTheLimit(t *testing.T) {
	for _, c := range []struct {
		n    int
		want bool
	}{{maxLine - 1, false}, {maxLine, false}, {maxLine + 1, true}} {
		es := decode(t, cut(logfile.NewGenID(), 0, [][]byte{[]byte(strings.Repeat("x", c.n) + "\n")}))
		if len(es) != 1 || es[0].Truncated != c.want || es[0].Len != int64(c.n+1) {
			t.Errorf("a line of %d bytes: truncated %v, len %d, want %v, %d", c.n, es[0].Truncated, es[0].Len, c.want, c.n+1)
		}
	}
}

// F12: what another generation brings never ends a line of this one.
func TestF12UnfinishedLineOfAnotherGeneration(t *testing.T) {
	l := &lineReader{source: "/a.log"}
	a, b := logfile.NewGenID(), logfile.NewGenID()
	out := append([]byte(nil), l.add(logfile.Span{Gen: a, Off: 10}, []byte("half"))...)
	out = append(out, l.add(logfile.Span{Gen: b, Off: 0}, []byte("whole\n"))...)
	want := fmt.Sprintf(`{"source":"/a.log","at":"%s:10","len":4,"message":"half","partial":true}
{"source":"/a.log","at":"%s:0","len":6,"message":"whole"}
`, a, b)
	if string(out) != want {
		t.Errorf("entries = %s, want %s", out, want)
	}
}

func TestEntryIsLossless(t *testing.T) {
	out := cut(logfile.NewGenID(), 0, [][]byte{[]byte("\xff\x00\n")})
	if want := base64.StdEncoding.EncodeToString([]byte("\xff\x00")); !bytes.Contains(out, []byte(`"raw_b64":"`+want+`"`)) {
		t.Errorf("an entry that is not UTF-8: %s, want raw_b64 %s", out, want)
	}
}
