package serve_test

import (
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fairlead/serve"
)

// receiveBufferOf sets SO_RCVBUF before the connection is made; 0 leaves it.
func receiveBufferOf(n int) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) (err error) {
		if n == 0 {
			return nil
		}
		ctlErr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, n) })
		if ctlErr != nil {
			return ctlErr
		}
		return err
	}
}

// A recordingListener remembers whom it accepted.
type recordingListener struct {
	net.Listener
	conns chan *net.TCPConn
}

func (l recordingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.conns <- c.(*net.TCPConn)
	}
	return c, err
}

func TestT4SocketOptions(t *testing.T) {
	leakFree(t)
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	srv := &serve.Server{Files: newSet(), SendBuffer: 64 << 10}
	if err := srv.Files.Add(path); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rec := recordingListener{ln, make(chan *net.TCPConn, 1)}
	r := startOn(t, srv, rec, path)
	want(t, r.dial("0\n"), "one\n")
	raw, err := (<-rec.conns).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	option := func(level, name int) (v int) {
		raw.Control(func(fd uintptr) { v, err = unix.GetsockoptInt(int(fd), level, name) })
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, tt := range []struct {
		name          string
		level, option int
		want          int
	}{
		{"SO_SNDBUF", unix.SOL_SOCKET, unix.SO_SNDBUF, 2 * 64 << 10}, // the kernel counts double
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 60_000},
	} {
		if got := option(tt.level, tt.option); got != tt.want {
			t.Errorf("%s = %d, want %d", tt.name, got, tt.want)
		}
	}
	silence := option(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE) +
		option(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)*option(unix.IPPROTO_TCP, unix.TCP_KEEPCNT)
	if silence > 120 {
		t.Errorf("a client that vanished is noticed after %d s, want 120 at most", silence)
	}
}

// A client that half-closed and then really closed says nothing more: keepalive
// finds it.
func TestT4HalfClosedThenGone(t *testing.T) {
	if !night() {
		t.Skip("takes more than a minute; FAIRLEAD_NIGHT=1 runs it")
	}
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	r := start(t, &serve.Server{}, path)
	c := r.dial("0\n")
	c.CloseWrite()
	want(t, c, "one\n")
	c.Close()
	begin := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for r.srv.Stats().Clients > 0 && time.Since(begin) < 2*time.Minute {
		<-tick.C
	}
	t.Logf("gone after %v", time.Since(begin))
	r.clients(0)
}
