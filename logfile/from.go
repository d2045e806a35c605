package logfile

import (
	"fmt"
	"strconv"
	"strings"
)

// From says where a reader begins. The zero From is byte 0 of the current
// generation.
type From struct {
	gen  GenID
	off  int64 // from the start, or, if tail, back from the end
	tail bool
	own  bool // from where the log's own bytes begin; see Gen.From
	all  bool // with the generations that were rotated since the log joined
}

// FromStart, FromEnd and the others are the values of the one word "from". A
// file that was another log's before begins where that log's bytes end.
var (
	FromStart = From{own: true}
	FromEnd   = From{tail: true}
)

// FromJoined is for those who read whatever appears: all that the log has had
// since it joined the Set, though it may have been rotated before they saw it.
var FromJoined = From{own: true, all: true}

// FromOffset is byte off of the current generation; below zero it counts back
// from the end and stops at the beginning.
func FromOffset(off int64) From {
	if off < 0 {
		return From{off: off, tail: true}
	}
	return From{off: off}
}

// FromPos is one byte of one generation.
func FromPos(p Pos) From { return From{gen: p.Gen, off: p.Off} }

// ParseFrom reads start, end, N, -N or GEN:N (bytes).
func ParseFrom(s string) (From, error) {
	switch s {
	case "start", "0":
		return FromStart, nil
	case "end":
		return FromEnd, nil
	}
	if strings.Contains(s, ":") {
		p, err := ParsePos(s)
		return FromPos(p), err
	}
	off, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return From{}, fmt.Errorf("parse from %q: want start, end, N, -N or GENERATION:N", s)
	}
	return FromOffset(off), nil
}

// Resolve returns the position in a log of which st is known. Without a current
// generation the Gen of the result is zero, and its Off counts in the first one
// to appear. A position may lie beyond the end of the file.
func (f From) Resolve(st Stat) Pos {
	if !f.gen.IsZero() {
		return Pos{f.gen, f.off}
	}
	var p Pos
	var size int64
	if st.Current != nil {
		p.Gen, size = st.Current.ID, st.Current.Size
	}
	for _, g := range st.Old {
		if f.all && g.ord >= max(st.joined, 1) {
			return Pos{g.ID, g.From}
		}
	}
	if f.own && st.Current != nil {
		p.Off = st.Current.From
		return p
	}
	if !f.tail {
		p.Off = f.off
		return p
	}
	// f.off is at or below zero, so the sum cannot overflow.
	p.Off = max(0, size+f.off)
	return p
}
