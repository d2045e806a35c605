package plain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"time"

	"fairlead/internal/tcp"
	"fairlead/ship/disk"
)

// A writer is a connection and the file that it writes, which has no other writer.
type writer struct {
	r       *Receiver
	conn    net.Conn
	end     context.CancelCauseFunc
	done    chan struct{} // closed once nothing more is written
	name    string
	address string

	f         *os.File
	off       int64     // how long the file is
	synced    int64     // how much of it is durable
	dirty     time.Time // since when that is not all; zero: it is
	syncError error     // of this descriptor, which is not asked again
}

// errNewer is why an older connection ends.
var errNewer = errors.New("a newer connection sends the same file")

// run takes a file's bytes until the connection ends. The error is why it was turned
// away.
func (w *writer) run(ctx context.Context, first []byte) (reason, error) {
	if err := w.r.room(w.address, 0); err != nil {
		return noRoom, err
	}
	defer w.claim()()
	if ctx.Err() != nil { // a still newer one has come, or we end
		return 0, nil
	}
	if err := w.open(); err != nil {
		return badFile, err
	}
	defer w.close()
	log := w.r.log().With("path", w.name, "peer", w.conn.RemoteAddr().String())
	began := w.off
	w.conn.SetDeadline(time.Now().Add(greetFor))
	if _, err := w.conn.Write(append(strconv.AppendInt(nil, w.off, 10), '\n')); err != nil {
		return badHeader, err
	}
	w.conn.SetDeadline(time.Time{})
	log.Info("a plain sender came", "off", w.off)
	w.r.open.Add(1)
	defer w.r.open.Add(-1)
	err := w.write(first)
	if err == nil {
		err = w.take(ctx)
	}
	err = w.fileError(err)
	if failed := w.sync(); err == nil {
		err = failed
	}
	switch cause := context.Cause(ctx); {
	case err != nil:
		log.Error("a plain transfer was ended", "off", w.off, "n", w.off-began, "err", err)
	case cause != nil:
		log.Info("a plain transfer was ended", "off", w.off, "n", w.off-began, "err", cause)
	default:
		log.Info("a plain sender left", "off", w.off, "n", w.off-began)
	}
	return 0, nil
}

// claim makes this the writer of its file: it ends an older one, and waits until that
// writes no more.
func (w *writer) claim() (release func()) {
	r := w.r
	r.mu.Lock()
	older := r.writers[w.name]
	r.writers[w.name] = w
	r.mu.Unlock()
	if older != nil {
		r.replaced.Add(1)
		older.end(errNewer)
		<-older.done
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.writers[w.name] == w {
			delete(r.writers, w.name)
		}
		close(w.done)
	}
}

// open opens the file, or makes it, and sees to it that all it has is durable: its
// length is what the sender is told.
func (w *writer) open() error {
	d := w.r.disk
	f, err := d.Open(w.name, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		if err := w.r.room(w.address, 1); err != nil {
			return err
		}
		if f, err = d.Create(w.name); err == nil {
			w.r.use(w.address, 0, 1)
			w.f, w.dirty = f, time.Now()
			return nil
		}
	}
	if err != nil {
		return err
	}
	w.f = f
	if err := w.ready(); err != nil {
		f.Close()
		return fmt.Errorf("what %s has cannot be made durable: %w", w.name, err)
	}
	return nil
}

// take takes what comes.
func (w *writer) take(ctx context.Context) error {
	in := tcp.NewIn(w.conn)
	for {
		w.conn.SetReadDeadline(w.nextSync())
		if ctx.Err() != nil {
			return nil
		}
		n, err := in.Take(w.f, w.off)
		quiet := errors.Is(err, os.ErrDeadlineExceeded)
		if quiet {
			err = nil
		}
		if err = errors.Join(err, w.took(n)); err == nil {
			err = w.syncIfDue(quiet)
		}
		if err != nil {
			return err
		}
	}
}

// write writes what came with the first line.
func (w *writer) write(b []byte) error {
	n, err := w.f.WriteAt(b, w.off)
	if err != nil {
		err = &tcp.FileError{Err: err}
	}
	return errors.Join(w.took(n), err)
}

// took counts n bytes that were written.
func (w *writer) took(n int) error {
	if n == 0 {
		return nil
	}
	w.off += int64(n)
	w.r.bytes.Add(int64(n))
	w.r.use(w.address, int64(n), 0)
	if w.dirty.IsZero() {
		w.dirty = time.Now()
	}
	return w.r.room(w.address, 0)
}

// nextSync is when something is to be made durable if nothing comes until then; zero: it
// all is.
func (w *writer) nextSync() time.Time {
	if w.dirty.IsZero() {
		return time.Time{}
	}
	return time.Now().Add(syncAfter)
}

// fileError is what was wrong with the file, or with the room for it; nil for what ends
// any connection. A disk that is full is left alone for a while.
func (w *writer) fileError(err error) error {
	var file *tcp.FileError
	var room *roomError
	switch {
	case errors.As(err, &room):
		w.r.refused[noRoom].Add(1)
		return err
	case !errors.As(err, &file):
		return w.syncError
	}
	why, full := disk.Full(err)
	if !full {
		return err
	}
	w.r.refused[noRoom].Add(1)
	w.r.mu.Lock()
	w.r.fullAt = time.Now()
	w.r.mu.Unlock()
	// What did not get through may have made the file longer.
	return errors.Join(fmt.Errorf("%s: %w", why, err), w.r.disk.Cut(w.f, w.name, w.off))
}

// close gives the file up.
func (w *writer) close() {
	w.f.Close()
	if err := w.mend(); err != nil {
		w.r.log().Error("a file cannot be cut to what is durable of it", "path", w.name, "n", w.synced, "err", err)
	}
}
