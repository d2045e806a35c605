package stream

import (
	"encoding/json"
	"testing"
)

func TestAccess(t *testing.T) {
	for _, c := range []struct{ name, line, level, fields string }{
		{"combined", `203.0.113.9 - alice [02/Jan/2024:03:04:05 +0100] "GET /a?b=c HTTP/1.1" 200 5123 "https://example.org/" "Mozilla/5.0 (X11)"`, "",
			`"remote":"203.0.113.9","user":"alice","method":"GET","path":"/a?b=c","protocol":"HTTP/1.1","status":200,"bytes":5123,"referer":"https://example.org/","agent":"Mozilla/5.0 (X11)"`},
		{"common", `127.0.0.1 - - [02/Jan/2024:03:04:05 +0100] "GET / HTTP/1.0" 404 -`, "WARN",
			`"remote":"127.0.0.1","method":"GET","path":"/","protocol":"HTTP/1.0","status":404`},
		{"more behind it", `::1 - - [02/Jan/2024:03:04:05 +0100] "POST /x HTTP/2.0" 503 0 "-" "curl/8.0" "10.0.0.1" 0.123`, "ERROR",
			`"remote":"::1","method":"POST","path":"/x","protocol":"HTTP/2.0","status":503,"bytes":0,"agent":"curl/8.0"`},
		{"no request", `1.2.3.4 - - [02/Jan/2024:03:04:05 +0100] "\x16\x03\x01" 400 157 "-" "-"`, "WARN", `"remote":"1.2.3.4","status":400,"bytes":157`},
		{"quotes", `1.2.3.4 - - [02/Jan/2024:03:04:05 +0100] "GET /\"x\" y HTTP/1.1" 301 1 "-" "a \"b\" <c>"`, "",
			`"remote":"1.2.3.4","method":"GET","path":"/\\\"x\\\" y","protocol":"HTTP/1.1","status":301,"bytes":1,"agent":"a \\\"b\\\" \u003cc\u003e"`},
		{"user with a blank", `1.2.3.4 - a b [02/Jan/2024:03:04:05 +0100] "GET / HTTP/1.1" 200 1`, "",
			`"remote":"1.2.3.4","user":"a b","method":"GET","path":"/","protocol":"HTTP/1.1","status":200,"bytes":1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			message, _ := json.Marshal(c.line)
			want := `{"time":"2024-01-02T03:04:05+01:00",`
			if c.level != "" {
				want += `"level":"` + c.level + `",`
			}
			want += `"message":` + string(message) + `,"fields":{` + c.fields + `}}`
			if got := entriesOf(t, newLines(), c.line+"\n"); got != want {
				t.Errorf("entry\n     %s\nwant %s", got, want)
			}
		})
	}
}

func TestNotAccess(t *testing.T) {
	for _, line := range []string{
		`1.2.3.4 - - [02/Jan/2024:03:04:05] "GET / HTTP/1.1" 200 1`,
		`1.2.3.4 - - [32/Jan/2024:03:04:05 +0100] "GET / HTTP/1.1" 200 1`,
		`1.2.3.4 - - [02/Jan/2024:03:04:05 +0100] "GET / HTTP/1.1 200 1`,
		`1.2.3.4 - - [02/Jan/2024:03:04:05 +0100] "GET / HTTP/1.1" abc 1`,
		`1.2.3.4 - - [02/Jan/2024:03:04:05 +0100] "GET / HTTP/1.1" 2000 1`,
		`1.2.3.4 [02/Jan/2024:03:04:05 +0100] "GET / HTTP/1.1" 200 1`,
	} {
		message, _ := json.Marshal(line)
		if got, want := entriesOf(t, newLines(), line+"\n"), `{"message":`+string(message)+`}`; got != want {
			t.Errorf("entry %s, want %s", got, want)
		}
	}
}

func TestNginxError(t *testing.T) {
	for word, level := range map[string]string{"emerg": "ERROR", "alert": "ERROR", "crit": "ERROR", "error": "ERROR", "warn": "WARN", "notice": "INFO", "info": "INFO", "debug": "DEBUG"} {
		line := "2024/01/02 03:04:05 [" + word + "] 123#0: *1 x"
		want := `{"time":"2024-01-02T03:04:05Z","level":"` + level + `","message":"` + line + `"}`
		if got := entriesOf(t, newLines(), line+"\n"); got != want {
			t.Errorf("entry %s, want %s", got, want)
		}
	}
	if got, want := entriesOf(t, newLines(), "2024/01/02 03:04:05 [crit] x\n"), `{"time":"2024-01-02T03:04:05Z","message":"2024/01/02 03:04:05 [crit] x"}`; got != want {
		t.Errorf("entry %s, want %s", got, want)
	}
}

func FuzzAccess(f *testing.F) {
	for _, s := range []string{`1.2.3.4 - - [02/Jan/2024:03:04:05 +0100] "GET / HTTP/1.1" 200 1 "-" "x"`, `2024/01/02 03:04:05 [crit] 1#0: *1 x`,
		`1.2.3.4 - - [02/Jan/2024:03:04:05 +0100] "GET /\" 200 1 "\`} {
		f.Add([]byte(s))
	}
	f.Fuzz(fuzzFormat)
}
