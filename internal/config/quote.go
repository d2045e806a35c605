package config

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A document is the text of a configuration file, for errors that point into it.
type document struct {
	path  string
	text  []byte
	lines []int  // where each line begins
	masks []span // secrets, which are not quoted
}

// A span is a range of bytes of a document.
type span struct{ from, to int }

func newDocument(path string, text []byte) *document {
	d := &document{path: path, text: text, lines: []int{0}}
	for i, c := range text {
		if c == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	return d
}

// line returns the number of the line that holds a byte, from 1 on.
func (d *document) line(off int) int {
	i, exact := slices.BinarySearch(d.lines, off)
	if exact {
		i++
	}
	// What is behind the last newline is said of the line that it ends.
	if i == len(d.lines) && i > 1 && d.lines[i-1] == len(d.text) {
		i--
	}
	return i
}

func (d *document) where(off int) string { return d.path + ":" + strconv.Itoa(d.line(off)) }

// lineSpan returns the line with a number, without what ends it.
func (d *document) lineSpan(number int) span {
	s := span{d.lines[number-1], len(d.text)}
	if i := bytes.IndexByte(d.text[s.from:], '\n'); i >= 0 {
		s.to = s.from + i
	}
	if s.to > s.from && d.text[s.to-1] == '\r' {
		s.to--
	}
	return s
}

// fault returns an error that quotes the line, with carets below what is meant.
func (d *document) fault(at span, text string) *Error {
	return &Error{Where: d.where(at.from), Text: text, Quote: d.quote(at)}
}

const (
	quoteBefore = 60 // bytes of a long line that are shown before what is meant
	quoteWidth  = 160
)

// quote returns the line of a span, and another with carets below the span.
func (d *document) quote(at span) string {
	number := d.line(at.from)
	line := d.lineSpan(number)
	at.from = min(at.from, line.to)
	at.to = min(max(at.to, at.from+1), max(line.to, at.from+1))

	view := d.window(line, at.from)
	masks := d.masksOf(line)
	q := quoted{at: at}
	q.add(view.from, mark(view.from > line.from), false)
	for off := view.from; off < view.to; {
		if mask, ok := masked(masks, off); ok {
			q.add(off, "(secret)", mask.to > at.from)
			off = min(max(mask.to, off+1), view.to)
			continue
		}
		r, n := utf8.DecodeRune(d.text[off:])
		q.add(off, visible(r, d.text[off:off+n]), off+n > at.from)
		off += n
	}
	if q.carets.Len() == 0 { // behind the last letter
		q.carets.WriteByte('^')
	}
	q.line.WriteString(mark(view.to < line.to))
	margin := strings.Repeat(" ", len(strconv.Itoa(number)))
	return fmt.Sprintf("  %d | %s\n  %s | %s%s", number, &q.line, margin, &q.indent, &q.carets)
}

func mark(cut bool) string {
	if cut {
		return "..."
	}
	return ""
}

// window returns what of a line is shown, so that the errors of a file of one
// line are no longer than those of others.
func (d *document) window(line span, off int) span {
	view := line
	if off-line.from > quoteBefore && line.to-line.from > quoteWidth {
		view.from = off - quoteBefore
	}
	view.to = min(line.to, view.from+quoteWidth)
	for view.from > line.from && view.from < line.to && !utf8.RuneStart(d.text[view.from]) {
		view.from--
	}
	for view.to > view.from && view.to < line.to && !utf8.RuneStart(d.text[view.to]) {
		view.to--
	}
	return view
}

// masksOf returns the masks that cover some of a line.
func (d *document) masksOf(line span) (masks []span) {
	for _, m := range d.masks {
		if m.from < line.to && m.to > line.from {
			masks = append(masks, m)
		}
	}
	return masks
}

func masked(masks []span, off int) (span, bool) {
	for _, m := range masks {
		if m.from <= off && off < m.to {
			return m, true
		}
	}
	return span{}, false
}

// quoted is a line, and below it the blanks and carets, as it is built.
type quoted struct {
	at                   span
	line, indent, carets strings.Builder
}

// add adds what is shown of the byte at off, which is before the carets or not.
func (q *quoted) add(off int, shown string, reached bool) {
	q.line.WriteString(shown)
	switch {
	case off >= q.at.to:
	case reached:
		q.carets.WriteString(strings.Repeat("^", width(shown)))
	case shown == "\t":
		q.indent.WriteByte('\t') // as wide as the one above
	default:
		q.indent.WriteString(strings.Repeat(" ", width(shown)))
	}
}

// visible returns a rune as it is, or what stands for it where it has no shape of
// its own.
func visible(r rune, raw []byte) string {
	if r == '\t' || unicode.IsPrint(r) && (r != utf8.RuneError || len(raw) > 1) {
		return string(raw)
	}
	return strings.Trim(strconv.QuoteToASCII(string(raw)), `"`)
}

// width returns how many columns of a terminal a text takes.
func width(s string) (columns int) {
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case r >= 0x1100 && unicode.Is(wide, r):
			columns += 2
		default:
			columns++
		}
	}
	return columns
}

// wide is, roughly, what takes two columns: the scripts of East Asia, and emoji.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115f, Stride: 1}, {Lo: 0x2e80, Hi: 0xa4cf, Stride: 1}, {Lo: 0xa960, Hi: 0xa97c, Stride: 1},
		{Lo: 0xac00, Hi: 0xd7a3, Stride: 1}, {Lo: 0xf900, Hi: 0xfaff, Stride: 1}, {Lo: 0xfe30, Hi: 0xfe6f, Stride: 1},
		{Lo: 0xff00, Hi: 0xff60, Stride: 1}, {Lo: 0xffe0, Hi: 0xffe6, Stride: 1},
	},
	R32: []unicode.Range32{{Lo: 0x1f300, Hi: 0x1faff, Stride: 1}, {Lo: 0x20000, Hi: 0x3fffd, Stride: 1}},
}
