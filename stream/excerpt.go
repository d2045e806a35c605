package stream

import (
	"bytes"
	"context"

	"fairlead/logfile"
)

const (
	// excerptSize is how much of a file is read at a time to find entries in it.
	excerptSize = 64 << 10
	// breakSize bounds what is read for one entry by its place. In a stretch that
	// has no end of a line that says something, there is a break at each multiple of
	// it which has as many bytes of that stretch before it. So it does not matter
	// from where one comes.
	breakSize = 8 << 20
)

// An excerpt is what was read last of one generation, whose bytes are those from
// floor to size. What it returns is good until it reads again.
type excerpt struct {
	src         logfile.Source
	gen         logfile.GenID
	floor, size int64

	off  int64 // where text is
	text []byte
}

// from returns some bytes from off on, at least one, that end at to at the latest.
func (x *excerpt) from(ctx context.Context, off, to int64) ([]byte, error) {
	if off < x.off || off >= x.off+int64(len(x.text)) {
		if err := x.read(ctx, off, min(x.size, off+excerptSize)); err != nil {
			return nil, err
		}
	}
	text := x.text[off-x.off:]
	return text[:min(int64(len(text)), to-off)], nil
}

// upTo returns some bytes that end at to, at least one.
func (x *excerpt) upTo(ctx context.Context, to int64) ([]byte, error) {
	if to <= x.off || to > x.off+int64(len(x.text)) {
		if err := x.read(ctx, max(x.floor, to-excerptSize), to); err != nil {
			return nil, err
		}
	}
	return x.text[:to-x.off], nil
}

func (x *excerpt) read(ctx context.Context, from, to int64) error {
	if x.text == nil {
		x.text = make([]byte, excerptSize)
	}
	x.off, x.text = from, x.text[:to-from]
	if _, err := readFull(ctx, x.src, x.text, logfile.Pos{Gen: x.gen, Off: from}); err != nil {
		x.text = x.text[:0]
		return err
	}
	return nil
}

// before returns the byte before off; before the first is a newline.
func (x *excerpt) before(ctx context.Context, off int64) (byte, error) {
	if off <= x.floor {
		return '\n', nil
	}
	text, err := x.upTo(ctx, off)
	if err != nil {
		return 0, err
	}
	return text[len(text)-1], nil
}

// inside says that the byte at off is not the first of a line.
func (x *excerpt) inside(ctx context.Context, off int64) (bool, error) {
	c, err := x.before(ctx, off)
	return c != '\n', err
}

// blank says that the newline at off ends an empty line.
func (x *excerpt) blank(ctx context.Context, off int64) (bool, error) {
	c, err := x.before(ctx, off)
	if err == nil && c == '\r' {
		c, err = x.before(ctx, off-1)
	}
	return c == '\n', err
}

// behindLine returns the last place in (least, off) that is behind a line which is
// not empty.
func (x *excerpt) behindLine(ctx context.Context, least, off int64) (at int64, found bool, err error) {
	for p := off - 1; p > least; {
		text, err := x.upTo(ctx, p)
		if err != nil {
			return 0, false, err
		}
		text = text[max(0, int64(len(text))-(p-least)):]
		base := p - int64(len(text))
		i := bytes.LastIndexByte(text, '\n')
		if i < 0 {
			p = base
			continue
		}
		// Of newlines in a row, all but the first end empty lines.
		if first := len(bytes.TrimRight(text[:i], "\n")); first < i {
			p = base + int64(first) + 1
			continue
		}
		p = base + int64(i)
		if blank, err := x.blank(ctx, p); err != nil || !blank {
			return p + 1, err == nil, err
		}
	}
	return 0, false, nil
}

// start returns the last place before off where a line's bytes begin, with those
// of the empty lines before it, or where there is a break. off is above floor.
func (x *excerpt) start(ctx context.Context, off int64) (int64, error) {
	last := (off - 1) / breakSize * breakSize
	at, found, err := x.behindLine(ctx, max(x.floor, last-breakSize), off)
	switch {
	case err != nil || found:
		return at, err
	case last-breakSize >= x.floor:
		return last, nil
	}
	return x.floor, nil
}

// line returns the text of the first line from off on that is not empty, as far as
// an entry keeps it.
func (x *excerpt) line(ctx context.Context, off int64) ([]byte, error) {
	var u unfinished
	for off < x.size && len(u.kept) <= maxLine {
		text, err := x.from(ctx, off, x.size)
		if err != nil {
			return nil, err
		}
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			u.add(text)
			off += int64(len(text))
			continue
		}
		u.add(text[:i])
		if len(u.text()) > 0 {
			break
		}
		u.reset()
		off += int64(i) + 1
	}
	text, _ := limit(u.text())
	return text, nil
}
