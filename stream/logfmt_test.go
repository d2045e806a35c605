package stream

import "testing"

func TestLogfmt(t *testing.T) {
	testFormats(t, []formatTest{
		{"logrus", `time="2024-01-02T03:04:05+02:00" level=info msg="a walrus \"appears\"" size=10 animal=walrus`,
			`{"time":"2024-01-02T03:04:05+02:00","level":"info","message":"a walrus \"appears\"","fields":{"size":"10","animal":"walrus"}}`},
		{"slog", `time=2024-01-02T03:04:05.678Z level=INFO msg=x user.id=1 err="a\nb"`,
			`{"time":"2024-01-02T03:04:05.678Z","level":"INFO","message":"x","fields":{"user.id":"1","err":"a\nb"}}`},
		{"go-kit", `ts=2024-01-02T03:04:05.678Z caller=main.go:1 level=warn component=tsdb msg="<b>" n=`,
			`{"time":"2024-01-02T03:04:05.678Z","level":"warn","message":"\u003cb\u003e","fields":{"caller":"main.go:1","component":"tsdb","n":""}}`},
		{"log15", `t=2024-01-02T03:04:05+0000 lvl=eror msg=x`, `{"time":"2024-01-02T03:04:05Z","level":"eror","message":"x"}`},
		{"seconds", `ts=1700000000.5 msg=x`, `{"time":"2023-11-14T22:13:20.5Z","message":"x"}`},
		{"escapes of Go", `level=info msg="a\x1bb"`, `{"level":"info","message":"a\\x1bb"}`},
		{"url", `level=info url=http://x/?a=b`, `{"level":"info","message":"","fields":{"url":"http://x/?a=b"}}`},
		{"time that is none", `time=now msg=x`, `{"message":"x","fields":{"time":"now"}}`},
		{"prose", `a=b is what it says, level=info`, `{"message":"a=b is what it says, level=info"}`},
		{"one pair", `level=info`, `{"message":"level=info"}`},
		{"unknown keys", `a=b c=d`, `{"message":"a=b c=d"}`},
		{"not closed", `level=info msg="abc`, `{"message":"level=info msg=\"abc"}`},
		{"text behind a quote", `level=info msg="abc"d`, `{"message":"level=info msg=\"abc\"d"}`},
		{"quote inside", `level=info msg=a"b"`, `{"message":"level=info msg=a\"b\""}`},
		{"no key", `=b level=info`, `{"message":"=b level=info"}`},
		{"not UTF-8", "level=info msg=\xff", `{"level":"info","message":"\ufffd","raw_b64":"bGV2ZWw9aW5mbyBtc2c9/w=="}`},
	})
}

func FuzzLogfmt(f *testing.F) {
	for _, s := range []string{`level=info msg="a b" x=`, `msg=x ts=1`, `level=info msg="abc`, `msg="\u00" a="\"`, `t=a"b" x=y`} {
		f.Add([]byte(s))
	}
	f.Fuzz(fuzzFormat)
}
