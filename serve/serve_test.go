package serve_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/logfile"
	"fairlead/serve"
)

// A rig is a Server on a real Set and a real port, and a file to write to.
type rig struct {
	t    *testing.T
	srv  *serve.Server
	path string // the first target
	addr string
	http string // where the web side is; empty: not started
	stop context.CancelFunc
	done chan struct{} // closed when Serve has returned err
	err  error
}

// patience bounds every wait of a test.
const patience = 20 * time.Second

// newSet is a Set with times for tests.
func newSet() *logfile.Set {
	return &logfile.Set{Quiet: 30 * time.Millisecond, Active: 100 * time.Millisecond, ParkAfter: -1}
}

// start serves the targets, which need not exist, until the test ends: then
// everything that was started has ended and every descriptor is closed.
func start(t *testing.T, srv *serve.Server, targets ...string) *rig {
	t.Helper()
	return startBehind(t, srv, func(ln net.Listener) net.Listener { return ln }, targets...)
}

// startBehind does the same, on a listener that does more than listen.
func startBehind(t *testing.T, srv *serve.Server, wrap func(net.Listener) net.Listener, targets ...string) *rig {
	t.Helper()
	leakFree(t)
	if srv.Files == nil {
		srv.Files = newSet()
	}
	if err := srv.Files.Add(targets...); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, srv, wrap(ln), targets...)
}

func startOn(t *testing.T, srv *serve.Server, ln net.Listener, targets ...string) *rig {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &rig{t: t, srv: srv, addr: ln.Addr().String(), stop: stop, done: make(chan struct{})}
	if len(targets) > 0 {
		r.path = targets[0]
	}
	setCtx, stopSet := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := srv.Files.Run(setCtx); err != nil {
			t.Errorf("Set.Run = %v, want nil", err)
		}
	})
	go func() {
		r.err = srv.Serve(ctx, ln)
		close(r.done)
	}()
	t.Cleanup(func() {
		stop()
		<-r.done
		stopSet()
		wg.Wait()
	})
	return r
}

// leakFree fails the test if it leaves goroutines or descriptors behind.
func leakFree(t *testing.T) {
	t.Helper()
	warmUp()
	before := descriptors(t)
	t.Cleanup(func() {
		if err := goleak.Find(); err != nil {
			t.Error(err)
		}
		await(t, func() bool { return descriptors(t) <= before }, "descriptors back to what they were")
	})
}

// warmUp makes the runtime open what it opens once.
var warmUp = sync.OnceFunc(func() {
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close()
	}
})

func descriptors(t *testing.T) int {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // not Linux
	}
	return len(fds)
}

// await waits for a condition.
func await(t *testing.T, ok func() bool, what string, args ...any) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain for "+what, append([]any{patience}, args...)...)
		}
	}
}

// web starts the web side of the rig.
func (r *rig) web() *rig {
	r.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	r.http = "http://" + ln.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.srv.ServeWeb(ctx, ln, r.srv); err != nil {
			r.t.Errorf("ServeWeb = %v, want nil", err)
		}
	}()
	r.t.Cleanup(func() {
		stop()
		<-done
		http.DefaultClient.CloseIdleConnections()
	})
	return r
}

// dial connects and sends the header as it is.
func (r *rig) dial(header string) *net.TCPConn {
	r.t.Helper()
	return r.dialSlow(header, 0)
}

// dialSlow limits what the kernel takes for a client that does not read.
func (r *rig) dialSlow(header string, receiveBuffer int) *net.TCPConn {
	r.t.Helper()
	d := net.Dialer{Control: receiveBufferOf(receiveBuffer)}
	c, err := d.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, header); err != nil {
		r.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// want reads exactly these bytes.
func want(t *testing.T, c io.Reader, text string) {
	t.Helper()
	got := make([]byte, len(text))
	n, err := io.ReadFull(c, got)
	if err != nil || string(got) != text {
		t.Fatalf("read %q, %v, want %q", clip(got[:n]), err, clip([]byte(text)))
	}
}

// wantEnd reads the end of the stream, and no byte before it.
func wantEnd(t *testing.T, c io.Reader) {
	t.Helper()
	if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
		t.Fatalf("read %q, %v, want the end", clip(rest), err)
	}
}

func clip(b []byte) []byte {
	if len(b) > 200 {
		return append(b[:200:200], "..."...)
	}
	return b
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) resets(why string) int64 { return r.srv.Stats().Resets[why] }

// clients waits until that many are being served.
func (r *rig) clients(n int64) {
	r.t.Helper()
	await(r.t, func() bool { return r.srv.Stats().Clients == n }, "%d clients", n)
}

func TestServeGrowingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	r := start(t, &serve.Server{}, path)
	c := r.dial("0\n")
	want(t, c, "one\n")
	appendTo(t, path, "two\n")
	want(t, c, "two\n")
	r.sent(8)
	if got := r.srv.Stats(); got.Clients != 1 || got.PerLog[path] != 1 {
		t.Errorf("Stats() = %+v, want 1 client of %s", got, path)
	}
	c.Close()
}

// echo 0 | nc: what is half-closed is still served.
func TestServeHalfClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	r := start(t, &serve.Server{}, path)
	for _, header := range []string{"0\n", "0"} { // without LF the end of input ends the header
		c := r.dial(header)
		c.CloseWrite()
		want(t, c, "one\n")
		appendTo(t, path, "two\n")
		want(t, c, "two\n")
		c.Close()
		write(t, path+".new", "one\n")
		rename(t, path+".new", path)
		await(t, func() bool { return r.srv.Files.First().Stat().Current.Size == 4 }, "the next generation")
	}
}

func TestServeMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	r := start(t, &serve.Server{}, path)
	all, tail, later := r.dial("0\n"), r.dial("-3\n"), r.dial("4\n")
	r.clients(3)
	write(t, path, "one\ntwo\n")
	want(t, all, "one\ntwo\n")
	want(t, tail, "one\ntwo\n") // counted back from the end of nothing
	want(t, later, "two\n")
}

func TestServeNames(t *testing.T) {
	dir := t.TempDir()
	a, b, blank := filepath.Join(dir, "a", "app.log"), filepath.Join(dir, "b", "app.log"), filepath.Join(dir, "b", "my log")
	os.Mkdir(filepath.Join(dir, "a"), 0o755)
	os.Mkdir(filepath.Join(dir, "b"), 0o755)
	write(t, a, "in a\n")
	write(t, b, "in b\n")
	write(t, blank, "blank\n")
	r := start(t, &serve.Server{}, a, b, blank)
	for _, tt := range []struct{ header, want string }{
		{"0\n", "in a\n"}, // the first
		{a + " 0\n", "in a\n"},
		{b + " 3\n", "b\n"},
		{b + "\t-2\r\n", "b\n"},
		{"b/app.log 0\n", "in b\n"},
		{"my log 0\n", "blank\n"},
		{blank + " 0\n", "blank\n"},
	} {
		c := r.dial(tt.header)
		want(t, c, tt.want)
		c.Close()
	}
	for _, header := range []string{"app.log 0\n", "c.log 0\n", "p.log 0\n", "../a/app.log 0\n", "/etc/passwd 0\n"} {
		before := r.resets("unknown-log")
		wantEnd(t, r.dial(header))
		if got := r.resets("unknown-log"); got != before+1 {
			t.Errorf("Resets[unknown-log] after %q = %d, want %d", header, got, before+1)
		}
	}
}

func TestServeNoLogYet(t *testing.T) {
	r := start(t, &serve.Server{}, filepath.Join(t.TempDir(), "*.log"))
	wantEnd(t, r.dial("0\n"))
	if got := r.resets("unknown-log"); got != 1 {
		t.Errorf("Resets[unknown-log] = %d, want 1", got)
	}
}

// When we end, a client that lags still gets what is there, and an end that is
// no reset.
func TestServeDrains(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	text := strings.Repeat("0123456789abcdef", 1<<20)
	write(t, path, text)
	r := start(t, &serve.Server{}, path)
	lags := r.dialSlow("0\n", 4<<10)
	idle := r.dial("-1\n")
	want(t, idle, "f")
	want(t, lags, text[:1]) // whoever has not been heard yet is not waited for
	r.stop()
	wantEnd(t, idle)
	idle.Close()
	got, err := io.ReadAll(lags)
	if err != nil || string(got) != text[1:] {
		t.Fatalf("read %d bytes, %v, want %d", len(got), err, len(text)-1)
	}
	lags.Close()
	<-r.done
	if r.err != nil {
		t.Errorf("Serve = %v, want nil", r.err)
	}
	if _, err := net.Dial("tcp", r.addr); err == nil {
		t.Errorf("Dial after the end = nil, want an error")
	}
}

// A client that takes nothing holds us up no longer than Drain.
func TestServeDrainIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, strings.Repeat("0123456789abcdef", 1<<20))
	r := start(t, &serve.Server{Drain: 50 * time.Millisecond}, path)
	c := r.dialSlow("0\n", 4<<10)
	want(t, c, "0123")
	begin := time.Now()
	r.stop()
	<-r.done
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("Serve ended after %v, want about 50ms", took)
	}
	if _, err := io.Copy(io.Discard, c); err == nil {
		t.Errorf("the client that was cut off saw an end, want a reset")
	}
}

// A client that holds its end open, although it got everything, delays our end by
// a second, and not by the 5 it has otherwise.
func TestServeEndsBeforeClientParts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	for _, when := range []string{"stopped", "ended, then stopped"} {
		t.Run(when, func(t *testing.T) {
			write(t, path, "one\n")
			r := start(t, &serve.Server{}, path)
			c := r.dial("0\n")
			want(t, c, "one\n")
			if when != "stopped" {
				rename(t, path, path+".1")
				wantEnd(t, c)
			}
			begin := time.Now()
			r.stop()
			wantEnd(t, c)
			<-r.done
			if took := time.Since(begin); took > 3*time.Second {
				t.Errorf("Serve ended after %v, want about 1s", took)
			}
			c.Close()
		})
	}
}

// A client in the middle of its header does not hold us up.
func TestServeEndsWithoutHeader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	r := start(t, &serve.Server{HeaderTimeout: time.Hour, Drain: time.Hour}, path)
	c := r.dial("1")
	r.clients(0)
	r.stop()
	<-r.done
	if rest, err := io.ReadAll(c); len(rest) > 0 {
		t.Errorf("read %q, %v, want nothing", rest, err)
	}
}

// A listener that fails ends Serve, and the clients with it.
func TestServeListenerFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	broken := errors.New("broken")
	failing := &failingListener{fail: make(chan error)}
	r := startBehind(t, &serve.Server{}, func(ln net.Listener) net.Listener {
		failing.Listener = ln
		return failing
	}, path)
	c := r.dial("0\n")
	want(t, c, "one\n")
	failing.Close()
	failing.fail <- broken
	wantEnd(t, c)
	c.Close()
	<-r.done
	if !errors.Is(r.err, broken) {
		t.Errorf("Serve = %v, want %v", r.err, broken)
	}
}

type failingListener struct {
	net.Listener
	fail chan error
}

func (l *failingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, <-l.fail
	}
	return c, nil
}

// A bug in one connection ends that connection.
func TestT3PanicIsContained(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	r := startBehind(t, &serve.Server{}, func(ln net.Listener) net.Listener { return &panickingListener{Listener: ln} }, path)
	first := r.dial("0\n")
	if rest, err := io.ReadAll(first); len(rest) > 0 {
		t.Errorf("read %q, %v, want nothing", rest, err)
	}
	want(t, r.dial("0\n"), "one\n")
	if got := r.resets("panic"); got != 1 {
		t.Errorf("Resets[panic] = %d, want 1", got)
	}
}

// A panickingListener accepts a first connection that panics when it is read.
type panickingListener struct {
	net.Listener
	once sync.Once
}

func (l *panickingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	l.once.Do(func() { c = panicking{c} })
	return c, err
}

type panicking struct{ net.Conn }

func (panicking) Read([]byte) (int, error) { panic("planted") }

func TestAtEndNames(t *testing.T) {
	for _, a := range []serve.AtEnd{serve.AtEndClose, serve.AtEndFollow, serve.AtEndLinger, serve.AtEndExit} {
		if got, err := serve.ParseAtEnd(a.String()); got != a || err != nil {
			t.Errorf("ParseAtEnd(%q) = %v, %v, want %v", a.String(), got, err, a)
		}
	}
	if got, err := serve.ParseAtEnd("stay"); err == nil {
		t.Errorf("ParseAtEnd(stay) = %v, nil, want an error", got)
	}
	if got, want := fmt.Sprint(serve.AtEnd(9)), "AtEnd(9)"; got != want {
		t.Errorf("AtEnd(9) = %s, want %s", got, want)
	}
}
