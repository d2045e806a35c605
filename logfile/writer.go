package logfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// A Writer appends to a file of our own. It is a [Source]: its readers see what
// is committed, never the size that stat tells, and it wakes them itself. Its
// generation ends when it is closed.
type Writer struct {
	f    *os.File
	path string

	mu      sync.Mutex // guards what follows
	n       int64      // written
	pub     *Gen
	seq     uint64
	changed chan struct{}
	err     error // of the first write or sync that failed: nothing is written after it
	closed  bool
}

// OpenWriter opens or creates path and appends from byte committed on: what is
// behind it was never committed and is cut off. Below zero, all there is counts
// as committed. A file shorter than committed is an error.
func OpenWriter(path string, gen GenID, committed int64) (*Writer, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open %s for appending: %w", path, err)
	}
	// Not O_APPEND: splice and copy_file_range refuse it, and we own the offset.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open for appending: %w", err)
	}
	w := &Writer{f: f, path: path}
	if err := w.cutTo(committed); err != nil {
		f.Close()
		return nil, err
	}
	w.pub = &Gen{ID: gen, Path: path, Size: w.n, Modified: time.Now(), Readable: true}
	return w, nil
}

func (w *Writer) cutTo(committed int64) error {
	fi, err := w.f.Stat()
	if err != nil {
		return fmt.Errorf("stat %s: %w", w.path, err)
	}
	if !fi.Mode().IsRegular() {
		return notRegular(w.path, fi.Mode())
	}
	w.n = fi.Size()
	if committed < 0 || committed == w.n {
		return nil
	}
	if committed > w.n {
		return fmt.Errorf("open %s: it has %d bytes, and %d were committed", w.path, w.n, committed)
	}
	if err := w.f.Truncate(committed); err != nil {
		return fmt.Errorf("cut %s to %d: %w", w.path, committed, err)
	}
	w.n = committed
	return nil
}

// Write appends. Readers see it after Commit or Sync. After an error nothing
// more is written: the file ends with whole writes only.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.f.WriteAt(p, w.n)
	if err != nil {
		w.f.Truncate(w.n) // what was written of p was not promised to anyone
		w.err = fmt.Errorf("write %s at %d: %w", w.path, w.n, err)
		return 0, w.err
	}
	w.n += int64(n)
	return n, nil
}

// Size returns the number of bytes written, committed or not.
func (w *Writer) Size() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n
}

// Commit shows readers what was written. It survives a kill, not a power cut.
func (w *Writer) Commit() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.commit(w.n)
}

// Sync makes durable what was written before the call, then commits it. After
// an error it is never tried again: the kernel may have dropped the bytes and
// marked them clean.
func (w *Writer) Sync() error {
	w.mu.Lock()
	n, err := w.n, w.err
	w.mu.Unlock()
	if err == nil {
		err = w.f.Sync() // without the lock: writes go on meanwhile
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("sync %s: %w", w.path, err)
	}
	return w.commit(n)
}

func (w *Writer) commit(n int64) error {
	if w.err != nil {
		return w.err
	}
	if n > w.pub.Size {
		w.publish(func(g *Gen) { g.Size, g.Modified = n, time.Now() })
	}
	return nil
}

func (w *Writer) publish(change func(*Gen)) {
	pub := *w.pub
	change(&pub)
	w.pub = &pub
	w.seq++
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}

// Close ends the generation at what was committed.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	w.publish(func(g *Gen) {
		g.Final, g.Readable = true, false
		g.End = &Ended{Gen: g.ID, At: g.Size, Reason: Forgotten}
	})
	if w.err == nil {
		w.err = errors.New("write " + w.path + ": closed")
	}
	return w.f.Close()
}

// Name returns the absolute path.
func (w *Writer) Name() string { return w.path }

// Stat returns the committed state.
func (w *Writer) Stat() Stat {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pub.End != nil {
		return Stat{Seq: w.seq, Old: []*Gen{w.pub}}
	}
	return Stat{Seq: w.seq, Current: w.pub}
}

// ReadAt reads committed bytes.
func (w *Writer) ReadAt(ctx context.Context, p []byte, pos Pos) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	st := w.Stat()
	g := st.Find(pos.Gen)
	switch {
	case g == nil:
		return 0, &Ended{Gen: pos.Gen, Reason: Forgotten}
	case g.End != nil:
		return 0, g.End
	case pos.Off >= g.Size:
		return 0, io.EOF
	}
	return w.f.ReadAt(p[:min(int64(len(p)), g.Size-pos.Off)], pos.Off)
}

// Wait returns nil once the Seq is no longer seq.
func (w *Writer) Wait(ctx context.Context, seq uint64) error {
	w.mu.Lock()
	if w.seq != seq {
		w.mu.Unlock()
		return ctx.Err()
	}
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	ch := w.changed
	w.mu.Unlock()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
