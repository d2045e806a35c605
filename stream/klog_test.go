package stream

import "testing"

func TestKlog(t *testing.T) {
	testFormats(t, []formatTest{
		{"info", `I1120 11:04:05.123456    1234 controller.go:12] Starting "x"`,
			`{"time":"2026-11-20T11:04:05.123456Z","level":"INFO","message":"Starting \"x\"","fields":{"pid":"1234","caller":"controller.go:12"}}`},
		{"last year", `W1231 11:04:05.000000       1 a.go:1] x`, `{"time":"2025-12-31T11:04:05Z","level":"WARN","message":"x","fields":{"pid":"1","caller":"a.go:1"}}`},
		{"fatal", `F0102 11:04:05.000000 1 a.go:1] x] y`, `{"time":"2026-01-02T11:04:05Z","level":"ERROR","message":"x] y","fields":{"pid":"1","caller":"a.go:1"}}`},
		{"no such day", `I0231 11:04:05.000000 1 a.go:1] x`, `{"message":"I0231 11:04:05.000000 1 a.go:1] x"}`},
		{"no such letter", `X0102 11:04:05.000000 1 a.go:1] x`, `{"message":"X0102 11:04:05.000000 1 a.go:1] x"}`},
		{"no place", `I0102 11:04:05.000000 1 a.go:1 x`, `{"message":"I0102 11:04:05.000000 1 a.go:1 x"}`},
		{"month 99", `I9999 99:99:99.999999 1 a.go:1] x`, `{"message":"I9999 99:99:99.999999 1 a.go:1] x"}`},
	})
}

func FuzzKlog(f *testing.F) {
	f.Add([]byte(`I0102 15:04:05.000000    1234 file.go:12] msg`))
	f.Add([]byte(`E0229 15:04:05.000000    1234 file.go:12] `))
	f.Fuzz(fuzzFormat)
}
