package logfile

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"sync"
)

const (
	headMax = 4096 // bytes of a file's head that recognise it
	tailMax = 64   // bytes before a position that recognise it, the sentinel
)

// A print is the fingerprint of the first n bytes of a generation. Inode and
// time of birth are reused by file systems at once; what a file begins with, and
// what stands just before the last byte we knew, are not.
type print struct {
	n    int64
	head [16]byte // SHA-256, cut, of the first min(n, headMax) bytes
	tail [16]byte // the same of the min(n, tailMax) bytes before n
}

func sum(b []byte) (h [16]byte) {
	s := sha256.Sum256(b)
	copy(h[:], s[:])
	return h
}

// A proof is a print with its bytes, for a file that is open: comparing is then
// cheaper than hashing. It is immutable, so readers share it without a lock.
type proof struct {
	n    int64
	head []byte
	tail [tailMax]byte // its first min(n, tailMax) bytes are used

	told bool // the owner of the file says n, and that is all of the proof
	void bool // and does so no more
}

func (p *proof) tailLen() int { return int(min(p.n, tailMax)) }

func (p *proof) print() print {
	return print{n: p.n, head: sum(p.head), tail: sum(p.tail[:p.tailLen()])}
}

// buffers serves the reads of checks, so that ten thousand readers keep small
// stacks.
var buffers = sync.Pool{New: func() any { return new([headMax]byte) }}

// errChanged means: what was proven of the file is no longer true of it.
var errChanged = errors.New("content changed")

// holds returns nil if r still begins with and reaches as far as the proof
// says, errChanged if not, and any other error if that could not be read. The
// tail is read before the head: whatever is cut and written anew between the
// two reads shows in the head.
func (p *proof) holds(r io.ReaderAt) error {
	if p.told {
		return changedIf(p.void)
	}
	buf := buffers.Get().(*[headMax]byte)
	defer buffers.Put(buf)
	t := p.tail[:p.tailLen()]
	if err := equal(r, t, p.n-int64(len(t)), buf); err != nil {
		return err
	}
	return equal(r, p.head, 0, buf)
}

func equal(r io.ReaderAt, want []byte, off int64, buf *[headMax]byte) error {
	got := buf[:len(want)]
	if _, err := readFull(r, got, off); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errChanged
	}
	return nil
}

// prove reads the proof of the first n bytes of r.
func prove(r io.ReaderAt, n int64) (*proof, error) {
	p := &proof{n: n, head: make([]byte, min(n, headMax))}
	t := p.tail[:p.tailLen()]
	if _, err := readFull(r, t, n-int64(len(t))); err != nil {
		return nil, err
	}
	if _, err := readFull(r, p.head, 0); err != nil {
		return nil, err
	}
	return p, nil
}

// grown returns the proof of the first n bytes, n >= p.n. The caller checks p
// once more after it: the bytes may have been cut while they were read.
func (p *proof) grown(r io.ReaderAt, n int64) (*proof, error) {
	q := &proof{n: n, head: p.head}
	t := q.tail[:q.tailLen()]
	if _, err := readFull(r, t, n-int64(len(t))); err != nil {
		return nil, err
	}
	if old := int64(len(p.head)); old < headMax && n > old {
		q.head = make([]byte, min(n, headMax))
		copy(q.head, p.head)
		if _, err := readFull(r, q.head[old:], old); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// matches returns the proof if the first pr.n bytes of r have this print, and
// errChanged if they do not.
func (pr print) matches(r io.ReaderAt) (*proof, error) {
	p, err := prove(r, pr.n)
	if err != nil {
		return nil, err
	}
	if p.print() != pr {
		return nil, errChanged
	}
	return p, nil
}

// readFull is io.ReadFull at an offset. A file that is too short has changed.
func readFull(r io.ReaderAt, b []byte, off int64) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return n, nil
	}
	if err == io.EOF {
		err = errChanged
	}
	return n, err
}
