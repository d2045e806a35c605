package plain

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// F26: a disk that is full ends the connection; what is there is a beginning of the
// source, and when there is room again it goes on.
func TestF26DiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("mount a small tmpfs: %v (it needs root)", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := newStation(t, func(r *Receiver) { r.Dir = filepath.Join(dir, "store") })
	ballast := filepath.Join(dir, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 2<<20), 0o600))
	source := lines(0, 100_000) // 2.7 MB
	conn, _ := s.begin("a.log")
	io.WriteString(conn, source)
	closed(t, conn)
	got, err := os.ReadFile(s.stored("a.log"))
	must(t, err)
	if len(got) == 0 || len(got) == len(source) || !strings.HasPrefix(source, string(got)) {
		t.Errorf("the copy has %d bytes of %d, or is no beginning", len(got), len(source))
	}
	refused := s.dial()
	io.WriteString(refused, "b.log\n")
	closed(t, refused)
	must(t, os.Remove(ballast))
	eventually(t, func() string { // after a while
		conn, err := net.Dial("tcp", s.addr)
		must(t, err)
		defer conn.Close()
		io.WriteString(conn, "a.log\n")
		line, _, err := readLine(conn, maxDigits+1)
		if err != nil {
			return err.Error()
		}
		off, err := parseLength(line)
		must(t, err)
		io.WriteString(conn, source[off:])
		conn.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, conn)
		return has(s.stored("a.log"), source)()
	})
}
