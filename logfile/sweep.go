package logfile

import (
	"cmp"
	"context"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"
)

// activeFor is how long after a change a log is swept often.
const activeFor = time.Minute

// activeLogs are those that changed lately.
type activeLogs struct {
	mu   sync.Mutex
	last map[*Log]time.Time
}

func (a *activeLogs) touch(l *Log) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last == nil {
		a.last = make(map[*Log]time.Time)
	}
	a.last[l] = time.Now()
}

// list returns those that changed since t and forgets the others.
func (a *activeLogs) list(t time.Time) (logs []*Log) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for l, last := range a.last {
		if last.Before(t) {
			delete(a.last, l)
			continue
		}
		logs = append(logs, l)
	}
	return logs
}

// A dueList holds the logs that asked to be looked at, by time.
type dueList struct {
	mu   sync.Mutex
	at   map[*Log]time.Time // the earliest for each
	kick chan struct{}
}

// wakeAt has l looked at, at t or soon after.
func (s *Set) wakeAt(l *Log, t time.Time) {
	d := &s.due
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at == nil {
		d.at = make(map[*Log]time.Time)
	}
	if old, ok := d.at[l]; ok && !t.Before(old) {
		return
	}
	d.at[l] = t
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// take returns the logs that are due and when the next one will be.
func (d *dueList) take(now time.Time) (due []*Log, next time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for l, t := range d.at {
		switch {
		case !t.After(now):
			due = append(due, l)
			delete(d.at, l)
		case next.IsZero() || t.Before(next):
			next = t
		}
	}
	return due, next
}

// sweepUntil looks at everything again and again, events or not: they are only
// hints.
func (s *Set) sweepUntil(ctx context.Context) {
	tick := time.NewTicker(s.Active)
	defer tick.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	sw := &sweeper{set: s}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.catchUp(func() { sw.tick(time.Now()) })
		case <-timer.C:
		case <-s.due.kick:
		}
		s.catchUp(func() {
			if due, next := s.due.take(time.Now()); len(due) > 0 {
				s.lookAll(due, false)
				s.endRound()
				s.due.poke()
			} else if !next.IsZero() {
				timer.Reset(time.Until(next))
			}
		})
	}
}

// poke asks for another take.
func (d *dueList) poke() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// lookAll looks at logs. blind: events about them may have been missed.
func (s *Set) lookAll(logs []*Log, blind bool) {
	for _, l := range logs {
		l.mu.Lock()
		l.blind = l.blind || blind
		l.look()
		l.settle(time.Now())
		l.mu.Unlock()
	}
}

// rescan looks at everything at once, after events were lost.
func (s *Set) rescan() {
	s.mu.Lock()
	logs := slices.Clone(s.order)
	dirs := make([]*dir, 0, len(s.dirs))
	for _, d := range s.dirs {
		dirs = append(dirs, d)
	}
	s.mu.Unlock()
	s.lookAll(logs, true)
	for _, d := range dirs {
		s.appeared(d.path)
	}
	s.endRound()
}

// A sweeper goes round all logs and directories, a part of them at each tick.
type sweeper struct {
	set       *Set
	ticks     int // so far
	untrusted []*dir
	dirs      []string
	full      []byte // a path; saves an allocation for each file
}

func (w *sweeper) tick(now time.Time) {
	s := w.set
	w.ticks++
	s.lookAll(s.active.list(now.Add(-activeFor)), false)
	w.listDirs()
	for _, d := range w.untrusted {
		s.lookAll(s.logsIn(d), true)
		w.rescanDir(d.path)
	}
	w.tickLogs()
	for i, j := w.part(len(w.dirs)); i < j; i++ {
		w.rescanDir(w.dirs[i])
	}
	s.endRound()
	s.holder.sweep(now.Add(-s.Hold), now.Add(-s.PinFor), s.PinBytes)
}

// part returns which of n things this tick is for, so that a sweep is for each
// of them once.
func (w *sweeper) part(n int) (from, to int) {
	all := max(1, int(w.set.Sweep/w.set.Active))
	k := w.ticks % all
	return n * k / all, n * (k + 1) / all
}

func (w *sweeper) tickLogs() {
	s := w.set
	s.mu.Lock()
	from, to := w.part(len(s.order))
	part := slices.Clone(s.order[from:to])
	s.mu.Unlock()
	s.lookAll(part, false)
}

// listDirs finds the directories whose events cannot be trusted.
func (w *sweeper) listDirs() {
	s := w.set
	s.mu.Lock()
	defer s.mu.Unlock()
	w.untrusted = w.untrusted[:0]
	if len(w.dirs) != len(s.dirs) {
		w.dirs = w.dirs[:0]
		for path := range s.dirs {
			w.dirs = append(w.dirs, path)
		}
		slices.SortFunc(w.dirs, cmp.Compare)
	}
	for _, d := range s.dirs {
		if d.polled && (len(d.logs) > 0 || s.concerns(d.path)) {
			w.untrusted = append(w.untrusted, d)
		}
	}
}

// rescanDir finds files and directories that no event told of.
func (w *sweeper) rescanDir(path string) {
	s := w.set
	s.watchDir(path)
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	const few = 256 // of tens of thousands: what is read is garbage at once
	for err == nil {
		var entries []fs.DirEntry
		entries, err = f.ReadDir(few)
		for _, e := range entries {
			w.full = append(append(append(w.full[:0], path...), filepathSeparator), e.Name()...)
			if !s.hasLog(w.full) {
				s.meet(string(w.full), e)
			}
		}
	}
}

// meet takes in what is no log yet.
func (s *Set) meet(path string, e fs.DirEntry) {
	switch {
	case !e.IsDir():
		s.consider(path)
	case !s.isDir(path) && s.leadsOn(path):
		s.scan(path)
	}
}

// hasLog says that there is a log of that name.
func (s *Set) hasLog(path []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logs[string(path)] != nil
}

func (s *Set) isDir(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dirs[path] != nil
}
