//go:build unix

package trust_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"fairlead/trust"
)

// dialEnv makes the test binary a client: it dials NETWORK ADDRESS, says so,
// and holds the connection until its standard input ends.
const dialEnv = "FAIRLEAD_TEST_DIAL"

func TestMain(m *testing.M) {
	if at := os.Getenv(dialEnv); at != "" {
		os.Exit(dialAndHold(at))
	}
	if base := os.Getenv(askEnv); base != "" {
		os.Exit(askEach(base))
	}
	os.Exit(m.Run())
}

func dialAndHold(at string) int {
	var network, address string
	fmt.Sscan(at, &network, &address)
	c, err := net.Dial(network, address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer c.Close()
	io.Copy(io.Discard, os.Stdin)
	return 0
}

// listen returns a listener whose socket any user can reach.
func listen(t *testing.T, network string) net.Listener {
	t.Helper()
	address := map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0", "tcp": ":0"}[network]
	if network == "unix" {
		dir, err := os.MkdirTemp("", "trust")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		os.Chmod(dir, 0o755)
		address = filepath.Join(dir, "s")
	}
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Skipf("listen on %s %s: %v", network, address, err)
	}
	t.Cleanup(func() { ln.Close() })
	if network == "unix" {
		os.Chmod(address, 0o666)
	}
	return ln
}

// dialAs starts a process of that user which dials the listener, and returns
// our end of its connection.
func dialAs(t *testing.T, uid uint32, network, address string, ln net.Listener) net.Conn {
	t.Helper()
	cmd := exec.Command("/proc/self/exe") // by this name whatever the directories above it allow
	cmd.Env = append(os.Environ(), dialEnv+"="+network+" "+address, "GORACE=atexit_sleep_ms=0")
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if int(uid) != os.Getuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid}
	}
	hold, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		hold.Close()
		cmd.Wait()
	})
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

const stranger = 65534 // nobody

func TestPeerUID(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells who is at the other end")
	}
	uids := []uint32{uint32(os.Getuid()), stranger}
	if os.Getuid() != 0 {
		t.Log("not root: another user's connection is not tried")
		uids = uids[:1]
	}
	for _, tt := range []struct{ listen, host string }{
		{"unix", ""},
		{"tcp4", "127.0.0.1"},
		{"tcp6", "::1"},
		{"tcp", "127.0.0.1"}, // an IPv4 client of a socket for both
		{"tcp", "::1"},
	} {
		for _, uid := range uids {
			t.Run(fmt.Sprintf("%s %s as %d", tt.listen, tt.host, uid), func(t *testing.T) {
				ln := listen(t, tt.listen)
				address := ln.Addr().String()
				if a, ok := ln.Addr().(*net.TCPAddr); ok {
					address = net.JoinHostPort(tt.host, strconv.Itoa(a.Port))
				}
				c := dialAs(t, uid, ln.Addr().Network(), address, ln)
				if got, ok := trust.PeerUID(c); got != uid || !ok {
					t.Errorf("PeerUID(%v) = %d, %v, want %d, true", c.RemoteAddr(), got, ok, uid)
				}
				if got, ok := trust.PeerUID(tls.Server(c, nil)); got != uid || !ok {
					t.Errorf("PeerUID(TLS on %v) = %d, %v, want %d, true", c.RemoteAddr(), got, ok, uid)
				}
			})
		}
	}
}

// The kernel says that a socket without a process is root's.
func TestPeerUIDOfClosedSocketIsNobodys(t *testing.T) {
	ln := listen(t, "tcp4")
	d, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	d.(*net.TCPConn).CloseWrite()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF { // until its FIN is here
		t.Fatal(err)
	}
	uid, ok := trust.PeerUID(c)
	if runtime.GOOS == "linux" && (int(uid) != os.Getuid() || !ok) {
		t.Errorf("PeerUID(half-closed) = %d, %v, want %d, true", uid, ok, os.Getuid())
	}
	d.Close()
	if uid, ok := trust.PeerUID(c); ok {
		t.Errorf("PeerUID(closed) = %d, true, want false", uid)
	}
}

func TestPeerUIDOfPipeIsUnknown(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if uid, ok := trust.PeerUID(a); ok {
		t.Errorf("PeerUID(pipe) = %d, true, want false", uid)
	}
}

func TestLoopback(t *testing.T) {
	for _, tt := range []struct {
		addr net.Addr
		want bool
	}{
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, true},
		{&net.TCPAddr{IP: net.IPv4(127, 1, 2, 3)}, true},
		{&net.TCPAddr{IP: net.IPv6loopback}, true},
		{&net.TCPAddr{IP: net.ParseIP("::ffff:127.0.0.1")}, true},
		{&net.TCPAddr{IP: net.IPv4zero}, false},
		{&net.TCPAddr{}, false}, // all interfaces
		{&net.TCPAddr{IP: net.ParseIP("10.0.0.1")}, false},
		{&net.UnixAddr{Name: "s"}, true},
		{&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, false},
		{nil, false},
	} {
		if got := trust.Loopback(tt.addr); got != tt.want {
			t.Errorf("Loopback(%v) = %v, want %v", tt.addr, got, tt.want)
		}
	}
}

func BenchmarkPeerUID(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	d, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	c, err := ln.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for b.Loop() {
		trust.PeerUID(c)
	}
}
