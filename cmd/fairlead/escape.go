package main

import (
	"fmt"
	"io"
	"unicode/utf8"
)

// An escaper makes bytes of unknown origin safe for a terminal: C0 controls but
// LF and TAB, DEL, C1 controls (as single bytes and as UTF-8), bidi controls
// and whatever is not UTF-8 are written as text, \x1b or \u202e. A code point
// beyond ASCII gets the form that JSON knows, so JSON stays JSON.
//
// A rune that is not complete yet is held until the next Write or Flush.
type escaper struct {
	w    io.Writer
	held []byte // the first bytes of a rune
	out  []byte // reused
}

// Write escapes p. It returns len(p) unless the writer behind it fails.
func (e *escaper) Write(p []byte) (int, error) {
	in := p
	if len(e.held) > 0 {
		in = append(e.held, p...)
	}
	e.out = e.out[:0]
	for len(in) > 0 && utf8.FullRune(in) {
		r, n := utf8.DecodeRune(in)
		e.out = appendSafe(e.out, r, in[:n])
		in = in[n:]
	}
	e.held = append([]byte(nil), in...)
	if _, err := e.w.Write(e.out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what is held, as bytes of no rune.
func (e *escaper) Flush() error {
	e.out = e.out[:0]
	for i := range e.held {
		e.out = appendSafe(e.out, utf8.RuneError, e.held[i:i+1])
	}
	e.held = nil
	_, err := e.w.Write(e.out)
	return err
}

// appendSafe appends the rune r, which raw encodes.
func appendSafe(out []byte, r rune, raw []byte) []byte {
	switch {
	case r == utf8.RuneError && len(raw) == 1, r < 0x20 && r != '\n' && r != '\t':
		return fmt.Appendf(out, `\x%02x`, raw[0])
	case unsafeOnTerminal(r):
		return fmt.Appendf(out, `\u%04x`, r)
	}
	return append(out, raw...)
}

func unsafeOnTerminal(r rune) bool {
	switch {
	case r < 0x20:
		return r != '\n' && r != '\t'
	case r >= 0x7f && r <= 0x9f: // DEL, C1
		return true
	case r == 0x61c, r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // bidi
		return true
	}
	return false
}

// printable returns s as an escaper would write it.
func printable(s string) string {
	var out []byte
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		out = appendSafe(out, r, []byte(s[i:i+n]))
		i += n
	}
	return string(out)
}
