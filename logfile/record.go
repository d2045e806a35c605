package logfile

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A record is what recognises a generation again in another process: a line of
// the generations file or of a cursor. doc/disk.md describes it.
type record struct {
	log     string // the log's path
	path    string // where the bytes were
	gen     GenID
	current bool  // it was at the log's path
	gone    bool  // it could be read no more; it tells where the next one comes
	final   bool  // what is added to it is not its log's any more
	noted   bool  // a sibling that nobody is sent unasked
	marked  bool  // from a cursor, not from the generations file
	off     int64 // of a cursor: the position; else equal to print.n
	from    int64 // see Gen.From
	dev     uint64
	ino     uint64
	mtime   time.Time
	print   print
}

const recordFields = 11

func (r record) append(b []byte) []byte {
	state := "old"
	switch {
	case r.current:
		state = "current"
	case r.noted:
		state = "noted"
	case r.gone:
		state = "gone"
	case r.final:
		state = "final"
	}
	b = fmt.Appendf(b, "%s %s %d %d %d %d %d %d ", r.gen, state, r.off, r.from, r.print.n, r.dev, r.ino, unixNano(r.mtime))
	b = fmt.Appendf(b, "%x %x ", r.print.head, r.print.tail)
	b = strconv.AppendQuote(b, r.path)
	b = append(b, ' ')
	return strconv.AppendQuote(b, r.log)
}

// unixNano is 0 for the zero time.
func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func parseRecord(line string) (record, error) {
	bad := func(what string, err error) (record, error) {
		return record{}, fmt.Errorf("parse record %.60q: %s: %w", line, what, err)
	}
	fields := strings.SplitN(line, " ", recordFields)
	if len(fields) != recordFields {
		return bad("fields", fmt.Errorf("%d, want %d", len(fields), recordFields))
	}
	var r record
	var err error
	if r.gen, err = ParseGenID(fields[0]); err != nil {
		return bad("generation", err)
	}
	switch fields[1] {
	case "current":
		r.current = true
	case "gone":
		r.gone = true
	case "final":
		r.final = true
	case "noted":
		r.noted = true
	case "old":
	default:
		return bad("state", fmt.Errorf("%q is none", fields[1]))
	}
	var nanos int64
	for i, v := range map[int]*int64{2: &r.off, 3: &r.from, 4: &r.print.n, 7: &nanos} {
		if *v, err = strconv.ParseInt(fields[i], 10, 64); err != nil {
			return bad("number", err)
		}
	}
	for i, v := range map[int]*uint64{5: &r.dev, 6: &r.ino} {
		if *v, err = strconv.ParseUint(fields[i], 10, 64); err != nil {
			return bad("number", err)
		}
	}
	for i, v := range map[int]*[16]byte{8: &r.print.head, 9: &r.print.tail} {
		if b, err := hex.DecodeString(fields[i]); err != nil || len(b) != len(v) {
			return bad("hash", errors.New("not 32 hexadecimal digits"))
		} else {
			copy(v[:], b)
		}
	}
	if r.off < 0 || r.from < 0 || r.print.n < 0 {
		return bad("number", errors.New("below zero"))
	}
	if nanos != 0 {
		r.mtime = time.Unix(0, nanos)
	}
	return r, r.parseNames(fields[10])
}

func (r *record) parseNames(s string) error {
	quoted, err := strconv.QuotedPrefix(s)
	if err == nil {
		r.path, err = strconv.Unquote(quoted)
	}
	if err == nil {
		r.log, err = strconv.Unquote(strings.TrimPrefix(s[len(quoted):], " "))
	}
	if err != nil {
		return fmt.Errorf("parse record: name %.60q: %w", s, err)
	}
	return nil
}

// record returns what recognises g again.
func (l *Log) record(g *generation) record {
	return record{
		log: l.name, path: g.pub.Path, gen: g.pub.ID,
		current: g == l.cur, gone: g.pub.Path == "", final: g.pub.Final, noted: g != l.cur && g.pub.ord == 0,
		off: g.pub.Size, from: g.pub.From, dev: g.dev, ino: g.ino, mtime: g.pub.Modified, print: g.lastPrint(),
	}
}

// restore begins with what is known from an earlier process.
func (l *Log) restore(recs []record) {
	if len(recs) == 0 {
		return
	}
	l.blind = true
	defer func() { l.begun, l.joined = l.lastOrd, l.lastOrd }()
	for _, r := range recs {
		g := &generation{
			dev: r.dev, ino: r.ino, print: r.print, quiet: notAfterNow(r.mtime), reason: Rotated,
			pub: &Gen{ID: r.gen, Path: r.path, From: r.from, Size: r.print.n, Modified: r.mtime, Final: r.final, Readable: true},
		}
		if r.gone {
			g.gone()
		}
		l.cursorOnly = l.cursorOnly || r.marked
		if !r.noted {
			l.link(g, r.from)
		}
		if r.current || !r.noted && l.set.owner(r.ino) == nil {
			l.set.own(r.ino, l) // an older one may be another log's by now
		}
		if r.current {
			l.cur = g
			continue
		}
		l.old = append(l.old, g)
		l.set.realias(l, "", g.pub.Path)
	}
}

// A Mark is a position together with what recognises its generation again. It
// outlives the loss of all other state.
type Mark struct {
	Path string // the log's
	Pos  Pos
	rec  record
}

// Mark returns a position of this log as a Mark. The position is one whose
// bytes were read: its generation is known and its offset not beyond the end.
func (l *Log) Mark(pos Pos) (Mark, error) {
	h, err := l.Open(pos.Gen)
	if err != nil {
		return Mark{}, fmt.Errorf("mark %s: %w", l.name, err)
	}
	defer h.Close()
	p, err := prove(h.held.f, min(pos.Off, h.held.proof.Load().n))
	if err == nil {
		err = h.Check()
	}
	if err != nil {
		return Mark{}, fmt.Errorf("mark %s: %w", l.name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.find(pos.Gen)
	if g == nil {
		return Mark{}, &Ended{Gen: pos.Gen, Reason: Forgotten}
	}
	m := Mark{Path: l.name, Pos: pos, rec: l.record(g)}
	m.rec.print, m.rec.off, m.rec.mtime = p.print(), pos.Off, time.Time{}
	return m, nil
}

// MarshalText returns the mark as one line.
func (m Mark) MarshalText() ([]byte, error) { return m.rec.append(nil), nil }

// UnmarshalText reads what MarshalText wrote.
func (m *Mark) UnmarshalText(b []byte) error {
	r, err := parseRecord(string(b))
	if err != nil {
		return err
	}
	*m = Mark{Path: r.log, Pos: Pos{r.gen, r.off}, rec: r}
	return nil
}

// adoptMark adds a cursor's generation to those the state knows, under the id
// that the cursor has for it. before is the one that came before it, if that is
// known.
func adoptMark(recs []record, m Mark, before GenID) []record {
	for i := range recs {
		if r := &recs[i]; r.gen == m.Pos.Gen {
			// Sizes alone are saved when a process ends: the mark may prove more.
			if r.print.n < m.rec.print.n && r.ino == m.rec.ino && r.dev == m.rec.dev && !r.final {
				r.print, r.off = m.rec.print, max(r.off, m.rec.off)
			}
			return recs
		}
	}
	for i := range recs {
		r := &recs[i]
		if m.rec.print.n > 0 && r.ino == m.rec.ino && r.dev == m.rec.dev && r.print.n >= m.rec.print.n && r.print.head == m.rec.print.head {
			r.gen = m.Pos.Gen // the state was lost, and the file given another id meanwhile
			return recs
		}
	}
	rec := m.rec
	rec.marked, rec.current, rec.final = true, true, false
	i := slices.IndexFunc(recs, func(r record) bool { return r.current && !r.marked })
	if i >= 0 && (before.IsZero() || recs[i].gen != before) {
		rec.current = false
		return slices.Insert(recs, i, rec) // the state knows a later one
	}
	for i := range recs {
		recs[i].current = false
	}
	return append(recs, rec)
}

// A Cursor keeps marks in a file, which is replaced whole and durably.
type Cursor struct{ Path string }

const cursorHeader = "fairlead cursor 1"

// Lock keeps others off the cursor: each would go on where the other was. The
// file itself is replaced at every save, and a lock on it would go with the old
// one, so an empty file beside it stands for it.
func (c Cursor) Lock() (unlock func(), err error) {
	dir, name := filepath.Split(c.Path)
	f, err := os.OpenFile(dir+"."+name+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the cursor: %w", err)
	}
	if err := Lock(f, c.Path, "use another cursor file"); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the cursor: %w", err)
	}
	return func() { f.Close() }, nil
}

// Load returns the marks. Without a file there are none, and no error.
func (c Cursor) Load() ([]Mark, error) {
	b, err := os.ReadFile(c.Path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load cursor: %w", err)
	}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if lines[0] != cursorHeader {
		return nil, fmt.Errorf("load cursor %s: not a cursor file: delete it, or name another", c.Path)
	}
	marks := make([]Mark, len(lines)-1)
	for i, line := range lines[1:] {
		if err := marks[i].UnmarshalText([]byte(line)); err != nil {
			return nil, fmt.Errorf("load cursor %s: line %d: %w", c.Path, i+2, err)
		}
	}
	return marks, nil
}

// Save replaces the file. When it returns, the marks survive a power cut.
func (c Cursor) Save(marks []Mark) error {
	err := replaceFile(c.Path, func(w *bufio.Writer) error {
		w.WriteString(cursorHeader + "\n")
		for _, m := range marks {
			w.Write(append(m.rec.append(nil), '\n'))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save cursor: %w", err)
	}
	return nil
}
