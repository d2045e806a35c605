package stream

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"fairlead/logfile"
)

// benchAdd adds a megabyte or so of lines at a time.
func benchAdd(b *testing.B, line string) {
	text := bytes.Repeat([]byte(line+"\n"), 5000)
	l := &Lines{Source: "/var/log/app.log"}
	gen := logfile.NewGenID()
	var off int64
	dst := make([]byte, 0, 4*len(text))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		dst = l.Add(dst[:0], logfile.Span{Gen: gen, Off: off, N: int64(len(text))}, text)
		off += int64(len(text))
	}
	b.ReportMetric(float64(b.N)*5000/b.Elapsed().Seconds(), "lines/s")
}

// fill makes a line 200 bytes long, at the mark.
func fill(line string) string {
	const words = "the quick brown fox jumps over a lazy dog while the band plays on and nobody listens to it for very long "
	n := 200 - len(line) + len("{}")
	return strings.Replace(line, "{}", strings.Repeat(words, 2)[:n], 1)
}

func BenchmarkAddPlain(b *testing.B) {
	benchAdd(b, fill("2024-05-06 07:08:09.123 [INFO] server: request 1234 done: {}"))
}

func BenchmarkAddJSON(b *testing.B) {
	benchAdd(b, fill(`{"time":"2024-05-06T07:08:09.123456Z","level":"info","msg":"{}","status":200,"path":"/api/v1/objects"}`))
}

func BenchmarkAddNginx(b *testing.B) {
	benchAdd(b, fill(`203.0.113.9 - alice [06/May/2024:07:08:09 +0000] "GET /api/v1/objects HTTP/1.1" 200 5123 "https://example.org/start" "Mozilla/5.0 ({})"`))
}

func BenchmarkAddLogfmt(b *testing.B) {
	benchAdd(b, fill(`time=2024-05-06T07:08:09.123Z level=info msg="{}" status=200 path=/api/v1/objects`))
}

func BenchmarkAddSyslog(b *testing.B) {
	benchAdd(b, fill(`May  6 07:08:09 host sshd[123]: {}`))
}

func BenchmarkAddCRI(b *testing.B) {
	benchAdd(b, fill(`2024-05-06T07:08:09.123456789Z stdout F {}`))
}

// BenchmarkRead asks how far 20,000 logs have been read.
func BenchmarkRead(b *testing.B) {
	s := &Stream{stands: make(ledger)}
	for i := range 20_000 {
		name := "/var/log/" + strconv.Itoa(i)
		s.stands[name] = stands{{name: name, pos: logfile.Pos{Gen: logfile.NewGenID(), Off: 1}}}
	}
	for b.Loop() {
		if n := len(s.Read()); n != 20_000 {
			b.Fatalf("%d logs", n)
		}
	}
}
