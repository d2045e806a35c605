package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// untilStdoutCloses returns a context that ends when nobody reads stdout any
// more, as behind `| head`: while files are quiet there is no write that would
// notice.
func untilStdoutCloses(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	fi, err := os.Stdout.Stat()
	if err != nil || fi.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return ctx, cancel
	}
	// The goroutine ends with the process: only the other end can wake it.
	go func() {
		fds := []unix.PollFd{{Fd: int32(os.Stdout.Fd())}}
		for {
			n, err := unix.Poll(fds, -1)
			if n == 1 && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
				cancel()
				return
			}
			if err != nil && !errors.Is(err, unix.EINTR) {
				return
			}
		}
	}()
	return ctx, cancel
}
