package logfile

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// generationsFile is a cache: lost, new ids are given.
const (
	generationsFile   = "generations"
	generationsHeader = "fairlead generations 1"
)

// loadGenerations reads the state, by log. What cannot be read is left out: the
// files themselves are the truth.
func (s *Set) loadGenerations() map[string][]record {
	known := make(map[string][]record)
	if s.State == "" {
		return known
	}
	b, err := os.ReadFile(filepath.Join(s.State, generationsFile))
	if err != nil {
		return known
	}
	for i, line := range strings.Split(string(b), "\n") {
		if i == 0 && line != generationsHeader {
			return known
		}
		if name, ok := parseAnew(line); ok {
			delete(known, name)
		} else if r, err := parseRecord(line); i > 0 && err == nil {
			known[r.log] = append(known[r.log], r)
		}
	}
	return known
}

// anew begins a line behind which a log is told of once more: what was said of it
// before does not count.
const anew = "anew "

func parseAnew(line string) (log string, ok bool) {
	quoted, ok := strings.CutPrefix(line, anew)
	if !ok {
		return "", false
	}
	log, err := strconv.Unquote(quoted)
	return log, err == nil
}

// generationsChanged has l's generations written down soon, if it is in the file.
func (s *Set) generationsChanged(l *Log) {
	if l.told {
		return
	}
	s.mu.Lock()
	s.unsaved[l] = struct{}{}
	s.mu.Unlock()
	select {
	case s.save <- struct{}{}:
	default:
	}
}

// saveUntil writes the generations down when there are new ones, in a goroutine of
// its own: nothing waits for it. It adds those of the logs that changed, at once:
// whoever is killed before that finds the files again, and has to give them new ids.
// From time to time it writes the file anew. It pauses so long in between that it is
// idle for most of the time, however large the file. Sizes alone are written when the
// Set ends.
func (s *Set) saveUntil(ctx context.Context) {
	const share = 50 // of the time that it may take
	var whole saved
	for {
		select {
		case <-s.save:
		case <-ctx.Done():
			return
		}
		begun, pause := time.Now(), s.Active/50
		due := !begun.Before(whole.next)
		err := errOld
		if !due || !whole.isOld() {
			var n int64
			n, err = s.addGenerations()
			whole.added, pause = whole.added+n, max(pause, share*time.Since(begun))
		}
		if err != nil && due {
			s.saveGenerations() // fails again at the end, where it is returned
			whole.wrote(filepath.Join(s.State, generationsFile), time.Now().Add(max(s.Active, share*time.Since(begun))))
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// errOld means: the generations file is to be written whole.
var errOld = errors.New("old")

// saved is what is known of the generations file since it was written whole.
type saved struct {
	size  int64 // that it had; 0: it was not yet
	added int64
	next  time.Time // when it may be written again
}

// isOld says that as much was added as there was.
func (w *saved) isOld() bool { return w.size == 0 || w.added > w.size+64<<10 }

func (w *saved) wrote(path string, next time.Time) {
	*w = saved{size: 1, next: next}
	if fi, err := os.Stat(path); err == nil {
		w.size = max(1, fi.Size())
	}
}

// addGenerations adds the generations of the logs that changed, and returns how many
// bytes that was.
func (s *Set) addGenerations() (n int64, err error) {
	if s.State == "" {
		return 0, nil
	}
	path := filepath.Join(s.State, generationsFile)
	unlock, err := lockFile(path + ".lock")
	if err != nil {
		return 0, err
	}
	defer unlock()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	b := []byte{'\n'}  // the last line may be half of one
	s.catchUp(func() { // of one moment: a file that goes from one log's path to another's changes both
		for _, l := range s.takeUnsaved() {
			b = strconv.AppendQuote(append(b, anew...), l.name)
			b = l.appendRecords(append(b, '\n'))
		}
	})
	if len(b) == 1 {
		return 0, nil
	}
	_, err = f.Write(b)
	return int64(len(b)), err
}

// takeUnsaved returns the logs that changed since they were written down.
func (s *Set) takeUnsaved() []*Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	logs := make([]*Log, 0, len(s.unsaved))
	for l := range s.unsaved {
		logs = append(logs, l)
	}
	clear(s.unsaved)
	slices.SortFunc(logs, func(a, b *Log) int { return cmp.Compare(a.name, b.name) })
	return logs
}

// saveGenerations writes the generations of our logs, and keeps those that
// other processes wrote of theirs. It holds no more than a log's in memory.
func (s *Set) saveGenerations() error {
	if s.State == "" {
		return nil
	}
	s.mu.Lock()
	logs := slices.Clone(s.order)
	s.mu.Unlock()
	path := filepath.Join(s.State, generationsFile)
	unlock, err := lockFile(path + ".lock")
	if err != nil {
		return fmt.Errorf("save generations: %w", err)
	}
	defer unlock()
	err = replaceFile(path, func(w *bufio.Writer) error {
		// Of one moment: not half of a rotation, not a file that is two logs'.
		whole := bufio.NewWriterSize(w, 1<<20)
		whole.WriteString(generationsHeader + "\n")
		s.catchUp(func() {
			var b []byte
			s.takeUnsaved()
			for _, l := range logs {
				b = l.appendRecords(b[:0])
				whole.Write(b)
			}
		})
		whole.Flush()
		return s.keepForeign(w, path)
	})
	if err != nil {
		return fmt.Errorf("save generations: %w", err)
	}
	return nil
}

// appendRecords writes the generations in their order: the next process links
// them as they come.
func (l *Log) appendRecords(b []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	gs := slices.Clone(l.old)
	if l.cur != nil {
		gs = append(gs, l.cur)
	}
	slices.SortStableFunc(gs, func(a, b *generation) int { return cmp.Compare(a.pub.ord, b.pub.ord) })
	for _, g := range gs {
		// An empty one that nobody is sent could be recognised by nothing.
		if g.pub.ord > 0 || g.pub.Size > 0 {
			b = append(l.record(g).append(b), '\n')
		}
	}
	return b
}

// keepForeign copies the records of logs that are not ours: as long as their
// files exist, and for a month if they only tell where the next one comes. A
// file that cannot be read has none.
func (s *Set) keepForeign(w *bufio.Writer, path string) error {
	last := make(map[string]int) // line from which on a log is told of
	eachLine(path, func(nr int, line string) {
		if name, ok := parseAnew(line); ok {
			last[name] = nr
		}
	})
	eachLine(path, func(nr int, line string) {
		rec, err := parseRecord(line)
		if err != nil || nr < last[rec.log] || s.log(rec.log) != nil {
			return
		}
		_, err = os.Lstat(rec.path)
		if err == nil || (rec.gone || rec.final) && time.Since(rec.mtime) < 30*24*time.Hour {
			w.WriteString(line + "\n")
		}
	})
	return nil
}

// eachLine calls f for the whole lines of a file.
func eachLine(path string, f func(nr int, line string)) {
	file, err := os.Open(path)
	if err != nil {
		return
	}
	defer file.Close()
	r := bufio.NewReader(file)
	for nr := 0; ; nr++ {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		f(nr, strings.TrimSuffix(line, "\n"))
	}
}
