package trust

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"fairlead/internal/durable"
)

// How much of a file of lines is read.
const (
	maxFile  = 1 << 20
	maxLines = 10_000
)

// A textFile is a file of lines that counts as it is now, whoever has changed it:
// it is read where it has changed since it was read last, and to see that takes a
// microsecond. T is what its lines say; of a file that is not there, the zero value.
type textFile[T any] struct {
	seen fs.FileInfo // of the file when it was read; nil: there was none
	said T
}

// read returns what the file says now. parse keeps nothing of what it is given.
func (t *textFile[T]) read(path string, parse func([]byte) T) (said T, err error) {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		*t = textFile[T]{}
		return t.said, nil
	}
	if err != nil {
		return said, err
	}
	if err := safe(path, fi); err != nil {
		return said, err
	}
	if t.seen == nil || !os.SameFile(fi, t.seen) || fi.Size() != t.seen.Size() || !fi.ModTime().Equal(t.seen.ModTime()) {
		seen, b, err := readText(path)
		if err != nil {
			return said, err
		}
		t.seen, t.said = seen, parse(b)
	}
	return t.said, nil
}

// readText returns the file as it was when it was opened, or later.
func readText(path string) (fs.FileInfo, []byte, error) {
	f, fi, err := openText(path, os.O_RDONLY)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = tooLarge(path)
	}
	return fi, b, err
}

// openText opens the file, without following a link and without waiting for
// somebody at the other end of it.
func openText(path string, flag int) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, flag|openAsIs, 0o600)
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err == nil {
		err = safe(path, fi)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

// lockBeside waits until no other process of ours changes the file. The lock is
// on a file beside it, because the file itself is replaced.
func lockBeside(path string) (unlock func(), err error) {
	f, _, err := openToAppend(path + ".lock")
	if err != nil {
		return nil, err
	}
	if err := durable.Lock(f); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// safe says why a file is not one whose lines may let anybody in.
func safe(path string, fi fs.FileInfo) error {
	switch {
	case !fi.Mode().IsRegular():
		return notRegular(path)
	case !ownedByUs(path, fi):
		return fmt.Errorf("%s belongs to another user: chown it, or remove it", path)
	case fi.Mode().Perm()&0o022 != 0 && runtime.GOOS != "windows":
		return fmt.Errorf("%s can be written by others: look whether all of it is yours, then `chmod go-w %[1]s`", path)
	case fi.Size() > maxFile:
		return tooLarge(path)
	}
	return nil
}

func notRegular(path string) error { return fmt.Errorf("%s is not a regular file: remove it", path) }

func tooLarge(path string) error {
	return fmt.Errorf("%s is larger than %d bytes: take out the lines that are no longer needed", path, maxFile)
}

// appendLine adds a line to the file, in one write, and makes it durable. What a
// power cut left of a line before it is ended first, so that it spoils only
// itself. The directory is not synced: where a power cut takes a file that was just
// made, nobody gets in by it.
func appendLine(path, line string) error {
	f, fi, err := openToAppend(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if fi.Size() > 0 {
		var last [1]byte
		if _, err := f.ReadAt(last[:], fi.Size()-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			line = "\n" + line
		}
	}
	if _, err := f.WriteString(line); err != nil {
		return err
	}
	return f.Sync()
}

// openToAppend opens the file, or makes it.
func openToAppend(path string) (f *os.File, fi fs.FileInfo, err error) {
	const flag = os.O_RDWR | os.O_APPEND
	if f, fi, err = openText(path, flag); !errors.Is(err, fs.ErrNotExist) {
		return f, fi, err
	}
	f, fi, err = openText(path, flag|os.O_CREATE|os.O_EXCL)
	if errors.Is(err, fs.ErrExist) { // another process was faster
		return openText(path, flag)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := giveToOwner(path, f); err != nil {
		f.Close()
		os.Remove(path)
		return nil, nil, err
	}
	return f, fi, nil
}
