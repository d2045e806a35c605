package measure

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// A line of a latency run is 64 bytes: its number in 8 digits, its stamp in 16 (nanoseconds of
// CLOCK_MONOTONIC since the run's base), padding, LF. Fixed columns keep the readers cheap: they
// share the cores with the server they measure.
const (
	LineLen  = 64
	stampAt  = 9
	stampLen = 16

	// LinesLimit is the number of lines that 8 digits tell apart.
	LinesLimit = 100_000_000
)

// AppendLine appends one line.
func AppendLine(b []byte, seq, stamp int64) []byte {
	b = append(b, blank...)
	line := b[len(b)-LineLen:]
	digits(line[:stampAt-1], seq)
	digits(line[stampAt:stampAt+stampLen], stamp)
	return b
}

var blank = []byte(strings.Repeat(" ", stampAt+stampLen+1) + strings.Repeat(".", LineLen-stampAt-stampLen-2) + "\n")

func digits(p []byte, n int64) {
	for i := len(p) - 1; i >= 0; i-- {
		p[i] = byte('0' + n%10)
		n /= 10
	}
}

// appendLines appends the lines from first to below end.
func appendLines(b []byte, first, end, stamp int64) []byte {
	for ; first < end; first++ {
		b = AppendLine(b, first, stamp)
	}
	return b
}

// ParseLine reads a whole line; ok is false for anything that AppendLine does not write.
func ParseLine(p []byte) (seq, stamp int64, ok bool) {
	seq, stamp, ok = ParseText(p)
	return seq, stamp, ok && p[LineLen-1] == '\n'
}

// ParseText reads what a line says, without its LF.
func ParseText(p []byte) (seq, stamp int64, ok bool) {
	p = p[:LineLen-1]
	seq, okSeq := eightDigits(p)
	high, okHigh := eightDigits(p[stampAt:])
	low, okLow := eightDigits(p[stampAt+8:])
	ok = okSeq && okHigh && okLow && p[stampAt-1] == ' ' && p[stampAt+stampLen] == ' '
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

// LineCounter follows the numbers of one client's lines, which are to be 0, 1, 2 and so on.
type LineCounter struct {
	Next    int64              // one more than the highest number seen
	missing map[int64]struct{} // below next and not seen
	rest    []byte             // the beginning of a line whose end has not come

	Doubled   int64 // seen before
	Reordered int64 // passed over, then seen after all
	Torn      int64 // not one of our lines
}

// Feed takes the next bytes of the stream and calls each for every line that is a new one.
func (c *LineCounter) Feed(p []byte, each func(seq, stamp int64)) {
	for len(c.rest) > 0 && len(p) > 0 {
		n := min(LineLen-len(c.rest), len(p))
		c.rest = append(c.rest, p[:n]...)
		p = p[n:]
		c.rest = append(c.rest[:0], c.take(c.rest, each)...)
	}
	c.rest = append(c.rest, c.take(p, each)...)
}

// take reads all whole lines of p and returns what is left of it. After a torn one it goes on
// behind the next LF.
func (c *LineCounter) take(p []byte, each func(seq, stamp int64)) []byte {
	for len(p) >= LineLen {
		seq, stamp, ok := ParseLine(p)
		if !ok {
			c.Torn++
			p = p[endOfTorn(p[:LineLen]):]
			continue
		}
		p = p[LineLen:]
		if c.Saw(seq) {
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

// Saw counts one number; false if it is there twice.
func (c *LineCounter) Saw(seq int64) bool {
	if seq < c.Next {
		if _, ok := c.missing[seq]; !ok {
			c.Doubled++
			return false
		}
		delete(c.missing, seq)
		c.Reordered++
		return true
	}
	for ; c.Next < seq; c.Next++ {
		if c.missing == nil {
			c.missing = make(map[int64]struct{})
		}
		c.missing[c.Next] = struct{}{}
	}
	c.Next = seq + 1
	return true
}

// Lost is how many of the first total lines never came.
func (c *LineCounter) Lost(total int64) int64 {
	return int64(len(c.missing)) + max(total-c.Next, 0)
}
