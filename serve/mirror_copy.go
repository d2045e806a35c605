package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"fairlead/logfile"
)

// A fileCopy is the file a Mirror appends to, locked while it is open.
type fileCopy struct {
	path   string
	file   *os.File // holds the lock, and is read
	out    *logfile.Writer
	synced int64 // durable
	broken bool  // a write or a sync went wrong: bytes past synced may be no good
}

// A copyError went wrong on this side: trying again would not help.
type copyError struct{ err error }

func (e *copyError) Error() string { return e.err.Error() }
func (e *copyError) Unwrap() error { return e.err }

func openCopy(path string) (*fileCopy, error) {
	c := &fileCopy{path: path}
	return c, c.open()
}

func (c *fileCopy) open() error {
	f, err := os.OpenFile(c.path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("open the copy: %w", err)
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("open the copy %s: not a regular file", c.path)
	}
	if err == nil {
		err = logfile.Lock(f, c.path, "mirror to another file")
	}
	var out *logfile.Writer
	if err == nil {
		out, err = logfile.OpenWriter(c.path, logfile.NewGenID(), -1)
	}
	if err != nil {
		f.Close()
		return err
	}
	c.file, c.out, c.synced, c.broken = f, out, out.Size(), false
	return nil
}

// reopen begins again with whatever is at the path now.
func (c *fileCopy) reopen() error { return errors.Join(c.close(), c.open()) }

// moved says that another file, or none, is at the path.
func (c *fileCopy) moved() bool {
	have, err := c.file.Stat()
	if err != nil {
		return true
	}
	at, err := os.Stat(c.path)
	return err != nil || !os.SameFile(have, at)
}

func (c *fileCopy) size() int64 { return c.out.Size() }

// end returns the last n bytes, head the first, or all there are.
func (c *fileCopy) end(n int64) ([]byte, error)  { return c.read(max(0, c.size()-n), n) }
func (c *fileCopy) head(n int64) ([]byte, error) { return c.read(0, n) }

func (c *fileCopy) read(off, n int64) ([]byte, error) {
	buf := make([]byte, min(n, c.size()-off))
	if _, err := c.file.ReadAt(buf, off); err != nil {
		return nil, &copyError{fmt.Errorf("read the copy at %d: %w", off, err)}
	}
	return buf, nil
}

func (c *fileCopy) append(p []byte) error {
	_, err := c.out.Write(p)
	if err == nil {
		err = c.out.Commit()
	}
	return c.failed("append to the copy", err)
}

func (c *fileCopy) sync() error {
	err := c.out.Sync()
	if err == nil {
		c.synced = c.size()
	}
	return c.failed("sync the copy", err)
}

func (c *fileCopy) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	c.broken = true
	return &copyError{fmt.Errorf("%s %s at %d: %w", doing, c.path, c.synced, err)}
}

// close makes all of it durable and gives up the lock. After an error it cuts
// the copy to what is durable, so that the next Mirror asks for the rest again.
func (c *fileCopy) close() error {
	if c.file == nil {
		return nil
	}
	var err error
	if c.broken {
		err = c.file.Truncate(c.synced)
	} else if c.size() > c.synced {
		err = c.sync()
	}
	err = errors.Join(err, c.out.Close(), c.file.Close())
	c.file, c.out = nil, nil
	return err
}

// moveAside renames the copy to a name that says when, and that no file has.
func (c *fileCopy) moveAside(now time.Time) (to string, err error) {
	to = c.path + ".diverged-" + now.UTC().Format("20060102T150405Z")
	for i := 1; ; i++ {
		// The name is taken first: a rename alone would replace a file.
		f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			f.Close()
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", &copyError{fmt.Errorf("move the copy aside: %w", err)}
		}
		to = c.path + ".diverged-" + now.UTC().Format("20060102T150405Z") + "." + strconv.Itoa(i)
	}
	if err := os.Rename(c.path, to); err != nil {
		os.Remove(to)
		return "", &copyError{fmt.Errorf("move the copy aside: %w", err)}
	}
	return to, nil
}
