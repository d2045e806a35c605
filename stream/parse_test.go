package stream

import (
	"bytes"
	"encoding/base64"
	"testing"

	"fairlead/logfile"
)

func TestPlain(t *testing.T) {
	testFormats(t, []formatTest{
		{"no level", "hello", `{"message":"hello"}`},
		{"time and level", "2024-01-01 00:00:00,5 [ERROR] x", `{"time":"2024-01-01T00:00:00.5Z","level":"ERROR","message":"2024-01-01 00:00:00,5 [ERROR] x"}`},
		{"blanks", "   ", `{"message":"   "}`},
		{"NUL", "a\x00b", `{"message":"a\u0000b"}`},
		{"lone CR", "a\rb", `{"message":"a\rb"}`},
		{"two CR", "a\r\r", `{"message":"a\r"}`},
		{"SSE", "\revent: x\rdata: y", `{"message":"\revent: x\rdata: y"}`},
		{"HTML", "<script>", `{"message":"\u003cscript\u003e"}`},
		{"format", "%s%n", `{"message":"%s%n"}`},
		{"escape sequences", "\x1b[31m[ERROR]\x1b[0m x", `{"level":"ERROR","message":"\u001b[31m[ERROR]\u001b[0m x"}`},
		{"UTF-16", "\xff\xfea\x00", `{"message":"\ufffd\ufffda\u0000","raw_b64":"` + base64.StdEncoding.EncodeToString([]byte("\xff\xfea\x00")) + `"}`},
		{"brackets", "[2024-01-01T00:00:00Z] WARN: x", `{"time":"2024-01-01T00:00:00Z","level":"WARN","message":"[2024-01-01T00:00:00Z] WARN: x"}`},
		{"Apache error", "[Wed Oct 11 14:32:52.123456 2000] [core:error] [pid 1] x", `{"time":"2000-10-11T14:32:52.123456Z","message":"[Wed Oct 11 14:32:52.123456 2000] [core:error] [pid 1] x"}`},
		{"Postgres", "2024-01-01 00:00:00.123 UTC [42] ERROR:  x", `{"time":"2024-01-01T00:00:00.123Z","level":"ERROR","message":"2024-01-01 00:00:00.123 UTC [42] ERROR:  x"}`},
		{"epoch", "1700000000.5 x", `{"time":"2023-11-14T22:13:20.5Z","message":"1700000000.5 x"}`},
	})
}

// fuzzFormat holds for the line of any format.
func fuzzFormat(t *testing.T, line []byte) {
	checkLines(t, line, 0)
	checkLines(t, append(line, '\n'), 1)
}

// checkLines adds text in pieces that seed chooses and checks what comes out.
func checkLines(t *testing.T, text []byte, seed uint64) {
	l := newLines()
	l.MultiLine, l.LogWisp = seed&1 != 0, seed&2 != 0
	gen := gen1()
	var out []byte
	off := 0
	for flush := seed >> 2; off < len(text); flush = flush>>7 | flush<<57 {
		n := min(1+int(flush&63), len(text)-off)
		out = append(out, feed(l, gen, int64(off), text[off:off+n])...)
		off += n
		if flush&64 != 0 {
			out = l.Flush(out)
		}
	}
	out = l.Flush(out)
	tile(t, decodeEntries(t, out), gen, 0, l.Pos(logfile.Pos{Off: int64(len(text))}).Off)
	// A byte is six of an escape at most, in the message and again in a field, and two as base64.
	if most := 400*(1+bytes.Count(out, []byte("\n"))) + 16*len(text); len(out) > most {
		t.Fatalf("%d bytes of %d, want no more than %d", len(out), len(text), most)
	}
}

func FuzzLines(f *testing.F) {
	for _, s := range hostile {
		f.Add([]byte("x\n"+s+"\n y\r\n\n"), uint64(7777777777))
	}
	f.Add([]byte(`{"log":"a","stream":"stdout"}`+"\n2016-10-06T00:17:09Z stdout P x\n2016-10-06T00:17:09Z stdout F y\n"), uint64(3<<40))
	f.Fuzz(checkLines)
}
