package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// syntax takes an error of the parser, and returns where to go on.
func (r *reading) syntax(err error) (next int) {
	start, what := r.failedAt(), err.Error()
	at := span{start, start + 1}
	if e := (*unstable.ParserError)(nil); errors.As(err, &e) {
		// A highlight is a part of the text, of which only the capacity says where.
		if from := cap(r.text) - cap(e.Highlight); from >= r.base && from <= len(r.text) {
			at = span{from, from + max(1, len(e.Highlight))}
		}
		what = e.Message
	}
	start = min(start, at.from)
	next = r.resume(start, at.from)
	what += quotesMissing(r.text[start:at.from], what)
	if first := r.line(start); first != r.line(at.from) {
		what += fmt.Sprintf(" (in what begins in line %d)", first)
	}
	if start < len(r.text) && r.text[start] == '[' {
		r.section, r.skip = "", true // whose keys the next ones are is not known
	}
	r.hideRaw(span{start, next})
	r.problem(at, "%s", what)
	return next
}

// failedAt returns where the expression that cannot be read begins.
func (r *reading) failedAt() int {
	off := r.done
	if off > r.base { // the rest of the line of the one before has been read
		off += endOfLine(r.text[off:])
	}
	for off < len(r.text) {
		line := r.text[off : off+endOfLine(r.text[off:])]
		if trimmed := bytes.TrimLeft(line, " \t\r\n"); len(trimmed) > 0 && trimmed[0] != '#' {
			return off + len(line) - len(trimmed)
		}
		off += len(line)
	}
	return min(r.done, len(r.text)-1)
}

// endOfLine returns the length of the first line of b, its end with it.
func endOfLine(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return len(b)
}

// quotesMissing is a cure for the error that is made most: text without quotes.
func quotesMissing(before []byte, what string) string {
	name, value, isValue := bytes.Cut(before, []byte("="))
	value = bytes.TrimSpace(value)
	bare := len(value) == 0 || strings.IndexByte("\"'[{", value[0]) < 0
	if isValue && bare && (strings.HasPrefix(what, "expected newline") || strings.HasPrefix(what, "unexpected character U+00") ||
		strings.HasPrefix(what, "expected keyword") || strings.HasPrefix(what, "strings must")) {
		return fmt.Sprintf(`: text is in quotes, as in %s = "text"`, shown(string(bytes.TrimSpace(name))))
	}
	return ""
}

// hideRaw masks text that could not be read, from the value of what may be a
// secret key on.
func (r *reading) hideRaw(s span) {
	lower := bytes.Clone(r.text[s.from:s.to])
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	hidden := -1
	for _, secret := range r.secrets {
		if i := bytes.Index(lower, []byte(secret)); i >= 0 && (hidden < 0 || i < hidden) {
			hidden = i + len(secret)
		}
	}
	if hidden < 0 {
		name, _, _ := bytes.Cut(lower, []byte("="))
		if !r.soundsSecret(string(bytes.TrimSpace(name))) {
			return
		}
		hidden = len(name)
	}
	for hidden < len(lower) && strings.IndexByte(" \t='\"", lower[hidden]) >= 0 {
		hidden++
	}
	r.masks = append(r.masks, span{s.from + hidden, s.to})
}

// looksNew is a line that looks like the beginning of something.
var looksNew = regexp.MustCompile(`^[ \t]*(\[{1,2}[ \t]*[\w.-]+[ \t]*\]{1,2}[ \t]*(#.*)?\r?\n?$|[\w-]+([ \t]*\.[ \t]*[\w-]+)*[ \t]*=)`)

// resume returns where to go on behind an error: at the next line, or, if what
// failed may go on there, at the first one where something seems to begin. In the
// middle of a list there would be errors that are none.
func (r *reading) resume(start, failed int) int {
	off := r.lines[r.line(failed)-1]
	if off <= start {
		off = start + endOfLine(r.text[start:])
		if !mayGoOn(r.text[start:failed]) {
			return off
		}
	}
	for off < len(r.text) {
		end := off + endOfLine(r.text[off:])
		if looksNew.Match(r.text[off:end]) {
			return off
		}
		off = end
	}
	return len(r.text)
}

// mayGoOn says that the beginning of an expression opens what can have more lines.
func mayGoOn(text []byte) bool {
	if len(text) > 0 && text[0] == '[' {
		return false // a header
	}
	return bytes.ContainsAny(text, "[{") || bytes.Contains(text, []byte(`"""`)) || bytes.Contains(text, []byte("'''"))
}
