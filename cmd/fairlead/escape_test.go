package main

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestT16EscapeTable(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain\ttext\n", "plain\ttext\n"},
		{"größer 日本 🙂", "größer 日本 🙂"},
		{"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"a\rb\x00\x07", `a\x0db\x00\x07`},
		{"\x7f", `\u007f`},
		{"\x9b31m", `\x9b31m`},
		{"\u009b31m", `\u009b31m`},
		{"\u202ecod.exe", `\u202ecod.exe`},
		{"\xff\xfe", `\xff\xfe`},
		{"\ufffd", "\ufffd"},
		{"cut \xe6\x97", `cut \xe6\x97`},
	} {
		var out bytes.Buffer
		e := &escaper{w: &out}
		e.Write([]byte(c.in))
		e.Flush()
		if got := out.String(); got != c.want {
			t.Errorf("escape(%q) = %q, want %q", c.in, got, c.want)
		}
		if got := printable(c.in); got != c.want {
			t.Errorf("printable(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

// Whatever comes in, however it is cut: nothing unsafe goes out, and the cuts
// make no difference.
func TestT16EscapeProperty(t *testing.T) {
	piece := rapid.OneOf(
		rapid.SliceOf(rapid.Byte()),
		rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }),
		rapid.SampledFrom([][]byte{{0xe2}, {0x80}, {0xae}, {0xc2}, {0x9b}, []byte("\u202e"), []byte("\x1b]0;x\a")}),
	)
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOf(piece).Draw(t, "pieces")
		var out bytes.Buffer
		e := &escaper{w: &out}
		for _, p := range pieces {
			if n, err := e.Write(p); n != len(p) || err != nil {
				t.Fatalf("Write(%q) = %d, %v, want %d, nil", p, n, err, len(p))
			}
		}
		e.Flush()
		if !utf8.Valid(out.Bytes()) {
			t.Fatalf("escape(%q) = %q: not UTF-8", pieces, out.Bytes())
		}
		for _, r := range out.String() {
			if unsafeOnTerminal(r) {
				t.Fatalf("escape(%q) = %q: contains %U", pieces, out.String(), r)
			}
		}
		if want := printable(string(bytes.Join(pieces, nil))); out.String() != want {
			t.Fatalf("escape(%q) in pieces = %q, want %q", pieces, out.String(), want)
		}
	})
}
