package serve_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fairlead/serve"
)

// T1: headers that never come, byte by byte, cost little and delay nobody.
func TestT1SlowHeaders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	r := start(t, &serve.Server{}, path)
	debug.FreeOSMemory()
	before := residentBytes(t)
	n, lasts := size(t, 2_000, 10_000), size(t, 2, 20)
	stop := r.spawn("trickle", strconv.Itoa(n))
	await(t, func() bool { return r.resets("crowded") >= int64(n-1024) }, "%d connections shown out", n-1024)
	var took []time.Duration
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Duration(lasts) * time.Second); time.Now().Before(end); <-tick.C {
		begin := time.Now()
		c := r.dial("0\n")
		want(t, c, "one\n")
		c.Close()
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	p99 := took[len(took)*99/100]
	grown := residentBytes(t) - before
	stop()
	t.Logf("%d connections at 1 byte/s: %d shown out; a client is served in %v (p99), %v at most; RSS grew by %d KiB",
		n, r.resets("crowded"), p99, took[len(took)-1], grown>>10)
	if limit := raceless(100 * time.Millisecond); p99 > limit {
		t.Errorf("a client was served after %v (p99), want %v", p99, limit)
	}
	if grown > 50<<20 {
		t.Errorf("RSS grew by %d bytes, want 50 MB at most", grown)
	}
}

// A header that is late is let go.
func TestT1HeaderTimeout(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	r := start(t, &serve.Server{HeaderTimeout: 30 * time.Millisecond}, path)
	wantEnd(t, r.dial("0"))
	await(t, func() bool { return r.resets("late-header") == 1 }, "the late header to be counted")
}

func TestT1BadHeader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	var log syncBuffer
	r := start(t, &serve.Server{Log: slog.New(slog.NewTextHandler(&log, nil))}, path)
	bad := []string{"\n", "-\n", "GET / HTTP/1.1\r\n", "1e3\n", "9223372036854775808\n", strings.Repeat("x", 256)}
	for _, header := range bad {
		wantEnd(t, r.dial(header))
	}
	await(t, func() bool { return r.resets("bad-header") == int64(len(bad)) }, "%d bad headers", len(bad))
	if got := strings.Count(log.String(), "reason=bad-header"); got != len(bad) {
		t.Errorf("%d lines about bad headers in the log, want %d:\n%s", got, len(bad), log.String())
	}
}

func TestT1Limits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	for _, tt := range []struct {
		srv *serve.Server
		why string
	}{
		{&serve.Server{MaxClients: 2}, "full"},
		{&serve.Server{MaxPerAddress: 2}, "address-full"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			r := start(t, tt.srv, path)
			first, second := r.dial("0\n"), r.dial("0\n")
			want(t, first, "one\n")
			want(t, second, "one\n")
			if err := askFor(r.addr, "0\n", "one\n"); err == nil {
				t.Errorf("a third client was served, want it turned away")
			}
			await(t, func() bool { return r.resets(tt.why) == 1 }, "1 "+tt.why)
			first.SetLinger(0)
			first.Close() // a place is free again
			r.clients(1)
			await(t, func() bool { return askFor(r.addr, "0\n", "one\n") == nil }, "a new client to be served")
		})
	}
}

// An exhaustedListener has no descriptor for anyone until it is told.
type exhaustedListener struct {
	net.Listener
	until <-chan struct{}
	tries atomic.Int64
}

func (l *exhaustedListener) Accept() (net.Conn, error) {
	select {
	case <-l.until:
		return l.Listener.Accept()
	default:
		l.tries.Add(1)
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
}

// F22: where there are no descriptors for clients, accepting pauses.
func TestF22AcceptBacksOff(t *testing.T) {
	leakFree(t)
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	srv := &serve.Server{Files: newSet()}
	if err := srv.Files.Add(path); err != nil {
		t.Fatal(err)
	}
	until := make(chan struct{})
	ln := &exhaustedListener{Listener: listenOn(t, "tcp"), until: until}
	r := startOn(t, srv, ln, path)
	c := r.dial("0\n")
	begin := time.Now()
	await(t, func() bool { return ln.tries.Load() >= 4 }, "4 tries to accept")
	if took := time.Since(begin); took < 25*time.Millisecond {
		t.Errorf("4 tries to accept took %v, want 5+10+20 ms between them", took)
	}
	close(until)
	want(t, c, "one\n")
}

// T3: connections come and go, and the server stays as it was.
func TestT3Connects200k(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	r := start(t, &serve.Server{}, path)
	n := size(t, 10_000, 200_000)
	headers := []string{"0\n", "-2\n", "5\n", "no\n", ""}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				c, err := net.Dial("tcp", r.addr)
				if err != nil {
					t.Error(err)
					return
				}
				io.WriteString(c, headers[i%int64(len(headers))])
				if i%int64(len(headers)) == 0 {
					c.Read(make([]byte, 4))
				}
				c.(*net.TCPConn).SetLinger(0) // no TIME-WAIT: there are fewer ports than connections
				c.Close()
			}
		})
	}
	wg.Wait()
	r.clients(0)
	want(t, r.dial("0\n"), "one\n")
	t.Logf("%d connects; Stats %v", n, r.srv.Stats().Resets)
}

// T4: a reset on a quiet file is noticed within a second, and leaves nothing
// behind; a half-close is no end.
func TestT4Resets5k(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	r := start(t, &serve.Server{}, path)
	half := r.dial("0\n")
	half.CloseWrite()
	want(t, half, "one\n")
	open := descriptors(t)
	const n = 5000
	conns := make([]*net.TCPConn, n)
	for i := range conns {
		conns[i] = r.dial("4\n")
		if i%500 == 499 { // or a slow machine shows some out, who have not been heard
			r.clients(int64(i + 2))
		}
	}
	for _, c := range conns {
		c.SetLinger(0)
		c.Close()
	}
	begin := time.Now()
	r.clients(1)
	took := time.Since(begin)
	if limit := raceless(time.Second); took > limit {
		t.Errorf("%d resets were noticed after %v, want %v", n, took, limit)
	}
	await(t, func() bool { return descriptors(t) <= open }, "%d descriptors", open)
	t.Logf("%d resets noticed %v after the last", n, took)
	half.SetDeadline(time.Now().Add(patience))
	appendTo(t, path, "two\n")
	want(t, half, "two\n")
}

// A client that sends on and on is not read, and not dropped.
func TestT4ClientThatTalks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	r := start(t, &serve.Server{}, path)
	c := r.dial("0\n")
	want(t, c, "one\n")
	for range 100 {
		c.Write([]byte("are you there?\n"))
	}
	appendTo(t, path, "two\n")
	want(t, c, "two\n")
	c.SetLinger(0)
	c.Close()
	r.clients(0)
}

// T5: tailsrv's table, on a file of 100 bytes that then grows to 150.
func TestT5Offsets(t *testing.T) {
	const minInt, maxInt = math.MinInt64, math.MaxInt64
	for _, tt := range []struct {
		header string
		from   int64
	}{
		{"0\n", 0}, {"-0\n", 0}, {"5\n", 5}, {"+5\n", 5}, {"0005\n", 5},
		{"-100\n", 0}, {"-101\n", 0}, {"-5\n", 95}, {"-1\n", 99}, {"99\n", 99},
		{"100\n", 100}, {"101\n", 101}, {"149\n", 149}, {"150\n", 150}, {"151\n", 151},
		{fmt.Sprintf("%d\n", int64(maxInt)), maxInt}, {fmt.Sprintf("%d\n", int64(minInt)), 0},
		{"5\r\n", 5}, {" 5\n", 5}, {"5 \n", 5}, {"\t5\n", 5}, {"\u00a05\n", 5}, {"5\nGET /", 5},
		{"app.log -5\n", 95}, {"app.log 101\n", 101},
	} {
		t.Run(strconv.Quote(tt.header), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.log")
			text := strings.Repeat("0123456789", 15)
			write(t, path, text[:100])
			var log syncBuffer
			r := start(t, &serve.Server{Log: slog.New(slog.NewTextHandler(&log, nil))}, path)
			c := r.dial(tt.header)
			r.clients(1)
			want(t, c, text[min(tt.from, 100):100])
			appendTo(t, path, text[100:])
			want(t, c, text[min(max(tt.from, 100), 150):])
			os.Remove(path)
			wantEnd(t, c) // when its generation ends, also for whoever waited beyond its end
			if got, want := strings.Contains(log.String(), "offset beyond size"), tt.from > 100; got != want {
				t.Errorf("log says that %q is beyond the size: %v, want %v", tt.header, got, want)
			}
		})
	}
}

func TestT5OffsetsOverHTTP(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	text := strings.Repeat("0123456789", 10)
	write(t, path, text)
	r := start(t, &serve.Server{}, path).web()
	gen := r.srv.Files.First().Stat().Current.ID.String()
	for _, tt := range []struct {
		query  string
		status int
		body   string
	}{
		{"?offset=0", 200, text},
		{"?offset=-0", 200, text},
		{"?offset=5", 200, text[5:]},
		{"?offset=-5", 200, text[95:]},
		{"?offset=-100", 200, text},
		{"?offset=-101", 200, text},
		{"?offset=-9223372036854775808", 200, text},
		{"?offset=100", 200, ""},
		{"?offset=101", 416, ""},
		{"?offset=101&follow", 416, ""},
		{"?offset=9223372036854775807", 416, ""},
		{"?offset=9223372036854775808", 400, ""},
		{"?offset=", 400, ""},
		{"?offset=0x10", 400, ""},
		{"?offset=5&offset=6", 400, ""},
		{"?from=start", 200, text},
		{"?from=end", 200, ""},
		{"?from=5", 200, text[5:]},
		{"?from=-5", 200, text[95:]},
		{"?from=" + gen + ":7", 200, text[7:]},
		{"?from=" + gen + ":101", 416, ""},
		{"?gen=" + gen + "&from=" + gen + ":7", 200, text[7:]},
		{"?gen=" + gen + "&offset=-5", 200, text[95:]},
		{"?gen=" + strings.Repeat("0", 31) + "1&from=" + gen + ":7", 400, ""},
		{"?from=middle", 400, ""},
		{"?from=5&offset=5", 400, ""},
		{"?ofset=5", 400, ""},
	} {
		got := r.get("/logs/app.log"+tt.query, nil)
		if got.status != tt.status || tt.status == 200 && got.body != tt.body {
			t.Errorf("GET %s = %d %q, want %d %q", tt.query, got.status, got.body, tt.status, tt.body)
		}
		if tt.status == 416 && (got.header.Get("Content-Range") != "bytes */100" || got.header.Get("ETag") != `"`+gen+`"`) {
			t.Errorf("GET %s = %v, want size and generation", tt.query, got.header)
		}
		if tt.status == 400 && len(got.body) < 20 {
			t.Errorf("GET %s = 400 %q, want a reason and a cure", tt.query, got.body)
		}
	}
	got := r.get("/logs/app.log?offset=5", http.Header{"Range": {"bytes=0-9"}})
	if got.status != 400 {
		t.Errorf("GET ?offset=5 with a Range = %d, want 400", got.status)
	}
}

// A syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// residentBytes is the process's memory, on Linux.
func residentBytes(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Logf("memory is not measured: %v", err)
		return 0
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
