package spool

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A Mark is what was kept beside a segment.
type Mark struct {
	Pos   Pos
	Text  []byte // what Options.Mark gave when the segment began at Pos
	Notes []byte // what was noted since, whole notes only
}

// Marks returns the newest mark at or before from, and all after it, also of
// later epochs. It is not ok if none is known at or before from, because its
// epoch is not, or because it is older than what is kept: then it returns all.
func (s *Spool) Marks(from Pos) (marks []Mark, ok bool) {
	s.mu.RLock()
	kept := slices.Clone(s.marks)
	raw := make([][]byte, len(kept))
	for i, m := range kept {
		raw[i] = m.raw
	}
	s.mu.RUnlock()

	first := 0
	for i, m := range kept {
		if m.epoch == from.Epoch && m.base <= from.Off {
			first, ok = i, true
		}
	}
	for i, m := range kept[first:] {
		b := raw[first+i]
		if b == nil {
			b, _ = os.ReadFile(m.path) // it may have been dropped since
		}
		h, text, frames, err := parseMark(b)
		if err != nil || h != m.header {
			ok = ok && i > 0
			continue
		}
		_, notes, _ := parseFrames(frames)
		marks = append(marks, Mark{Pos: Pos{m.epoch, m.base}, Text: text, Notes: notes})
	}
	return marks, ok
}

// A mark is a .pos file. Its fields below are guarded by Spool.mu; only the
// writer changes those of the newest.
type mark struct {
	header
	path string // empty in memory
	size int64  // of what is whole
	raw  []byte // what the file would have; in memory
	out  file   // nil unless it is written or was not synced
}

// A header is the first line of a .pos file.
type header struct {
	epoch Epoch
	base  int64
	seq   uint64
	text  int64 // its length
	boot  string
}

// maxOffset keeps sums of an offset and the size of a file from overflowing.
const maxOffset = 1 << 62

const magic = "fairlead spool 1"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (h header) line(crc uint32) string {
	return fmt.Sprintf("%s %v %d %d %d %08x %q\n", magic, h.epoch, h.base, h.seq, h.text, crc, h.boot)
}

func (h header) crc(text []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(h.line(0)), castagnoli), castagnoli, text)
}

// encodeMark returns the beginning of a .pos file.
func encodeMark(h header, text []byte) []byte {
	h.text = int64(len(text))
	return append([]byte(h.line(h.crc(text))), text...)
}

// parseMark takes a .pos file apart. What it returns are parts of b.
func parseMark(b []byte) (h header, text, frames []byte, err error) {
	bad := func(what string) (header, []byte, []byte, error) {
		return header{}, nil, nil, fmt.Errorf("parse mark: %s", what)
	}
	line, rest, found := bytes.Cut(b, []byte("\n"))
	if !found || !bytes.HasPrefix(line, []byte(magic+" ")) {
		return bad("no header")
	}
	part := strings.SplitN(string(line[len(magic)+1:]), " ", 6)
	if len(part) != 6 {
		return bad("a header that is too short")
	}
	epoch, err1 := strconv.ParseUint(part[0], 16, 32)
	base, err2 := strconv.ParseInt(part[1], 10, 64)
	seq, err3 := strconv.ParseUint(part[2], 10, 64)
	n, err4 := strconv.ParseInt(part[3], 10, 64)
	crc, err5 := strconv.ParseUint(part[4], 16, 32)
	boot, err6 := strconv.Unquote(part[5])
	for _, err := range []error{err1, err2, err3, err4, err5, err6} {
		if err != nil {
			return bad("a header that says nothing")
		}
	}
	h = header{epoch: Epoch(epoch), base: base, seq: seq, text: n, boot: boot}
	switch {
	case h.line(uint32(crc)) != string(line)+"\n":
		return bad("a header that is not as we write it")
	case epoch == 0 || base < 0 || base > maxOffset || seq > maxOffset || n < 0 || n > int64(len(rest)):
		return bad("a header with impossible numbers")
	case h.crc(rest[:n]) != uint32(crc):
		return bad("a wrong checksum")
	}
	return h, rest[:n:n], rest[n:], nil
}

const (
	noteFrame = "note"
	bootFrame = "boot"
)

func encodeFrame(kind string, b []byte) []byte {
	return append(fmt.Appendf(nil, "%s %d %08x\n", kind, len(b), frameCRC(kind, b)), b...)
}

func frameCRC(kind string, b []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(kind+" "), castagnoli), castagnoli, b)
}

// parseFrames returns how many bytes are whole frames, the notes in them, and
// the last boot named, if any.
func parseFrames(b []byte) (whole int, notes []byte, boot *string) {
	for whole < len(b) {
		line, rest, found := bytes.Cut(b[whole:], []byte("\n"))
		kind, numbers, _ := strings.Cut(string(line[:min(len(line), 64)]), " ")
		length, _, _ := strings.Cut(numbers, " ")
		n, err := strconv.Atoi(length)
		if !found || err != nil || n < 0 || n > len(rest) || kind != noteFrame && kind != bootFrame {
			return whole, notes, boot
		}
		body := rest[:n]
		frame := encodeFrame(kind, body)
		if !bytes.HasPrefix(b[whole:], frame) {
			return whole, notes, boot
		}
		whole += len(frame)
		if kind == noteFrame {
			notes = append(notes, body...)
		} else {
			text := string(body)
			boot = &text
		}
	}
	return whole, notes, boot
}
