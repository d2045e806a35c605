package logfile

import (
	"errors"
	"io"
	"os"
)

// A Handle is an open generation. It must be closed, and not be kept while
// there is nothing to read.
type Handle struct {
	log  *Log
	held *held
}

// File returns the shared descriptor.
func (h Handle) File() *os.File { return h.held.f }

// Size returns how many bytes there are: of a log that is told its news, as many as
// were told of when the handle was opened or since, whatever the file has.
func (h Handle) Size() (int64, error) {
	if p := h.held.proof.Load(); p.told {
		return p.n, nil
	}
	n, _, err := fstat(h.held.f)
	return n, err
}

// Check returns nil if the file still is what it was: whatever was read or sent
// from it before the call belongs to the generation. It costs an fstat and two
// small preads, or the fstat alone if the log is told its news.
func (h Handle) Check() error {
	nr := h.held.checks.begin()
	p := h.held.proof.Load()
	size, _, err := fstat(h.held.f)
	if err != nil {
		return err
	}
	if size < p.n {
		err = errChanged
	} else {
		err = p.holds(h.held.f)
	}
	switch {
	case err == nil:
		h.held.checks.succeeded(nr)
	case errors.Is(err, errChanged):
		h.log.recheck(h.held)
	}
	return err
}

// Now returns the number of checks that have begun so far. A reader that asks
// right after a send need not check by itself, if CheckedSince says later that
// another has.
func (h Handle) Now() uint64 { return h.held.checks.begun.Load() }

// CheckedSince says that a check which began after Now had returned n has found
// the file to be what it was: what was sent before is of the generation.
func (h Handle) CheckedSince(n uint64) bool { return h.held.checks.good.Load() > n }

// readAt reads what is known to be there, and checks it.
func (h Handle) readAt(p []byte, off int64) (int, error) {
	known := h.held.proof.Load().n
	if off >= known {
		return 0, io.EOF
	}
	n, err := h.held.f.ReadAt(p[:min(int64(len(p)), known-off)], off)
	if err != nil && err != io.EOF {
		return 0, err
	}
	if err := h.Check(); err != nil {
		return 0, err
	}
	return n, nil
}

// Close gives the descriptor back.
func (h Handle) Close() { h.held.release() }
