//go:build linux

package main

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// The clients are bare sockets in one epoll loop. A goroutine each would be simpler, but they
// share the cores with the server: what they cost hides what it costs.

// dial connects to a server on loopback. The socket closes with a reset: thousands in TIME_WAIT
// would use up the ports of the trials that follow.
func dial(port int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("make socket: %w", err)
	}
	err = errors.Join(
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}),
		unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}),
		unix.SetNonblock(fd, true),
	)
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("connect to port %d: %w", port, err)
	}
	return fd, nil
}

// ask sends the header; it is short, so an empty socket always takes it whole.
func ask(fd int, header string) error {
	if _, err := unix.Write(fd, []byte(header)); err != nil {
		return fmt.Errorf("send header: %w", err)
	}
	return nil
}

// poller says which of many sockets can be read; they are known by their index.
type poller struct {
	epoll  int
	events [512]unix.EpollEvent
	end    time.Time
}

// newPoller makes one whose wait fails after the limit: a server that stalls must end the trial.
func newPoller(limit time.Duration) (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make epoll: %w", err)
	}
	return &poller{epoll: epoll, end: time.Now().Add(limit)}, nil
}

func (p *poller) add(fd, index int) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd), Pad: int32(index)}
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("add to epoll: %w", err)
	}
	return nil
}

var errStalled = errors.New("the server has stalled")

// wait returns the sockets that can be read, as events: Fd, and the index in Pad.
func (p *poller) wait() ([]unix.EpollEvent, error) {
	for {
		left := time.Until(p.end)
		if left <= 0 {
			return nil, errStalled
		}
		n, err := unix.EpollWait(p.epoll, p.events[:], int(left/time.Millisecond)+1)
		if err == nil && n > 0 {
			return p.events[:n], nil
		}
		if err != nil && err != unix.EINTR {
			return nil, fmt.Errorf("wait for sockets: %w", err)
		}
	}
}

// received makes sense of what a read of a ready socket returned; 0 bytes if it was not ready after all.
func received(n int, err error) (int, error) {
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("receive: %w", err)
	case n == 0:
		return 0, errors.New("receive: the server closed the connection")
	}
	return n, nil
}
