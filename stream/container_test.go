package stream

import (
	"strings"
	"testing"
)

func TestCRI(t *testing.T) {
	const stamp, when = "2016-10-06T00:17:09.669794202Z", `"time":"2016-10-06T00:17:09.669794202Z"`
	testFormats(t, []formatTest{
		{"plain", stamp + " stdout F The content", `{` + when + `,"message":"The content","fields":{"stream":"stdout"}}`},
		{"level", stamp + " stderr F [WARN] x", `{` + when + `,"level":"WARN","message":"[WARN] x","fields":{"stream":"stderr"}}`},
		{"JSON", stamp + ` stdout F {"time":"2024-01-01T00:00:00Z","msg":"x","a":1}`, `{"time":"2024-01-01T00:00:00Z","message":"x","fields":{"stream":"stdout","a":1}}`},
		{"klog", stamp + ` stderr F I1120 11:04:05.123456 1 a.go:1] x`,
			`{"time":"2026-11-20T11:04:05.123456Z","level":"INFO","message":"x","fields":{"stream":"stderr","pid":"1","caller":"a.go:1"}}`},
		{"fields no object", stamp + ` stdout F {"msg":"x","fields":"a  b"}`, `{` + when + `,"message":"x","fields":{"fields":"a  b","stream":"stdout"}}`},
		{"empty", stamp + " stdout F ", `{` + when + `,"message":"","fields":{"stream":"stdout"}}`},
		{"empty, no blank", stamp + " stdout F", `{` + when + `,"message":"","fields":{"stream":"stdout"}}`},
		{"tags", stamp + " stdout F:x y", `{` + when + `,"message":"y","fields":{"stream":"stdout"}}`},
		{"zone", "2016-10-06T00:17:09.5+02:00 stdout F x", `{"time":"2016-10-06T00:17:09.5+02:00","message":"x","fields":{"stream":"stdout"}}`},
		{"joined", stamp + " stdout P {\"ms\n" + stamp + " stdout P g\":\n" + stamp + ` stdout F "x"}`, `{` + when + `,"message":"x","fields":{"stream":"stdout"}}`},
		{"other stream between", stamp + " stdout P a\n" + stamp + " stderr F b\n" + stamp + " stdout F c",
			strings.Join([]string{`{` + when + `,"message":"a","fields":{"stream":"stdout"}}`, `{` + when + `,"message":"b","fields":{"stream":"stderr"}}`,
				`{` + when + `,"message":"c","fields":{"stream":"stdout"}}`}, "\n")},
		{"other line between", stamp + " stdout P a\nb", `{` + when + `,"message":"a","fields":{"stream":"stdout"}}` + "\n" + `{"message":"b"}`},
		{"never ends", stamp + " stdout P a", `{` + when + `,"message":"a","fields":{"stream":"stdout"}}`},
		{"empty parts", stamp + " stdout P \n" + stamp + " stdout F ", `{` + when + `,"message":"","fields":{"stream":"stdout"}}`},
		{"other tag", stamp + " stdout X a", `{` + when + `,"message":"` + stamp + ` stdout X a"}`},
		{"other word", stamp + " stdin F a", `{` + when + `,"message":"` + stamp + ` stdin F a"}`},
	})
}

func TestDocker(t *testing.T) {
	const end, when = `,"stream":"stdout","time":"2024-01-02T03:04:05.123456789Z"}`, `"time":"2024-01-02T03:04:05.123456789Z"`
	testFormats(t, []formatTest{
		{"plain", `{"log":"hello\n"` + end, `{` + when + `,"message":"hello","fields":{"stream":"stdout"}}`},
		{"CRLF", `{"log":"hello\r\n"` + end, `{` + when + `,"message":"hello","fields":{"stream":"stdout"}}`},
		{"level and escapes", `{"log":"[ERROR] \u003cb\u003e \"q\"\n"` + end, `{` + when + `,"level":"ERROR","message":"[ERROR] \u003cb\u003e \"q\"","fields":{"stream":"stdout"}}`},
		{"JSON", `{"log":"{\"level\":\"info\",\"msg\":\"x\",\"stream\":\"s\"}\n"` + end, `{` + when + `,"level":"info","message":"x","fields":{"stream":"stdout","stream":"s"}}`},
		{"logfmt", `{"log":"time=2024-05-05T00:00:00Z level=info msg=x\n"` + end, `{"time":"2024-05-05T00:00:00Z","level":"info","message":"x","fields":{"stream":"stdout"}}`},
		{"attributes", `{"log":"x\n","stream":"stderr","attrs":{"tag": "t"},"time":"2024-01-02T03:04:05Z"}`,
			`{"time":"2024-01-02T03:04:05Z","message":"x","fields":{"stream":"stderr","attrs":{"tag":"t"}}}`},
		{"empty", `{"log":"\n"` + end, `{` + when + `,"message":"","fields":{"stream":"stdout"}}`},
		{"joined", `{"log":"a"` + end + "\n" + `{"log":""` + end + "\n" + `{"log":"b\n"` + end, `{` + when + `,"message":"ab","fields":{"stream":"stdout"}}`},
		{"other stream between", `{"log":"a"` + end + "\n" + `{"log":"b\n","stream":"stderr"}`,
			`{` + when + `,"message":"a","fields":{"stream":"stdout"}}` + "\n" + `{"message":"b","fields":{"stream":"stderr"}}`},
		{"JSON behind a part", `{"log":"a"` + end + "\n" + `{"msg":"b"}`, `{` + when + `,"message":"a","fields":{"stream":"stdout"}}` + "\n" + `{"message":"b"}`},
		{"no stream", `{"log":"a\n"}`, `{"message":"a\n"}`},
		{"in Docker", `{"log":"{\"log\":\"a\\n\",\"stream\":\"stderr\"}\n"` + end, `{` + when + `,"message":"a\n","fields":{"stream":"stdout","stream":"stderr"}}`},
	})
}

// A group's place is that of all its lines, the empty ones too.
func TestGroupHasThePlaceOfItsLines(t *testing.T) {
	const p, f = "2016-10-06T00:17:09Z stdout P a\n", "2016-10-06T00:17:09Z stdout F b\n"
	text := "\n" + p + "\n" + p + f + f
	l := newLines()
	es := decodeEntries(t, feed(l, gen1(), 0, []byte(text)))
	if len(es) != 2 || es[0].Len != int64(len(text)-len(f)) || *es[0].Message != "aab" || es[1].Len != int64(len(f)) {
		t.Errorf("entries %+v", es)
	}
	tile(t, es, gen1(), 0, int64(len(text)))
}

func FuzzContainer(f *testing.F) {
	for _, s := range []string{"2016-10-06T00:17:09Z stdout P a\n2016-10-06T00:17:09Z stdout F b", `{"log":"a","stream":"stdout"}` + "\n" + `{"log":"\ud800\n","stream":"stdout"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(fuzzFormat)
}
