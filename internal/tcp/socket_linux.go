package tcp

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// limitSilence lets the kernel end a connection whose client has acknowledged
// nothing for so long although there was something.
func limitSilence(conn *net.TCPConn, d time.Duration) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	})
}

// SetBacklog has a listener's queue hold at most n connections that were not accepted.
func SetBacklog(ln *net.TCPListener, n int) error {
	raw, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.Listen(int(fd), n) })
	return errors.Join(err, failed)
}

// awaitHangup returns true when the connection is dead, false when its read
// deadline ends or it is closed. Nothing is read.
func awaitHangup(conn net.Conn) bool {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	return raw.Read(hungUp) == nil
}

// Dead says whether awaitHangup would return at once.
func Dead(conn net.Conn) (is bool) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { is = hungUp(fd) })
	}
	return is
}

// hungUp says that the socket is dead. It is asked at every event: bytes we do
// not read, and a half-close, which is no end.
func hungUp(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd)}}
	_, err := unix.Poll(fds, 0)
	return err == nil && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
}

// freeDescriptors is how many more can be opened.
func freeDescriptors() (n int, ok bool) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0, false
	}
	return int(min(limit.Cur, 1<<30)) - len(open), true
}
