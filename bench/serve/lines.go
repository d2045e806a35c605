package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// A line of a latency run is 64 bytes: its number in 8 digits, its stamp in 16 (nanoseconds of
// CLOCK_MONOTONIC since the run's base), padding, LF. Fixed columns keep the readers cheap: they
// share the cores with the server they measure.
const (
	lineLen    = 64
	stampAt    = 9
	stampLen   = 16
	linesLimit = 100_000_000 // what 8 digits hold
)

func appendLine(b []byte, seq, stamp int64) []byte {
	b = fmt.Appendf(b, "%08d %016d ", seq, stamp)
	for len(b)%lineLen != lineLen-1 {
		b = append(b, '.')
	}
	return append(b, '\n')
}

// parseLine reads a whole line; ok is false for anything that appendLine does not write.
func parseLine(p []byte) (seq, stamp int64, ok bool) {
	p = p[:lineLen]
	seq, okSeq := eightDigits(p)
	high, okHigh := eightDigits(p[stampAt:])
	low, okLow := eightDigits(p[stampAt+8:])
	ok = okSeq && okHigh && okLow && p[stampAt-1] == ' ' && p[stampAt+stampLen] == ' ' && p[lineLen-1] == '\n'
	return seq, high*100_000_000 + low, ok
}

// eightDigits reads eight decimal digits at once: pairs, then fours, then all are joined within
// one word.
func eightDigits(p []byte) (int64, bool) {
	v := binary.LittleEndian.Uint64(p)
	const high, zeros = 0xf0f0f0f0f0f0f0f0, 0x3030303030303030
	if v&high != zeros || (v+0x0606060606060606)&high != zeros {
		return 0, false
	}
	v -= zeros
	v = v*10 + v>>8
	const pairs = 0x000000ff000000ff
	v = (v&pairs*(100+1_000_000<<32) + v>>16&pairs*(1+10_000<<32)) >> 32
	return int64(v), true
}

// lineCounter follows the numbers of one client's lines, which are to be 0, 1, 2 and so on.
type lineCounter struct {
	next    int64              // one more than the highest number seen
	missing map[int64]struct{} // below next and not seen
	rest    []byte             // the beginning of a line whose end has not come

	doubled   int64 // seen before
	reordered int64 // passed over, then seen after all
	torn      int64 // not one of our lines
}

// feed takes the next bytes of the stream and calls each for every line that is a new one.
func (c *lineCounter) feed(p []byte, each func(seq, stamp int64)) {
	for len(c.rest) > 0 && len(p) > 0 {
		n := min(lineLen-len(c.rest), len(p))
		c.rest = append(c.rest, p[:n]...)
		p = p[n:]
		c.rest = append(c.rest[:0], c.take(c.rest, each)...)
	}
	c.rest = append(c.rest, c.take(p, each)...)
}

// take reads all whole lines of p and returns what is left of it. After a torn one it goes on
// behind the next LF.
func (c *lineCounter) take(p []byte, each func(seq, stamp int64)) []byte {
	for len(p) >= lineLen {
		seq, stamp, ok := parseLine(p)
		if !ok {
			c.torn++
			p = p[endOfTorn(p[:lineLen]):]
			continue
		}
		p = p[lineLen:]
		if c.saw(seq) {
			each(seq, stamp)
		}
	}
	return p
}

func endOfTorn(p []byte) int {
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		return i + 1
	}
	return len(p)
}

// saw counts one number; false if it is there twice.
func (c *lineCounter) saw(seq int64) bool {
	if seq < c.next {
		if _, ok := c.missing[seq]; !ok {
			c.doubled++
			return false
		}
		delete(c.missing, seq)
		c.reordered++
		return true
	}
	for ; c.next < seq; c.next++ {
		if c.missing == nil {
			c.missing = make(map[int64]struct{})
		}
		c.missing[c.next] = struct{}{}
	}
	c.next = seq + 1
	return true
}

// lost is how many of the first total lines never came.
func (c *lineCounter) lost(total int64) int64 {
	return int64(len(c.missing)) + max(total-c.next, 0)
}
