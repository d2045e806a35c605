package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"

	"fairlead/logfile"
)

// batchMax bounds what is printed between two looks at the cursor.
const batchMax = 1 << 20

// A chunk is what one log has to say next.
type chunk struct {
	log  *logfile.Log
	text []byte
	gen  logfile.GenID
	late bool
	from logfile.Pos // where its reader began; a zero Gen before it read anything
	pos  logfile.Pos // where the log goes on once text is out
	done chan<- struct{}
}

// A tailSink prints what all readers bring, and keeps the cursor behind it:
// output, flush, cursor. What comes while a batch is under way is the next one.
type tailSink struct {
	out     *output
	headers bool // ==> NAME <== where the source changes
	several bool // from the first one on
	json    bool
	log     *slog.Logger
	cursor  *logfile.Cursor // nil: nothing is kept
	marks   map[string]logfile.Mark
	chunks  chan chunk
	lost    atomic.Bool // something is missing in the output

	last   string // the header that is in force
	before bool   // something was printed
	moved  map[*logfile.Log]logfile.Pos
}

// sink makes the sink, with what the cursor file remembers.
func (t *tailCommand) sink(set *logfile.Set) (*tailSink, error) {
	s := &tailSink{out: stdout(t.raw), headers: !t.quiet, json: t.json, log: t.log, chunks: make(chan chunk),
		marks: make(map[string]logfile.Mark), moved: make(map[*logfile.Log]logfile.Pos)}
	if t.cursorFile == "" {
		return s, nil
	}
	s.cursor = &logfile.Cursor{Path: t.cursorFile}
	marks, err := s.cursor.Load()
	if err != nil {
		return nil, fmt.Errorf("read the cursor: %w; without the file it begins anew", err)
	}
	set.Adopt(marks...)
	for _, m := range marks {
		s.marks[m.Path] = m
	}
	return s, nil
}

// put hands a chunk over and returns when its text is no longer needed.
func (s *tailSink) put(ctx context.Context, c chunk) {
	done := make(chan struct{})
	c.done = done
	select {
	case s.chunks <- c:
		<-done
	case <-ctx.Done():
	}
}

// fail says that a log cannot be read on.
func (s *tailSink) fail(name string, err error) {
	s.lost.Store(true)
	s.log.Error("cannot read", "path", name, "err", err)
}

// run prints until there are no more readers, or stdout is closed.
func (s *tailSink) run() error {
	for c := range s.chunks {
		n, err := s.print(c)
		for more := true; more && err == nil && n < batchMax; {
			select {
			case c, more = <-s.chunks:
				if more {
					var next int
					next, err = s.print(c)
					n += next
				}
			default:
				more = false
			}
		}
		if err == nil {
			err = s.out.Flush()
		}
		if err == nil {
			err = s.save()
		}
		if err != nil {
			return err
		}
	}
	return s.out.Close()
}

func (s *tailSink) print(c chunk) (n int, err error) {
	defer close(c.done)
	if _, known := s.marks[c.log.Name()]; !known && len(c.text) > 0 {
		// Killed before the first save, we would not know where we began.
		if err := s.remember(c.log, c.from); err != nil {
			return 0, err
		}
	}
	s.moved[c.log] = c.pos
	if len(c.text) == 0 {
		return 0, nil
	}
	if err := s.header(c); err != nil {
		return 0, err
	}
	s.before = true
	return s.out.Write(c.text)
}

// header says whose bytes follow, where that changes.
func (s *tailSink) header(c chunk) error {
	if s.json || !s.headers {
		return nil
	}
	name := c.log.Name()
	if c.late {
		name += ", late for its generation " + c.gen.Short()
	}
	if name == s.last {
		return nil
	}
	if s.last == "" && !s.several && !c.late {
		s.last = name
		return nil
	}
	s.last = name
	newline := ""
	if s.before {
		newline = "\n"
	}
	_, err := fmt.Fprintf(s.out, "%s==> %s <==\n", newline, name)
	return err
}

// remember saves one position now.
func (s *tailSink) remember(l *logfile.Log, pos logfile.Pos) error {
	s.moved[l] = pos
	return s.save()
}

// save writes down where everything printed so far ends.
func (s *tailSink) save() error {
	defer clear(s.moved)
	if s.cursor == nil {
		return nil
	}
	for l, pos := range s.moved {
		if pos.Gen.IsZero() {
			continue // between two generations: the end of the old one still says it
		}
		mark, err := l.Mark(pos)
		if errors.Is(err, logfile.ErrEnded) {
			continue // it is gone: the place before it leads to its end once more
		}
		if err != nil {
			return fmt.Errorf("mark %s at %s: %w", l.Name(), pos, err)
		}
		s.marks[l.Name()] = mark
	}
	if err := s.cursor.Save(slices.Collect(maps.Values(s.marks))); err != nil {
		return fmt.Errorf("save the cursor: %w", err)
	}
	return nil
}
