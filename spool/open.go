package spool

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fairlead/internal/durable"
)

const (
	segExt = ".seg"
	posExt = ".pos"
	badExt = ".bad"
)

// baseName is the name of the files of a segment, without what tells them apart.
func baseName(epoch Epoch, base int64) string { return fmt.Sprintf("%v-%020d", epoch, base) }

// parseName is the opposite. Names that are not as we write them are not ours.
func parseName(name string) (p Pos, ok bool) {
	epoch, base, _ := strings.Cut(name, "-")
	e, err1 := strconv.ParseUint(epoch, 16, 32)
	n, err2 := strconv.ParseInt(base, 10, 64)
	if err1 != nil || err2 != nil || e == 0 || n < 0 || n > maxOffset {
		return Pos{}, false
	}
	return Pos{Epoch(e), n}, baseName(Epoch(e), n) == name
}

// thisBoot names this boot of the machine. Where the kernel has no name for it,
// no two runs are known to be of one boot.
func thisBoot() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if id := strings.TrimSpace(string(b)); err == nil && id != "" {
		return id
	}
	never := func(Epoch) bool { return false }
	return newEpoch(never).String() + newEpoch(never).String()
}

// Open opens or creates a spool. It needs no other files than those it finds to
// go on where the last one ended, in whatever way that did.
func Open(o Options) (*Spool, error) {
	s := &Spool{o: o.filled(), work: make(chan struct{}, 1)}
	if s.o.Dir == "" {
		s.epoch = newEpoch(func(Epoch) bool { return false })
		return s, nil
	}
	if err := s.recover(); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	return s, nil
}

// A shelf is what a directory has.
type shelf struct {
	marks []*mark       // in the order they were made
	sizes map[Pos]int64 // of .seg files
	torn  int64         // the last offset at which a segment that has bytes is not whole
	clean Pos
	ended bool // clean is where the last close left it
}

// end returns where the bytes of m end that are there.
func (d *shelf) end(m *mark) int64 { return m.base + d.sizes[Pos{m.epoch, m.base}] }

func (s *Spool) recover() error {
	if err := os.MkdirAll(s.o.Dir, 0o700); err != nil {
		return err
	}
	d, err := s.look()
	if err != nil {
		return err
	}
	if len(d.marks) == 0 {
		s.epoch = newEpoch(func(Epoch) bool { return false })
		return s.forgetClean()
	}
	s.marks = d.marks
	newest := d.marks[len(d.marks)-1]
	s.seq = newest.seq
	boot, err := s.trim(newest)
	if err != nil {
		return err
	}
	ended := d.ended && d.clean.Epoch == newest.epoch
	whole := d.torn < newest.base && (!ended || d.clean.Off == d.end(newest))
	if whole && (ended || boot == s.o.Boot) {
		err = s.goOn(d, newest, ended, boot)
	} else {
		err = s.startAnew(d, newest)
	}
	if err != nil {
		return err
	}
	s.sweep(d)
	s.dropMarks()
	return nil
}

// look finds what is there, and sets aside what is not whole.
func (s *Spool) look() (*shelf, error) {
	entries, err := os.ReadDir(s.o.Dir)
	if err != nil {
		return nil, err
	}
	d := &shelf{sizes: make(map[Pos]int64), torn: -1}
	d.clean, d.ended = readClean(filepath.Join(s.o.Dir, cleanName))
	pos := make(map[Pos]bool)
	for _, e := range entries {
		name, ext := strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())), filepath.Ext(e.Name())
		if ext == badExt {
			ext = filepath.Ext(name) + ext
			name = strings.TrimSuffix(name, filepath.Ext(name))
		}
		p, ok := parseName(name)
		if !ok || !e.Type().IsRegular() {
			continue // not ours
		}
		switch ext {
		case posExt:
			pos[p] = true
		case segExt:
			fi, err := e.Info()
			if err != nil {
				return nil, err
			}
			d.sizes[p] = min(fi.Size(), maxOffset)
		case posExt + badExt, segExt + badExt:
			os.Remove(filepath.Join(s.o.Dir, e.Name())) // it was kept for a look
		}
	}
	for p := range pos {
		if m := readMark(s.o.Dir, p); m != nil {
			d.marks = append(d.marks, m)
			continue
		}
		delete(pos, p)
		if err := s.setAside(d, p, posExt); err != nil {
			return nil, err
		}
	}
	for p := range d.sizes {
		if !pos[p] {
			if err := s.setAside(d, p, segExt); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(d.marks, func(a, b *mark) int {
		return cmp.Or(cmp.Compare(a.seq, b.seq), cmp.Compare(a.base, b.base), cmp.Compare(a.epoch, b.epoch))
	})
	return d, nil
}

// setAside renames a file that is not whole. A mark without bytes beside it is
// what a kill leaves while a segment begins; it is removed.
func (s *Spool) setAside(d *shelf, p Pos, ext string) error {
	path := filepath.Join(s.o.Dir, baseName(p.Epoch, p.Off)+ext)
	if d.sizes[p] == 0 {
		return os.Remove(path)
	}
	d.torn = max(d.torn, p.Off)
	if ext == segExt {
		s.aside++
	}
	return os.Rename(path, path+badExt)
}

// readMark returns the mark of p if it is whole, without its notes, else nil.
func readMark(dir string, p Pos) *mark {
	path := filepath.Join(dir, baseName(p.Epoch, p.Off)+posExt)
	fi, err := os.Lstat(path)
	if err != nil {
		return nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	h, _, _, err := parseMark(b)
	if err != nil || h.epoch != p.Epoch || h.base != p.Off {
		return nil
	}
	return &mark{header: h, path: path, size: fi.Size()}
}

// trim tells in which boot m was last written, and how much of it is whole.
func (s *Spool) trim(m *mark) (boot string, err error) {
	b, err := os.ReadFile(m.path)
	if err != nil {
		return "", err
	}
	_, _, frames, err := parseMark(b)
	if err != nil {
		return "", err
	}
	whole, _, last := parseFrames(frames)
	m.size = int64(len(b) - len(frames) + whole)
	if last != nil {
		return *last, nil
	}
	return m.boot, nil
}

// goOn continues the epoch of the newest mark.
func (s *Spool) goOn(d *shelf, newest *mark, ended bool, boot string) error {
	s.epoch, s.writing = newest.epoch, true
	pos, err := os.OpenFile(newest.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	newest.out = pos
	path := strings.TrimSuffix(newest.path, posExt) + segExt
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return errors.Join(err, pos.Close())
	}
	g := &Segment{s: s, mark: newest, base: newest.base, path: path, f: f, out: f, ours: true, syncPos: true}
	g.refs.Store(1)
	if err := s.prepare(g, ended, boot); err != nil {
		return errors.Join(err, pos.Close(), f.Close())
	}
	s.segs = []*Segment{g}
	from := newest.base
	for _, m := range slices.Backward(d.marks[:len(d.marks)-1]) {
		if m.epoch != s.epoch || m.base >= from || d.end(m) < from {
			break // what is before a hole cannot be reached from here
		}
		old := &Segment{s: s, mark: m, base: m.base, path: strings.TrimSuffix(m.path, posExt) + segExt, syncSeg: !ended, syncPos: !ended}
		old.end.Store(from)
		old.sealed.Store(true)
		s.segs = append(s.segs, old)
		from = m.base
	}
	slices.Reverse(s.segs)
	for _, g := range s.segs {
		g.expired = make(chan struct{})
	}
	s.syncDir = true
	s.start.Store(from)
	s.end.Store(g.End())
	s.drop()
	s.kick()
	return nil
}

// prepare makes the newest segment fit to be written. That it goes on in another
// boot is made durable before the note of the clean close, which allows it, is
// removed; and nothing is appended before that.
func (s *Spool) prepare(g *Segment, ended bool, boot string) error {
	m := g.mark
	if err := m.out.Truncate(m.size); err != nil {
		return err
	}
	if boot != s.o.Boot {
		frame := encodeFrame(bootFrame, []byte(s.o.Boot))
		if _, err := m.out.WriteAt(frame, m.size); err != nil {
			return err
		}
		if err := m.out.Sync(); err != nil {
			return err
		}
		m.size += int64(len(frame))
	}
	if err := s.forgetClean(); err != nil {
		return err
	}
	n, err := recordsEnd(g.f)
	if err != nil {
		return err
	}
	if err := g.out.Truncate(n); err != nil {
		return err
	}
	g.end.Store(g.base + n)
	if n >= s.o.Segment {
		g.sealed.Store(true)
		g.syncSeg = true
	}
	return nil
}

// startAnew begins another epoch where the bytes end that survived.
func (s *Spool) startAnew(d *shelf, newest *mark) error {
	s.epoch = newEpoch(func(e Epoch) bool {
		return slices.ContainsFunc(d.marks, func(m *mark) bool { return m.epoch == e })
	})
	if err := s.forgetClean(); err != nil {
		return err
	}
	end := newest.base
	if d.end(newest) > end {
		path := strings.TrimSuffix(newest.path, posExt) + segExt
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		n, err := recordsEnd(f)
		f.Close()
		if err != nil {
			return err
		}
		if end += n; n > 0 {
			s.previous = &Segment{s: s, mark: newest, base: newest.base, path: path, expired: make(chan struct{})}
			s.previous.end.Store(end)
			s.previous.sealed.Store(true)
		}
	}
	s.start.Store(end)
	s.end.Store(end)
	return nil
}

// sweep removes the segments that are not part of the log.
func (s *Spool) sweep(d *shelf) {
	kept := make(map[Pos]bool)
	for _, g := range s.segs {
		kept[Pos{g.mark.epoch, g.base}] = true
	}
	if g := s.previous; g != nil {
		kept[Pos{g.mark.epoch, g.base}] = true
	}
	for _, m := range d.marks {
		if p := (Pos{m.epoch, m.base}); !kept[p] {
			os.Remove(strings.TrimSuffix(m.path, posExt) + segExt) // most have none any more
		}
	}
}

// forgetClean removes the note of a clean close, durably.
func (s *Spool) forgetClean() error {
	err := os.Remove(filepath.Join(s.o.Dir, cleanName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return durable.SyncDir(s.o.Dir)
}

// recordsEnd returns how many bytes of f are up to its last newline.
func recordsEnd(f *os.File) (int64, error) {
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	for end := min(fi.Size(), maxOffset); end > 0; {
		n := min(end, int64(len(buf)))
		if _, err := f.ReadAt(buf[:n], end-n); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return end - n + int64(i) + 1, nil
		}
		end -= n
	}
	return 0, nil
}

// readHead returns a regular file, or an error if it is longer than n.
func readHead(path string, n int64) ([]byte, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > n {
		return nil, fmt.Errorf("read %s: not a short file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, n))
}
