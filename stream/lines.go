package stream

import (
	"bytes"
	"time"
	"unicode/utf8"

	"fairlead/logfile"
)

// maxLine is how much text of an entry is kept; the rest is only counted.
const maxLine = 256 << 10

// Lines turns the bytes of one log into entries, encoded as JSON lines. An
// entry's at and len are the place of its bytes: the next begins at their sum.
// Empty lines are none; their bytes belong to the entry that follows.
//
// Its fields are not changed after the first Add.
type Lines struct {
	Source    string           // what "source" says: an absolute path, or a base name
	LogWisp   bool             // as LogWisp: only JSON and plain text, which has the time of reading; no raw_b64
	MultiLine bool             // lines that begin with blank or tab belong to the entry before
	Location  *time.Location   // of times without a zone; nil: time.Local
	Now       func() time.Time // the time of reading; nil: time.Now

	parser parser
	head   head

	at    logfile.Pos // of the first byte that is in no entry yet
	group group       // of finished lines, which begins there
	n     int64       // bytes behind the group: empty lines and the unfinished one
	line  unfinished
	rest  bool // the next line is what follows an entry with "partial"

	levels tally // of the entries since it was emptied last
}

// An unfinished line has no newline yet.
type unfinished struct {
	n    int64  // its bytes
	kept []byte // the first of them, enough to know that there is too much
	last byte
}

func (u *unfinished) add(p []byte) {
	if len(p) == 0 {
		return
	}
	u.n += int64(len(p))
	u.last = p[len(p)-1]
	u.kept = append(u.kept, p[:min(len(p), maxLine+1-len(u.kept))]...)
}

// text returns what the line says, now that it is finished.
func (u *unfinished) text() []byte {
	n := u.n
	if u.last == '\r' {
		n--
	}
	return u.kept[:min(n, int64(len(u.kept)))]
}

func (u *unfinished) reset() { *u = unfinished{kept: small(u.kept)} }

// Add appends to dst the entries that p finishes, the bytes [span.Off,
// span.Off+len(p)) of span.Gen. The bytes of its calls follow each other:
// another generation, or a jump, ends what is unfinished.
func (l *Lines) Add(dst []byte, span logfile.Span, p []byte) []byte {
	l.begin()
	if span.Gen != l.at.Gen || span.Off != l.at.Off+l.group.n+l.n || l.head.place == nil {
		dst = l.flush(dst)
		if span.Gen != l.at.Gen || l.head.place == nil {
			l.head.setGen(span.Gen.String())
		}
		l.at = logfile.Pos{Gen: span.Gen, Off: span.Off}
		l.n, l.rest = 0, false
	}
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			l.n += int64(len(p))
			l.line.add(p)
			break
		}
		l.n += int64(i + 1)
		dst = l.finish(dst, p[:i])
		p = p[i+1:]
	}
	return dst
}

// Flush appends what waits: a group of lines as an entry like any other, and
// the unfinished line as one with "partial":true. What follows that line later
// is an entry of its own, and plain text.
func (l *Lines) Flush(dst []byte) []byte {
	l.begin()
	return l.flush(dst)
}

// Unfinished says that something waits for more: Flush would give an entry.
func (l *Lines) Unfinished() bool { return l.line.n > 0 || l.group.n > 0 }

// Pos returns where the next entry begins: where what waits begins, empty lines
// too, or else there.
func (l *Lines) Pos(there logfile.Pos) logfile.Pos {
	if l.n > 0 || l.group.n > 0 {
		return l.at
	}
	return there
}

// enter makes pos the place where the next entry begins, inside a line perhaps: the
// rest of that is plain text. No line may be waiting.
func (l *Lines) enter(pos logfile.Pos, inside bool) {
	l.Add(nil, logfile.Span{Gen: pos.Gen, Off: pos.Off}, nil)
	l.at, l.n, l.rest = pos, 0, inside
}

// lineStart returns where the bytes begin that are in no line yet which an entry is
// made of, if there are such.
func (l *Lines) lineStart() int64 { return l.at.Off + l.group.n }

// joins says that a line would be added to the group that waits.
func (l *Lines) joins(line []byte) bool {
	switch {
	case l.group.n == 0 || len(line) == 0:
		return false
	case l.group.multiLine:
		return indented(line)
	}
	c, ok := l.peek(line)
	return ok && l.group.takes(c)
}

// indented says that with MultiLine a line belongs to the one before it.
func indented(line []byte) bool { return line[0] == ' ' || line[0] == '\t' }

// begin asks for the time, once for all entries of a call.
func (l *Lines) begin() {
	now, location := l.Now, l.Location
	if now == nil {
		now = time.Now
	}
	if location == nil {
		location = time.Local
	}
	l.parser.logwisp = l.LogWisp
	l.parser.clock.location, l.parser.clock.now = location, now()
	l.head.setSource(l.Source)
	l.head.now = stampOf(l.parser.clock.now).append(l.head.now[:0])
}

func (l *Lines) flush(dst []byte) []byte {
	dst = l.closeGroup(dst)
	if l.line.n == 0 {
		return dst
	}
	line, truncated := limit(l.line.kept)
	c, ok := l.peek(line)
	l.understand(line, c, ok)
	dst = l.emit(dst, line, l.n, true, truncated)
	l.n = 0
	l.line.reset()
	l.rest = true
	return dst
}

// finish ends a line, of which p is all, or what was missing.
func (l *Lines) finish(dst, p []byte) []byte {
	if l.line.n == 0 {
		return l.take(dst, bytes.TrimSuffix(p, []byte{'\r'}))
	}
	l.line.add(p)
	dst = l.take(dst, l.line.text())
	l.line.reset()
	return dst
}

// take takes a finished line: for an entry, or for a group.
func (l *Lines) take(dst, line []byte) []byte {
	if len(line) == 0 {
		l.rest = false
		return dst
	}
	line, truncated := limit(line)
	if l.group.multiLine {
		if indented(line) {
			l.group.add([]byte{'\n'}, false)
			l.group.add(line, truncated)
			l.group.n, l.n = l.group.n+l.n, 0
			return dst
		}
		dst = l.closeGroup(dst)
	}
	c, ok := l.peek(line)
	if l.group.n > 0 && !(ok && l.group.takes(c)) {
		dst = l.closeGroup(dst)
		c, ok = l.peek(line)
	}
	switch {
	case ok && (c.more || l.group.n > 0):
		return l.takePiece(dst, line, c, truncated)
	case l.MultiLine && !ok && !l.rest:
		l.group.open(line, truncated)
		l.group.multiLine = true
		l.group.n, l.n = l.n, 0
		return dst
	}
	l.understand(line, c, ok)
	l.rest = false
	dst = l.emit(dst, line, l.n, false, truncated)
	l.n = 0
	return dst
}

// peek begins an entry and says whether a line is a container's.
func (l *Lines) peek(line []byte) (piece, bool) {
	l.parser.begin()
	if l.LogWisp || l.rest {
		return piece{}, false
	}
	return l.parser.container(line)
}

// understand puts into the entry what a line says that peek has looked at.
func (l *Lines) understand(line []byte, c piece, contained bool) {
	switch {
	case l.rest:
		l.parser.plain(line, 0)
	case contained:
		l.parser.contained(c.text)
	default:
		l.parser.read(line)
	}
}

// emit appends the entry. Its bytes are the next n.
func (l *Lines) emit(dst, raw []byte, n int64, partial, truncated bool) []byte {
	if l.LogWisp {
		raw = nil
	}
	dst = l.head.append(dst, &l.parser.entry, place{l.at.Off, n, partial, truncated}, raw)
	l.at.Off += n
	l.levels[rank(l.parser.entry.level.b)]++
	return dst
}

// A group is lines that are one entry. It keeps the first of them whole, and
// behind it the text of all the pieces of a container's line, or the lines that
// follow, each with a newline before it.
type group struct {
	n         int64 // its bytes; 0: there is none
	kept      []byte
	first     int // length of the first line
	stream    []byte
	multiLine bool
	truncated bool // a line of it was
}

func (g *group) open(first []byte, truncated bool) {
	*g = group{kept: append(g.kept[:0], first...), first: len(first), stream: g.stream[:0], truncated: truncated}
}

func (g *group) takes(c piece) bool { return !g.multiLine && bytes.Equal(g.stream, c.stream) }

// text returns what is kept of a container's line.
func (g *group) text() []byte { return g.kept[g.first:] }

// add keeps p, as far as there is room for it. The text of pieces has maxLine,
// lines and what follows them together.
func (g *group) add(p []byte, truncated bool) {
	most := maxLine + 1
	if !g.multiLine {
		most += g.first
	}
	g.kept = append(g.kept, p[:max(0, min(len(p), most-len(g.kept)))]...)
	g.truncated = g.truncated || truncated
}

// takePiece adds a piece to the group, which it begins or ends perhaps.
func (l *Lines) takePiece(dst, line []byte, c piece, truncated bool) []byte {
	if l.group.n == 0 {
		l.group.open(line, false)
		l.group.stream = append(l.group.stream, c.stream...)
	}
	l.group.add(c.text, truncated)
	l.group.n, l.n = l.group.n+l.n, 0
	if c.more {
		return dst
	}
	return l.closeGroup(dst)
}

// closeGroup appends the group as an entry, if there is one. Its raw bytes are
// its text, for the lines have more between.
func (l *Lines) closeGroup(dst []byte) []byte {
	g := &l.group
	if g.n == 0 {
		return dst
	}
	var raw []byte
	var truncated bool
	l.parser.begin()
	if g.multiLine {
		raw, truncated = limit(g.kept)
		first := min(g.first, len(raw))
		l.parser.read(raw[:first])
		l.parser.entry.tail = raw[first:]
	} else {
		l.parser.container(g.kept[:g.first])
		raw, truncated = limit(g.text())
		l.parser.contained(raw)
	}
	n := g.n
	g.n, g.multiLine = 0, false
	dst = l.emit(dst, raw, n, false, truncated || g.truncated)
	g.kept = small(g.kept)
	return dst
}

// limit returns the text of an entry, and whether some of it is left out.
func limit(line []byte) ([]byte, bool) {
	if len(line) <= maxLine {
		return line, false
	}
	return wholeRunes(line[:maxLine]), true
}

// wholeRunes cuts the beginning of a rune off the end.
func wholeRunes(p []byte) []byte {
	for i := len(p) - 1; i >= max(0, len(p)-utf8.UTFMax); i-- {
		if utf8.RuneStart(p[i]) {
			if !utf8.FullRune(p[i:]) {
				return p[:i]
			}
			break
		}
	}
	return p
}
