package stream

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestJSON(t *testing.T) {
	testFormats(t, []formatTest{
		{"zap", `{"level":"info","ts":1700000000.1234567,"caller":"a/b.go:12","msg":"hello","n":1}`,
			`{"time":"2023-11-14T22:13:20.1234567Z","level":"info","message":"hello","fields":{"caller":"a/b.go:12","n":1}}`},
		{"logrus", `{"animal":"walrus","level":"warning","msg":"x","time":"2024-01-02T03:04:05+02:00"}`,
			`{"time":"2024-01-02T03:04:05+02:00","level":"warning","message":"x","fields":{"animal":"walrus"}}`},
		{"zerolog", `{"level":"debug","time":1700000000,"message":"x"}`, `{"time":"2023-11-14T22:13:20Z","level":"debug","message":"x"}`},
		{"slog", `{"time":"2024-01-02T03:04:05.123456789Z","level":"INFO","msg":"x","user":{"id": 1, "a b" : [1, 2]}}`,
			`{"time":"2024-01-02T03:04:05.123456789Z","level":"INFO","message":"x","fields":{"user":{"id":1,"a b":[1,2]}}}`},
		{"pino", `{"level":30,"time":1700000000123,"pid":7,"hostname":"h","msg":"x"}`,
			`{"time":"2023-11-14T22:13:20.123Z","level":"info","message":"x","fields":{"pid":7,"hostname":"h"}}`},
		{"bunyan", `{"name":"app","hostname":"h","pid":7,"level":50,"msg":"x","time":"2024-01-02T03:04:05.678Z","v":0}`,
			`{"time":"2024-01-02T03:04:05.678Z","level":"error","message":"x","fields":{"name":"app","hostname":"h","pid":7,"v":0}}`},
		{"structlog", `{"event":"x","level":"info","timestamp":"2024-01-02T03:04:05.678901Z"}`, `{"time":"2024-01-02T03:04:05.678901Z","level":"info","message":"x"}`},
		{"python", `{"asctime":"2024-01-02 03:04:05,678","levelname":"ERROR","name":"root","message":"x"}`,
			`{"time":"2024-01-02T03:04:05.678Z","level":"ERROR","message":"x","fields":{"name":"root"}}`},
		{"ECS", `{"@timestamp":"2024-01-02T03:04:05.678Z","log.level":"WARN","message":"x","ecs.version":"1.2.0"}`,
			`{"time":"2024-01-02T03:04:05.678Z","level":"WARN","message":"x","fields":{"ecs.version":"1.2.0"}}`},
		{"ECS, nested", `{"@timestamp":"2024-01-02T03:04:05.678Z","log":{"logger":"x"},"event":{"dataset":"d"},"message":"x"}`,
			`{"time":"2024-01-02T03:04:05.678Z","message":"x","fields":{"log":{"logger":"x"},"event":{"dataset":"d"}}}`},
		{"GELF", `{"version":"1.1","host":"h","short_message":"x","full_message":"y","timestamp":1700000000.5,"level":3,"_id":7}`,
			`{"time":"2023-11-14T22:13:20.5Z","level":"ERROR","message":"x","fields":{"version":"1.1","host":"h","full_message":"y","_id":7}}`},
		{"journald", `{"__REALTIME_TIMESTAMP":"1700000000123456","PRIORITY":"4","MESSAGE":"x","_PID":"1"}`,
			`{"time":"2023-11-14T22:13:20.123456Z","level":"WARN","message":"x","fields":{"_PID":"1"}}`},
		{"hclog", `{"@level":"info","@message":"x","@module":"m","@timestamp":"2024-01-02T03:04:05.678901Z"}`,
			`{"time":"2024-01-02T03:04:05.678901Z","level":"info","message":"x","fields":{"@module":"m"}}`},
		{"Serilog", `{"@t":"2024-01-02T03:04:05.6789012Z","@mt":"x {A}","@l":"Warning","A":1}`,
			`{"time":"2024-01-02T03:04:05.6789012Z","level":"Warning","message":"x {A}","fields":{"A":1}}`},
		{".NET", `{"Timestamp":"2024-01-02T03:04:05.6789012\u002B01:00","EventId":0,"LogLevel":"Information","Message":"x"}`,
			`{"time":"2024-01-02T03:04:05.6789012+01:00","level":"Information","message":"x","fields":{"EventId":0}}`},
		{"Google", `{"severity":"NOTICE","message":"x","time":"2024-01-02T03:04:05Z"}`, `{"time":"2024-01-02T03:04:05Z","level":"NOTICE","message":"x"}`},
		{"time that is none", `{"time":"yesterday","msg":"x"}`, `{"message":"x","fields":{"time":"yesterday"}}`},
		{"numbers that are no level", `{"level":3,"lvl":99,"priority":5,"msg":"x"}`, `{"message":"x","fields":{"level":3,"lvl":99,"priority":5}}`},
		{"two messages", `{"message":"a","msg":"b"}`, `{"message":"b","fields":{"message":"a"}}`},
		{"doubled", `{"msg":"a","msg":"b","x":1,"x":2}`, `{"message":"b","fields":{"msg":"a","x":1,"x":2}}`},
		{"null", "null", `{"message":""}`},
		{"empty", " { } ", `{"message":""}`},
		{"nulls", `{"msg":null,"level":null,"time":null,"fields":null}`, `{"message":"","fields":null}`},
		{"fields and others", `{"msg":"x","fields":{"a": 1},"b":2}`, `{"message":"x","fields":{"a":1,"b":2}}`},
		{"empty fields", `{"msg":"x","fields":{}}`, `{"message":"x","fields":{}}`},
		{"empty fields and others", `{"msg":"x","fields":{ },"b":2}`, `{"message":"x","fields":{"b":2}}`},
		{"fields no object, and others", `{"b":2,"msg":"x","fields":[1, "<"]}`, `{"message":"x","fields":{"fields":[1,"\u003c"],"b":2}}`},
		{"numbers as they are", `{"msg":"x","n":1.50,"e":1e999,"big":123456789012345678901234567890,"z":-0}`,
			`{"message":"x","fields":{"n":1.50,"e":1e999,"big":123456789012345678901234567890,"z":-0}}`},
		{"strings anew", `{"msg":"\u0041<\ud83d\ude00\ud800","\u006b<":"\/\u001b","o":{"\u003c":"\u2028"}}`,
			`{"message":"A\u003c😀�","fields":{"k\u003c":"/\u001b","o":{"\u003c":"\u2028"}}}`},
		{"message no string", `{"msg":5,"level":true,"a":1}`, `{"message":"","fields":{"msg":5,"level":true,"a":1}}`},
		{"text behind it", `{"msg":"x"} y`, `{"message":"{\"msg\":\"x\"} y"}`},
		{"text behind it that ends so", `{"msg":"x"} {"a":1}`, `{"message":"{\"msg\":\"x\"} {\"a\":1}"}`},
		{"array", `[{"msg":"x"}]`, `{"message":"[{\"msg\":\"x\"}]"}`},
		{"not a number", `{"a":NaN}`, `{"message":"{\"a\":NaN}"}`},
		{"leading zero", `{"a":01}`, `{"message":"{\"a\":01}"}`},
		{"bad escape", `{"a":"\q"}`, `{"message":"{\"a\":\"\\q\"}"}`},
		{"control character", "{\"a\":\"\t\"}", `{"message":"{\"a\":\"\t\"}"}`},
		{"huge level", `{"level":1e99999,"time":1e400,"msg":"x"}`, `{"message":"x","fields":{"level":1e99999,"time":1e400}}`},
		{"not UTF-8", "{\"msg\":\"\xff\",\"a\":\"\xfe\"}", `{"message":"\ufffd","fields":{"a":"\ufffd"},"raw_b64":"eyJtc2ciOiL/IiwiYSI6Iv4ifQ=="}`},
		{"byte order mark", "\ufeff{}", "{\"message\":\"\ufeff{}\"}"},
		{"CR inside", "{\"msg\":\"\\revent: x\\rdata:\"}\r", `{"message":"\revent: x\rdata:"}`},
	})
}

// In LogWisp's way a value of the wrong type makes the line plain text.
func TestJSONAsLogWisp(t *testing.T) {
	for _, c := range []formatTest{
		{"msg", `{"msg":5}`, `{"message":"{\"msg\":5}"}`},
		{"level", `{"level":true}`, `{"message":"{\"level\":true}"}`},
		{"time", `{"Time":[]}`, `{"message":"{\"Time\":[]}"}`},
		{"plain", "2024-01-01 00:00:00 WARN: x", `{"level":"WARN","message":"2024-01-01 00:00:00 WARN: x"}`},
		{"logfmt", "level=info msg=x", `{"message":"level=info msg=x"}`},
		{"docker", `{"log":"{}\n","stream":"stdout"}`, `{"message":"{}\n","fields":{"stream":"stdout"}}`},
		{"not UTF-8", "\xff", `{"message":"\ufffd"}`},
	} {
		l := newLines()
		l.LogWisp = true
		if got := entriesOf(t, l, c.line+"\n"); got != c.want {
			t.Errorf("%s: entry of %s\n is %s\nwant %s", c.name, c.line, got, c.want)
		}
	}
}

func TestJSONDepth(t *testing.T) {
	nested := func(n int) string { return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + "}" }
	brackets := `{"a":"` + strings.Repeat("[", 200) + `","b":[` + strings.Repeat(`{},`, 100) + `1]}`
	for line, want := range map[string]bool{nested(maxDepth): true, nested(maxDepth + 1): false, brackets: true} {
		es := decodeEntries(t, feed(newLines(), gen1(), 0, []byte(line+"\n")))
		if got := es[0].Fields != nil; got != want {
			t.Errorf("%s is taken for JSON: %v, want %v", line, got, want)
		}
	}
}

// A bomb is text, or JSON, and neither a crash nor much memory.
func TestJSONBombs(t *testing.T) {
	for name, line := range map[string]string{
		"deep array":  strings.Repeat("[", 100_000),
		"deep object": strings.Repeat(`{"a":`, 50_000) + "1" + strings.Repeat("}", 50_000),
		"deep inside": `{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}",
		"many values": `{"a":[` + strings.Repeat("1,", 100_000) + "1]}",
		"many keys":   "{" + strings.Repeat(`"":1,`, 50_000) + `"":1}`,
		"same keys":   "{" + strings.Repeat(`"msg":"",`, 25_000) + `"msg":""}`,
		"long number": `{"time":` + strings.Repeat("9", 200_000) + "}",
		"long key":    `{"` + strings.Repeat("k", 200_000) + `":1}`,
		"too long":    `{"msg":"` + strings.Repeat("x", maxLine) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			out := feed(newLines(), gen1(), 0, []byte(line+"\n"))
			if es := decodeEntries(t, out); len(es) != 1 || es[0].Len != int64(len(line)+1) {
				t.Errorf("%d entries", len(es))
			}
			if len(out) > 8*len(line)+1000 {
				t.Errorf("%d bytes of %d", len(out), len(line))
			}
		})
	}
}

// Whatever JSON a line is, its values come out as they went in.
func TestJSONValuesAreKept(t *testing.T) {
	value := rapid.Custom(func(t *rapid.T) any { return drawValue(t, 3) })
	rapid.Check(t, func(t *rapid.T) {
		v := value.Draw(t, "value")
		in, err := json.MarshalIndent(map[string]any{"msg": "x", "v": v}, "", " ")
		if err != nil {
			t.Fatalf("%v", err)
		}
		es := decodeEntries(t, feed(newLines(), gen1(), 0, append(bytes.ReplaceAll(in, []byte("\n"), []byte(" ")), '\n')))
		want, _ := json.Marshal(map[string]any{"v": v})
		if len(es) != 1 || !bytes.Equal(es[0].Fields, want) {
			t.Fatalf("fields of %s: %s, want %s", in, es[0].Fields, want)
		}
	})
}

func drawValue(t *rapid.T, depth int) any {
	switch rapid.IntRange(0, 3+min(depth, 2)).Draw(t, "kind") {
	case 0:
		return rapid.String().Draw(t, "string")
	case 1:
		return rapid.Float64Range(-1e30, 1e30).Draw(t, "number")
	case 2:
		return rapid.Bool().Draw(t, "bool")
	case 3:
		return nil
	case 4:
		return []any{drawValue(t, depth-1), drawValue(t, depth-1)}
	}
	return map[string]any{rapid.String().Draw(t, "key"): drawValue(t, depth-1)}
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"msg":"x","level":30,"time":1700000000.5,"fields":{"a":1},"b":[1,{}]}`, `{"a":"\ud800","fields":[]}`, `{"log":"a\n","stream":"stdout"}`, "null", `{"a":1e999}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(fuzzFormat)
}
