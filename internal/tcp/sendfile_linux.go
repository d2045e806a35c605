package tcp

import (
	"os"

	"golang.org/x/sys/unix"
)

// Sendfile has the kernel take at most n bytes of a file to a socket, from off on,
// without moving the file's own position: the file may be shared. EAGAIN says
// that the socket is full, 0 that the file is no longer than off.
func Sendfile(socket uintptr, f *os.File, off int64, n int) (int, error) {
	for {
		at := off
		sent, err := unix.Sendfile(int(socket), int(f.Fd()), &at, n)
		if err != unix.EINTR {
			return sent, err
		}
	}
}
