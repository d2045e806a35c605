package tcp

import (
	"net"
	"os"
)

// An In takes bytes of a connection to a file. Take waits until there are some, and
// returns how many it has written at off, at most a MiB; n may be above 0 beside an
// error. The error is io.EOF at the end of the connection, and a *FileError where it
// is the file's.
type In interface {
	Take(f *os.File, off int64) (n int, err error)
}

// A FileError is an error of the file that bytes were taken to.
type FileError struct{ Err error }

func (e *FileError) Error() string { return e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// A copyIn is the way in where there is no splice.
type copyIn struct{ conn net.Conn }

func (c copyIn) Take(f *os.File, off int64) (int, error) {
	buf := buffers.Get().(*[copyMax]byte)
	defer buffers.Put(buf)
	n, err := c.conn.Read(buf[:])
	if n == 0 {
		return 0, err
	}
	if n, err = f.WriteAt(buf[:n], off); err != nil {
		return n, &FileError{err}
	}
	return n, nil
}
