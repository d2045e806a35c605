package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"fairlead/logfile"
)

// maxLine is how much of a line is kept; the rest is only counted.
const maxLine = 256 << 10

// An entry is one line as JSON. The next of its file begins at At + Len.
type entry struct {
	Source    string  `json:"source"`
	At        string  `json:"at"`  // GENERATION:OFFSET of its first byte
	Len       int64   `json:"len"` // bytes, the newline included
	Message   *string `json:"message,omitempty"`
	Raw       []byte  `json:"raw_b64,omitempty"` // instead of Message: not UTF-8
	Partial   bool    `json:"partial,omitempty"` // there was no newline yet
	Truncated bool    `json:"truncated,omitempty"`
}

// A gap names bytes that nobody can read any more.
type gap struct {
	Type    string              `json:"type"`
	Missing map[string][]string `json:"missing"`
}

// A lineReader cuts the bytes of one log into lines and keeps the one that is
// not finished.
type lineReader struct {
	source string
	at     logfile.Pos // of the unfinished line
	n      int64       // bytes of it, those that were not kept included
	kept   []byte
	out    bytes.Buffer
}

func (l *lineReader) unfinished() bool { return l.n > 0 }

// pos returns what comes next: the start of the unfinished line, or else there.
func (l *lineReader) pos(there logfile.Pos) logfile.Pos {
	if l.unfinished() {
		return l.at
	}
	return there
}

// add returns the entries that p, the bytes of span, finishes. What it returns
// is good until the next call.
func (l *lineReader) add(span logfile.Span, p []byte) []byte {
	l.out.Reset()
	if l.unfinished() && (span.Gen != l.at.Gen || span.Off != l.at.Off+l.n) {
		l.emit(true) // another generation: the line will not be finished
	}
	l.at.Gen = span.Gen
	if !l.unfinished() {
		l.at.Off = span.Off
	}
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n') + 1
		finished := i > 0
		if !finished {
			i = len(p)
		}
		l.keep(p[:i])
		if finished {
			l.emit(false)
		}
		p = p[i:]
	}
	return l.out.Bytes()
}

// flush returns the unfinished line as an entry, if there is one.
func (l *lineReader) flush() []byte {
	l.out.Reset()
	if l.unfinished() {
		l.emit(true)
	}
	return l.out.Bytes()
}

func (l *lineReader) keep(p []byte) {
	l.n += int64(len(p))
	l.kept = append(l.kept, p[:min(len(p), maxLine+1-len(l.kept))]...)
}

// emit writes the line as it is and begins the next one.
func (l *lineReader) emit(partial bool) {
	e := entry{Source: l.source, At: l.at.String(), Len: l.n, Partial: partial}
	text := l.kept
	if l.n == int64(len(text)) {
		text = bytes.TrimSuffix(text, []byte{'\n'})
	}
	if len(text) > maxLine {
		text, e.Truncated = wholeRunes(text[:maxLine]), true
	}
	if utf8.Valid(text) {
		s := string(text)
		e.Message = &s
	} else {
		e.Raw = text
	}
	appendJSON(&l.out, e)
	l.at.Off += l.n
	l.n, l.kept = 0, l.kept[:0]
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

func appendGap(text []byte, source string, e *logfile.Ended) []byte {
	out := bytes.NewBuffer(text)
	missing := fmt.Sprintf("%s:%d-%d", e.Gen, e.Lost.From, e.Lost.To)
	appendJSON(out, gap{"gap", map[string][]string{source: {missing}}})
	return out.Bytes()
}

// appendJSON appends one line. No value that comes here can fail to encode.
func appendJSON(out *bytes.Buffer, v any) {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("bug: " + err.Error())
	}
}
