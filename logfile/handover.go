package logfile

import (
	"os"
	"path/filepath"
	"slices"
)

// A rename from one log's path to another's moves the generation with it: the
// path is a label, the generation is the key. What was proven before the rename
// is the first log's to deliver, what comes after it the second's.

// handOver offers g to the log, if there is one or will be, whose path the file
// was renamed to.
func (l *Log) handOver(g *generation) {
	path := g.pub.Path
	if path == "" || path == l.name || !l.set.willRead(path) {
		return
	}
	offer := *g
	if g.held != nil {
		offer.print = g.held.proof.Load().print()
		offer.held = nil
	}
	g.update(func(p *Gen) { p.Final = true })
	l.oldPub = nil
	l.set.mu.Lock()
	l.set.came[path] = &offer
	l.set.mu.Unlock()
}

// takeOver gives g, about to become l's current generation, the id it has had
// at another path, and returns the offset from which it is l's.
func (l *Log) takeOver(g *generation, f *os.File) int64 {
	l.set.mu.Lock()
	offer := l.set.came[l.name]
	delete(l.set.came, l.name)
	l.set.mu.Unlock()
	if offer == nil || offer.ino != g.ino || offer.dev != g.dev || offer.pub.Size > g.pub.Size {
		return 0
	}
	if _, err := offer.print.matches(f); err != nil {
		return 0
	}
	g.pub.ID = offer.pub.ID
	return offer.pub.Size
}

// takeBack is for a file that was at l's path before and is there again, as
// when a symlink is switched back: g goes on where the old generation ends, and
// under its id, unless a follower is still on the way through it.
func (l *Log) takeBack(g *generation, f *os.File) int64 {
	for i, old := range l.old {
		if !old.pub.Readable || old.pub.ord == 0 || old.ino != g.ino || old.dev != g.dev || old.pub.Size == 0 || old.pub.Size > g.pub.Size {
			continue
		}
		pr := old.print
		if old.held != nil {
			pr = old.held.proof.Load().print()
		}
		if _, err := pr.matches(f); err != nil {
			continue
		}
		off := old.pub.Size
		if l.behind(old.pub.ord) || old == l.tail {
			old.update(func(p *Gen) { p.Final = true })
			l.oldPub = nil
			return off
		}
		g.pub.ID = old.pub.ID
		old.forgetHeld()
		l.old = slices.Delete(l.old, i, i+1)
		l.oldPub = nil
		return off
	}
	return 0
}

// willRead says whether path is a log or becomes one of a target's.
func (s *Set) willRead(path string) bool {
	if s.isLog(path) {
		return true
	}
	for _, base := range rotatedBases(filepath.Base(path)) {
		if s.isLog(filepath.Join(filepath.Dir(path), base)) {
			return false
		}
	}
	return slices.ContainsFunc(s.targetsIn(filepath.Dir(path)), func(t *target) bool {
		v, _ := t.judgeName(path)
		return v.yes
	})
}
