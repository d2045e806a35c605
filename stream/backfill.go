package stream

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"fairlead/logfile"
)

// backfillSize is how much of the end of one log is read for a backfill.
const backfillSize = 256 << 10

// A backfill gathers the newest lines of several logs.
type backfill struct {
	stream *Stream
	most   int
	newest oldestFirst
	seq    int
}

// A filled is an entry of a backfill. Time never goes back within a log: one
// that says it is older than that before it is taken for as old, so that the
// order of a log stays its own.
type filled struct {
	time  time.Time
	seq   int    // among entries of the same time
	name  string // of the log
	pos   logfile.Pos
	entry []byte
}

func (f filled) compare(g filled) int {
	return cmp.Or(f.time.Compare(g.time), cmp.Compare(f.seq, g.seq))
}

// oldestFirst is a heap.
type oldestFirst []filled

func (h oldestFirst) Len() int           { return len(h) }
func (h oldestFirst) Less(i, j int) bool { return h[i].compare(h[j]) < 0 }
func (h oldestFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *oldestFirst) Push(x any)        { *h = append(*h, x.(filled)) }
func (h *oldestFirst) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func (s *Stream) newBackfill() *backfill { return &backfill{stream: s, most: s.opt.Backfill} }

// end adds the last lines of a log, which ends at pos, and returns where its
// unfinished line begins: the entries go to there.
func (b *backfill) end(ctx context.Context, src logfile.Source, pos logfile.Pos) logfile.Pos {
	st := src.Stat()
	if st.Current == nil || st.Current.ID != pos.Gen {
		return pos
	}
	from := max(st.Current.From, pos.Off-backfillSize)
	text := make([]byte, pos.Off-from)
	if _, err := readFull(ctx, src, text, logfile.Pos{Gen: pos.Gen, Off: from}); err != nil {
		return pos // what cannot be read now is read from the end on
	}
	text = wholeLines(text)
	if len(text) == 0 {
		return pos
	}
	end := logfile.Pos{Gen: pos.Gen, Off: from + int64(len(text))}
	if from > st.Current.From { // the first line may be the rest of one
		cut := bytes.IndexByte(text, '\n') + 1
		text, from = text[cut:], from+int64(cut)
	}
	if !b.tooOld(st.Current.Modified) {
		b.add(src, logfile.Pos{Gen: pos.Gen, Off: from}, text, st.Current.Modified)
	}
	return end
}

func (b *backfill) add(src logfile.Source, at logfile.Pos, text []byte, modified time.Time) {
	s := b.stream
	text, skipped := lastLines(text, b.most)
	at.Off += int64(skipped)
	lines := &Lines{Source: s.opt.Name(src.Name()), LogWisp: s.opt.LogWisp, MultiLine: s.opt.MultiLine,
		Now: func() time.Time { return modified }}
	out := lines.Add(nil, logfile.Span{Gen: at.Gen, Off: at.Off, N: int64(len(text))}, text)
	out = lines.Flush(out)
	var last time.Time
	for line := range bytes.Lines(out) {
		pos, _, ok := entryPlace(line)
		if t := entryTime(line); t.After(last) {
			last = t
		}
		if ok && !b.tooOld(last) {
			b.push(filled{last, b.seq, src.Name(), pos, bytes.Clone(line)})
		}
	}
}

// tooOld says that there are enough lines that are newer.
func (b *backfill) tooOld(t time.Time) bool {
	return len(b.newest) >= b.most && t.Before(b.newest[0].time)
}

func (b *backfill) push(f filled) {
	b.seq++
	heap.Push(&b.newest, f)
	if len(b.newest) > b.most {
		heap.Pop(&b.newest)
	}
}

// merge returns all entries in the order of their times, and moves the stands of
// their logs back to the first of them.
func (b *backfill) merge(begin []stand) (out []byte) {
	slices.SortFunc(b.newest, filled.compare)
	first := make(map[string]logfile.Pos)
	for _, f := range b.newest {
		if _, ok := first[f.name]; !ok {
			first[f.name] = f.pos
		}
		out = append(out, f.entry...)
	}
	for i := range begin {
		if pos, ok := first[begin[i].name]; ok {
			begin[i].pos = pos
		}
	}
	return out
}

// levelsOf counts entries by their levels.
func levelsOf(entries []byte) (t tally) {
	var p fastjson.Parser
	for line := range bytes.Lines(entries) {
		if v, err := p.ParseBytes(line); err == nil {
			t[rank(v.GetStringBytes("level"))]++
		}
	}
	return t
}

// entryTime returns the time of an entry of ours.
func entryTime(entry []byte) time.Time {
	text, _, _ := strings.Cut(strings.TrimPrefix(string(entry[:min(len(entry), 60)]), `{"time":"`), `"`)
	t, _ := time.Parse(time.RFC3339Nano, text)
	return t
}

// lastLines returns the last n of some whole lines, and how many bytes are before
// them.
func lastLines(text []byte, n int) (last []byte, skipped int) {
	i := len(text)
	for i > 0 && n > 0 {
		i = bytes.LastIndexByte(text[:i-1], '\n') + 1
		n--
	}
	return text[i:], i
}

// wholeLines cuts off what is behind the last newline.
func wholeLines(text []byte) []byte { return text[:bytes.LastIndexByte(text, '\n')+1] }

func readFull(ctx context.Context, src logfile.Source, p []byte, pos logfile.Pos) (n int, err error) {
	for n < len(p) {
		m, err := src.ReadAt(ctx, p[n:], logfile.Pos{Gen: pos.Gen, Off: pos.Off + int64(n)})
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}
