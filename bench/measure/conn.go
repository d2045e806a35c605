//go:build linux

package measure

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// The clients are bare sockets in one epoll loop. A goroutine each would be simpler, but they
// share the cores with the server: what they cost hides what it costs.

// Dial connects to a server on loopback. The socket closes with a reset: thousands in TIME_WAIT
// would use up the ports of the trials that follow.
func Dial(port int) (int, error) { return dial(port, 0) }

// DialSmall is Dial with the smallest receive buffer there is: whoever does not read from it is
// soon full.
func DialSmall(port int) (int, error) { return dial(port, 1) }

func dial(port, buffer int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("make socket: %w", err)
	}
	if buffer > 0 {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
	}
	err = errors.Join(err,
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

// Ask sends the header; it is short, so an empty socket always takes it whole.
func Ask(fd int, header string) error {
	if _, err := unix.Write(fd, []byte(header)); err != nil {
		return fmt.Errorf("send header: %w", err)
	}
	return nil
}

// Poller says which of many sockets can be read; they are known by their index.
type Poller struct {
	epoll  int
	events [512]unix.EpollEvent
	end    time.Time
}

// NewPoller makes one whose wait fails after the limit: a server that stalls must end the trial.
func NewPoller(limit time.Duration) (*Poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make epoll: %w", err)
	}
	return &Poller{epoll: epoll, end: time.Now().Add(limit)}, nil
}

// Add adds a socket under an index.
func (p *Poller) Add(fd, index int) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd), Pad: int32(index)}
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("add to epoll: %w", err)
	}
	return nil
}

// ErrStalled is what Wait returns after the limit.
var ErrStalled = errors.New("the server has stalled")

// Wait returns the sockets that can be read, as events: Fd, and the index in Pad.
func (p *Poller) Wait() ([]unix.EpollEvent, error) {
	for {
		left := time.Until(p.end)
		if left <= 0 {
			return nil, ErrStalled
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

// Received makes sense of what a read of a ready socket returned; 0 bytes if it was not ready after all.
func Received(n int, err error) (int, error) {
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

// ReadBuffer is what a client reads at once. Discarding instead (MSG_TRUNC) would cost the clients
// less, but then they are never behind, and the servers are measured where none of them ever is.
const ReadBuffer = 256 << 10
