package spool

import "io"

// A file is written to, and made durable, by the spool alone. It is an *os.File
// or memory.
type file interface {
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// A memory is the file of a segment that is kept in memory. It never grows, so
// that what readers see of it never moves.
type memory []byte

func (m memory) WriteAt(p []byte, off int64) (int, error) {
	if n := copy(m[off:], p); n < len(p) {
		return n, io.ErrShortWrite
	}
	return len(p), nil
}

func (memory) Truncate(int64) error { return nil }
func (memory) Sync() error          { return nil }
func (memory) Close() error         { return nil }
