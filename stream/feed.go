package stream

import (
	"bytes"
	"context"

	"github.com/valyala/fastjson"

	"fairlead/logfile"
)

// A feeder makes entries of a file from one place on, and shows each to take,
// until that wants no more.
type feeder struct {
	*excerpt
	lines *Lines
	take  func(entry []byte, at, end int64) bool
	off   int64 // what comes next
	more  bool  // take wants
	cut   bool  // there was a break at off, or nothing has been read yet
	out   []byte
}

func (w *walk) feeder(ctx context.Context, off int64, take func(entry []byte, at, end int64) bool) (*feeder, error) {
	f := &feeder{excerpt: &w.excerpt, lines: w.lines(), take: take, off: off, more: true}
	return f, f.enter(ctx)
}

// enter begins at f.off, inside a line perhaps. If of that only the end is left,
// at a break, it has been told already.
func (f *feeder) enter(ctx context.Context) error {
	inside, err := f.inside(ctx, f.off)
	if err != nil {
		return err
	}
	if inside && f.off%breakSize == 0 && f.off < f.size {
		at := f.off
		text, err := f.from(ctx, at, f.size)
		if err == nil && text[0] == '\r' && at+1 < f.size {
			at++
			text, err = f.from(ctx, at, f.size)
		}
		if err != nil {
			return err
		}
		if text[0] == '\n' {
			inside = false
			if blank, err := f.blank(ctx, at); err != nil {
				return err
			} else if !blank {
				f.off = at + 1
			}
		}
	}
	f.lines.enter(logfile.Pos{Gen: f.gen, Off: f.off}, inside)
	return nil
}

// next returns where the next entry begins.
func (f *feeder) next() int64 { return f.lines.Pos(logfile.Pos{Off: f.off}).Off }

// bite takes the next bytes, to the next break or to, where the file has more or
// ends, at most.
func (f *feeder) bite(ctx context.Context, to int64) error {
	text, err := f.from(ctx, f.off, min(to, f.off+bite, (f.off/breakSize+1)*breakSize))
	if err != nil {
		return err
	}
	f.show(f.lines.Add(f.out[:0], logfile.Span{Gen: f.gen, Off: f.off, N: int64(len(text))}, text))
	f.off += int64(len(text))
	f.cut = f.off%breakSize == 0 && f.next() < f.off && f.lines.lineStart() <= f.off-breakSize
	if f.cut && f.more {
		f.flush()
		return f.enter(ctx)
	}
	return nil
}

// flush shows what waits.
func (f *feeder) flush() { f.show(f.lines.Flush(f.out[:0])) }

// flushGroup shows the lines that wait for more of their entry.
func (f *feeder) flushGroup() { f.show(f.lines.closeGroup(f.out[:0])) }

func (f *feeder) show(entries []byte) {
	f.out = entries
	for line := range bytes.Lines(entries) {
		pos, n, ok := entryPlace(line)
		if f.more = f.more && ok; !f.more {
			return
		}
		f.more = f.take(line, pos.Off, pos.Off+n)
	}
}

// A sieve lets entries through. A nil filter lets all.
type sieve struct {
	filter *Filter
	parser fastjson.Parser
}

func (s *sieve) lets(entry []byte) bool {
	return s.filter == nil || s.filter.lets(&s.parser, entry)
}

// kept are entries that were chosen.
type kept struct {
	all  []keptEntry
	n    int   // their bytes
	from int64 // entries that end at or before it were dropped; 0: none
}

type keptEntry struct {
	text []byte
	end  int64
}

func (k *kept) add(entry []byte, end int64) {
	k.all = append(k.all, keptEntry{bytes.Clone(entry), end})
	k.n += len(entry)
}

func (k *kept) dropFirst() {
	first := k.all[0]
	k.all[0] = keptEntry{}
	k.all = k.all[1:]
	k.n -= len(first.text)
	k.from = first.end
}
