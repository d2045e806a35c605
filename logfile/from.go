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
	file bool // in the file, whatever the log has had between two parts of it
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

// FromPos is where a follower stood, as Follower.Pos said: it goes on there, with
// all that the log has had since.
func FromPos(p Pos) From { return From{gen: p.Gen, off: p.Off} }

// FromByte is one byte of the file that is, or was, a generation. It differs from
// FromPos where the file was away for a while and came back: what was at the
// log's path in between does not matter.
func FromByte(p Pos) From { return From{gen: p.Gen, off: p.Off, file: true} }

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
	p, _ := f.resolve(st)
	return p
}

// resolve returns the part that the position is in too; nil if it is not known.
func (f From) resolve(st Stat) (Pos, *Gen) {
	if !f.gen.IsZero() {
		p := Pos{f.gen, f.off}
		if f.file {
			return p, st.Find(p.Gen)
		}
		return p, st.at(p, 0)
	}
	for _, g := range st.Old {
		if f.all && g.ord >= max(st.joined, 1) {
			return Pos{g.ID, g.From}, g
		}
	}
	g := st.Current
	switch {
	case g == nil:
		return Pos{Off: max(0, f.off)}, nil
	case f.own:
		return Pos{g.ID, g.From}, g
	case f.tail: // f.off is at or below zero, so the sum cannot overflow
		return Pos{g.ID, max(0, g.Size+f.off)}, g
	}
	return Pos{g.ID, f.off}, g
}

// FromOldest is the first byte of what a log still has, for readers that are to miss
// nothing.
func FromOldest(st Stat) From {
	for _, g := range st.Old {
		if g.Readable {
			return FromByte(Pos{g.ID, g.From})
		}
	}
	return FromJoined
}
