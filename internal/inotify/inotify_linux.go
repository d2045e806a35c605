package inotify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// IN_EXCL_UNLINK is left out on purpose: a file that was unlinked while it is
// still written to goes on to be reported under its last name.
const mask = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO |
	unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR

var ops = []struct {
	bit uint32
	op  Op
}{
	{unix.IN_CREATE, Create},
	{unix.IN_DELETE, Delete},
	{unix.IN_MOVED_FROM, MovedFrom},
	{unix.IN_MOVED_TO, MovedTo},
	{unix.IN_MODIFY, Modify},
	{unix.IN_ATTRIB, Attrib},
	{unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_UNMOUNT | unix.IN_IGNORED, Self},
	{unix.IN_Q_OVERFLOW, Overflow},
}

// A Watcher is one inotify instance.
type Watcher struct {
	f   *os.File // non-blocking, so that Close ends a Wait
	raw syscall.RawConn
	fd  int
	buf [64 << 10]byte
	n   int // bytes of buf that the last read filled
	// read fills buf; bound once, for a busy log has ten thousand events a second.
	read func(fd uintptr)
	last string // name, which as a rule is the next one's too
}

// New opens an inotify instance.
func New() (*Watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, limit("open inotify", err)
	}
	w := &Watcher{f: os.NewFile(uintptr(fd), "inotify"), fd: fd}
	w.read = func(fd uintptr) { w.n, _ = unix.Read(int(fd), w.buf[:]) }
	w.raw, err = w.f.SyscallConn()
	return w, err
}

// Add watches a directory, or returns the watch it already has. Two paths to
// one directory are one watch.
func (w *Watcher) Add(dir string) (int32, error) {
	wd, err := unix.InotifyAddWatch(w.fd, dir, mask)
	if err != nil {
		return 0, limit("watch "+dir, err)
	}
	return int32(wd), nil
}

// Remove ends a watch. One that is gone already is no error.
func (w *Watcher) Remove(watch int32) { unix.InotifyRmWatch(w.fd, uint32(watch)) }

// Wait blocks until there are events. After Close it returns an error.
func (w *Watcher) Wait() error {
	return w.raw.Read(func(fd uintptr) bool {
		n, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
		return err != nil || n > 0
	})
}

// Poll appends the events that are there now to evs, without waiting. Calls
// must not overlap.
func (w *Watcher) Poll(evs []Event) []Event {
	for {
		if err := w.raw.Control(w.read); err != nil || w.n <= 0 {
			return evs
		}
		evs = w.parse(evs, w.buf[:w.n])
		if w.n < len(w.buf)-eventMax {
			return evs // another one would have had room
		}
	}
}

// eventMax is the most that one event takes: its name is at most NAME_MAX bytes.
const eventMax = unix.SizeofInotifyEvent + unix.NAME_MAX + 1

// Close ends the instance and a Wait.
func (w *Watcher) Close() error { return w.f.Close() }

// parse reads struct inotify_event: s32 wd, u32 mask, u32 cookie, u32 len, and
// len bytes of name, padded with NULs. See inotify(7).
func (w *Watcher) parse(evs []Event, b []byte) []Event {
	for len(b) >= unix.SizeofInotifyEvent {
		bits := binary.NativeEndian.Uint32(b[4:])
		e := Event{
			Watch:  int32(binary.NativeEndian.Uint32(b)),
			IsDir:  bits&unix.IN_ISDIR != 0,
			Cookie: binary.NativeEndian.Uint32(b[8:]),
		}
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		if end < unix.SizeofInotifyEvent || end > len(b) { // below on 32-bit systems only
			return evs
		}
		name, _, _ := bytes.Cut(b[unix.SizeofInotifyEvent:end], []byte{0})
		if w.last != string(name) {
			w.last = string(name)
		}
		e.Name = w.last
		for _, o := range ops {
			if bits&o.bit != 0 {
				e.Op |= o.op
			}
		}
		evs = append(evs, e)
		b = b[end:]
	}
	return evs
}

func limit(what string, err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EMFILE) {
		return fmt.Errorf("%s: %w (%v)", what, ErrLimit, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
