package spool

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"fairlead/internal/durable"
)

// Run makes durable, until ctx ends, what was sealed, and the marks of segments
// that began. An fsync that failed is counted and not retried: the kernel may
// have dropped the bytes and marked them clean.
func (s *Spool) Run(ctx context.Context) error {
	for {
		s.sync.Lock()
		for ctx.Err() == nil && s.syncNext() {
		}
		s.sync.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-s.work:
		}
	}
}

func (s *Spool) kick() {
	select {
	case s.work <- struct{}{}:
	default: // it was told already
	}
}

// syncNext makes one thing durable; false if there was nothing to do. The caller
// holds s.sync.
func (s *Spool) syncNext() bool {
	s.mu.Lock()
	for _, g := range s.segs {
		switch {
		case g.syncPos:
			g.syncPos = false
			out := g.mark.out
			s.mu.Unlock()
			s.syncMark(g, out)
			return true
		case g.syncSeg:
			g.syncSeg = false
			err := s.open(g)
			f := file(g.f)
			if g.ours {
				f = g.out
			}
			s.mu.Unlock()
			s.syncSegment(g, f, err)
			return true
		}
	}
	dir := s.syncDir
	s.syncDir = false
	s.mu.Unlock()
	if dir {
		s.synced(nil, durable.SyncDir(s.o.Dir))
	}
	return dir
}

// syncSegment makes f durable, the file of g, for which open returned opened.
func (s *Spool) syncSegment(g *Segment, f file, opened error) {
	if opened != nil {
		s.synced(g, opened)
		return
	}
	s.synced(g, f.Sync())
	done := func() {}
	if g.Sealed() {
		s.mu.Lock()
		done = s.disown(g)
		s.mu.Unlock()
	}
	done()
	g.Release()
}

// syncMark makes the mark of g durable, and closes it unless it is the newest,
// which may be written to.
func (s *Spool) syncMark(g *Segment, out file) {
	if out == nil {
		f, err := os.OpenFile(g.mark.path, os.O_RDWR, 0)
		if err != nil {
			s.synced(g, err)
			return
		}
		defer f.Close()
		out = f
	}
	s.synced(g, out.Sync())
	s.mu.Lock()
	if g.dropped || g == s.segs[len(s.segs)-1] || g.syncPos {
		out = nil
	} else {
		g.mark.out = nil
	}
	s.mu.Unlock()
	if out != nil {
		out.Close()
	}
}

// synced counts what became of an fsync for g, or for the directory.
func (s *Spool) synced(g *Segment, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil || g != nil && g.dropped {
		return
	}
	s.syncErrs++
	s.syncErr = fmt.Errorf("sync spool: %w", err)
	if g == nil {
		s.unsound = true
	} else {
		g.unsound = true
	}
}

// sound returns what keeps the kept bytes from being known to be durable. The
// caller holds mu.
func (s *Spool) sound() error {
	bad := s.unsound
	for _, g := range s.segs {
		bad = bad || g.unsound
	}
	if bad {
		return s.syncErr
	}
	return nil
}

// Close makes everything durable, and then that the close was clean. Who holds
// a segment may go on reading it.
func (s *Spool) Close() error {
	s.write.Lock()
	defer s.write.Unlock()
	if s.closed {
		return nil
	}
	s.mu.Lock()
	s.closed = true
	if n := len(s.segs); n > 0 && s.o.Dir != "" {
		g := s.segs[n-1]
		g.syncSeg, g.syncPos, s.syncDir = !g.unsound, !g.unsound, true
	}
	s.mu.Unlock()

	s.sync.Lock()
	for s.syncNext() {
	}
	s.sync.Unlock()

	err := s.markClean()
	s.letAllGo()
	c := make(chan struct{})
	close(c)
	if old := s.wake.Swap(&c); old != nil {
		close(*old)
	}
	if err != nil {
		return fmt.Errorf("close spool: %w", err)
	}
	return nil
}

// letAllGo closes what nobody reads.
func (s *Spool) letAllGo() {
	var done []func()
	s.mu.Lock()
	for _, g := range s.segs {
		g.sealed.Store(true)
		done = append(done, s.disown(g))
		if g.mark.out != nil {
			done = append(done, func() { g.mark.out.Close() })
		}
	}
	if g := s.previous; g != nil && s.writing {
		done = append(done, func() { os.Remove(g.path) }) // if it stays, Open removes it
	}
	s.mu.Unlock()
	for _, f := range done {
		f()
	}
}

const (
	cleanName  = "clean"
	cleanMagic = "fairlead spool clean 1"
)

func cleanLine(p Pos) string {
	body := fmt.Sprintf("%s %v %d", cleanMagic, p.Epoch, p.Off)
	return fmt.Sprintf("%s %08x\n", body, crc32.Checksum([]byte(body), castagnoli))
}

// markClean leaves a durable note that all was made durable, if it was. A note
// that is not whole is none, so it needs no second name while it is written.
func (s *Spool) markClean() error {
	s.mu.RLock()
	err, path := s.sound(), filepath.Join(s.o.Dir, cleanName)
	s.mu.RUnlock()
	if err != nil || s.o.Dir == "" || !s.writing {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(cleanLine(Pos{s.epoch, s.End()}))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = durable.SyncDir(s.o.Dir)
	}
	if err != nil {
		os.Remove(path)
	}
	return err
}

// readClean returns where the last close left the spool, and false if it was
// not clean.
func readClean(path string) (Pos, bool) {
	b, err := readHead(path, 256)
	if err != nil {
		return Pos{}, false
	}
	part := strings.Fields(strings.TrimPrefix(string(b), cleanMagic+" "))
	if len(part) != 3 {
		return Pos{}, false
	}
	epoch, _ := strconv.ParseUint(part[0], 16, 32)
	off, _ := strconv.ParseInt(part[1], 10, 64)
	p := Pos{Epoch(epoch), off}
	return p, cleanLine(p) == string(b)
}
