package stream

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// hostile are strings that break what is careless with text.
var hostile = []string{
	"", "plain", "\revent: x\rdata:", "<script>alert(1)</script>", "%s%n%x", "\x1b[31mred\x1b[0m\x1b]0;title\x07", "a\x00b", "\ufeffbom",
	"\xff\xfeU\x00T\x00F\x001\x006\x00", "\u2028\u2029", "\xe2\x80", "\xe2\x80\xa8\xe2", "\xed\xa0\x80", "\ufffd", "\b\f\n\r\t\v\x7f", `"\"`, `\u0041`, "../../etc/passwd", "&amp;", "😀",
}

func appendStringOf(t interface{ Fatalf(string, ...any) }, s string) {
	want, err := json.Marshal(s)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if got := appendQuoted(nil, plain([]byte(s))); !bytes.Equal(got, want) {
		t.Fatalf("%q is written %s, want %s", s, got, want)
	}
}

func TestTextIsWrittenAsEncodingJSON(t *testing.T) {
	for _, s := range hostile {
		appendStringOf(t, s)
		appendStringOf(t, "0123456789"+s+"0123456789")
	}
	for i := range 256 {
		appendStringOf(t, string([]byte{byte(i)}))
		appendStringOf(t, string([]byte{'1', '2', '3', '4', '5', '6', '7', byte(i), '9'}))
	}
	rapid.Check(t, func(t *rapid.T) {
		appendStringOf(t, string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")))
		appendStringOf(t, rapid.String().Draw(t, "string"))
	})
}

// Text of a JSON string comes out as encoding/json would decode and encode it.
func recoded(t interface{ Fatalf(string, ...any) }, quoted []byte) {
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return
	}
	want, _ := json.Marshal(s)
	if !utf8.Valid(quoted) { // each bad byte is \ufffd, as in text that is no JSON; decoded, the two are one
		want = bytes.ReplaceAll(want, []byte("\ufffd"), []byte(`\ufffd`))
		if bytes.Contains(bytes.ToLower(quoted), []byte(`\u`)) || bytes.Contains(quoted, []byte("\ufffd")) {
			return // the two cannot be told apart here
		}
	}
	inner := quoted[1 : len(quoted)-1]
	if got := appendQuoted(nil, text{inner, true}); !bytes.Equal(got, want) {
		t.Fatalf("%s is written %s, want %s", quoted, got, want)
	}
	if got := appendDecoded(nil, inner); !bytes.Equal(bytes.ToValidUTF8(got, nil), bytes.ToValidUTF8([]byte(s), nil)) && json.Valid(inner) {
		t.Fatalf("%s is decoded %q, want %q", quoted, got, s)
	}
}

func TestTextOfJSONIsRecoded(t *testing.T) {
	for _, s := range []string{`""`, `"\u0041\n\/\b\f\r\t\"\\"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ude00x"`, `"\ud83d\u0041"`, `"\ud83d\n"`, `"\u003c\u2028\u0000\u001F"`,
		`"\uD83D\uDE00"`, `"<>&"`, "\"\u2028\xff\"", `"\ud800\ud800\udc00"`, `"\ufffd"`} {
		recoded(t, []byte(s))
	}
	unit := rapid.SampledFrom([]string{`\n`, `\"`, `\\`, `\u0061`, `\ud800`, `\udc00`, `\uD83D`, `\u2028`, "a", "<", "ä", "\xff", " ", `\/`})
	rapid.Check(t, func(t *rapid.T) {
		s := `"`
		for _, u := range rapid.SliceOf(unit).Draw(t, "units") {
			s += u
		}
		recoded(t, []byte(s+`"`))
	})
}

func FuzzAppendText(f *testing.F) {
	for _, s := range hostile {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		appendStringOf(t, string(s))
		recoded(t, append(append([]byte{'"'}, s...), '"'))
	})
}
