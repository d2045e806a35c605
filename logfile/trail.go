package logfile

import (
	"path/filepath"
	"slices"
	"time"
)

// A trail is where a file went, in one round, that had a name which matters to
// a log.
type trail struct {
	from string // its name before; empty: it appeared
	path string // its name now; empty: it was unlinked
	info info   // the file that has this name, as of the last resolve
	ok   bool   // there is one

	wasAtPath bool // it was renamed from the log's path, where it had come to be in this round
}

type trails []trail

// add takes in one rename that concerns the log of that path. Without a from the
// name appeared, without a to it was unlinked.
func (ts trails) add(from, to, log string) trails {
	if i := ts.at(to); i >= 0 {
		ts[i].path = "" // renamed over
	} else if from != "" && to != "" && !ts.left(to) {
		ts = append(ts, trail{from: to}) // the same, if there was a file
	}
	if i := ts.at(from); i >= 0 {
		ts[i].path = to
		ts[i].wasAtPath = ts[i].wasAtPath || from == log
		return ts
	}
	return append(ts, trail{from: from, path: to})
}

// at returns the index of the trail that has led to path, or -1.
func (ts trails) at(path string) int {
	for i := len(ts) - 1; i >= 0; i-- {
		if path != "" && ts[i].path == path {
			return i
		}
	}
	return -1
}

// left says that what had this name before the round has left it.
func (ts trails) left(name string) bool {
	return slices.ContainsFunc(ts, func(t trail) bool { return t.from == name })
}

// resolve finds the files.
func (ts trails) resolve() {
	for i := range ts {
		t := &ts[i]
		if t.path == "" {
			t.ok = false
			continue
		}
		var err error
		t.info, err = lstat(t.path)
		t.ok = err == nil && t.info.mode.IsRegular()
	}
}

// followTrails moves the generations along. It returns those that were at the
// log's path between two looks, renamed away before we saw them there: the ones
// that came before the current one, and the ones after it.
func (l *Log) followTrails(now time.Time) (before, after []*generation) {
	ts := l.rare.trails
	if ts != nil {
		l.more().trails = nil
	}
	l.followOld(ts, now)
	for _, t := range ts {
		if t.from == l.name && l.cur != nil && (!t.ok || t.info.sameFile(l.cur.dev, l.cur.ino)) {
			l.doubt(l.cur)
		}
	}
	var unseen []*generation
	seen, came := false, false
	for _, t := range ts {
		if t.path == l.name && !seen && l.came(t) { // whether it is there now, or was renamed since
			came, before, unseen = true, append(before, unseen...), nil
		}
		if t.from != l.name && !t.wasAtPath || !t.ok || t.path == l.name {
			continue // never at the path; or still there, for lookPath; or gone, and nobody could have read it
		}
		s := sibling{t.path, t.info}
		if !seen && l.isCurrent(t) {
			seen = true
			before, unseen = append(before, unseen...), nil
			l.cur.left = true // also if the hint that it came was not heard before this one
			l.relocate(l.cur, t.path, now)
			continue
		}
		l.forgetNoted(s)
		if !l.known(s) && !l.isOthers(s) {
			unseen = append(unseen, newOld(s))
		}
	}
	if seen {
		l.cur.doubt = false
	} else if !came && l.isAtPath() {
		before, unseen = unseen, nil
	}
	return l.identify(before), l.identify(unseen)
}

// doubt notes that g left the path, and whether it is too short to be told from
// what has its inode now: a descriptor tells, unless it was opened since.
func (l *Log) doubt(g *generation) {
	g.left = true
	g.doubt = g.pub.Size < tailMax && (!g.isOpen() || l.hasInode(g))
	if g.doubt {
		g.forgetHeld()
	}
}

// hasInode says whether the file at the log's path has g's inode.
func (l *Log) hasInode(g *generation) bool {
	i, _, err := statPath(l.name)
	return err == nil && i.sameFile(g.dev, g.ino)
}

// isCurrent says whether a file that left the path is the current generation.
// An inode is no proof: it is reused at once.
func (l *Log) isCurrent(t trail) bool {
	g := l.cur
	if g == nil || !t.info.sameFile(g.dev, g.ino) {
		return false
	}
	if t.from == l.name || g.isOpen() {
		return true // it was there when the round began; or we hold the inode
	}
	return g.print.n >= tailMax && l.isAt(g, t.path)
}

// followOld moves the old generations along. Where one is by the hints is where
// the next hint finds it, even if its file has been renamed on meanwhile.
func (l *Log) followOld(ts trails, now time.Time) {
	l.followCopies(ts)
	olds := make([]*generation, len(ts)) // by the names before the round
	for i, t := range ts {
		olds[i] = l.oldOf(t)
	}
	for i, t := range ts {
		switch g := olds[i]; {
		case t.from == l.name || t.path == l.name || t.wasAtPath:
		case g != nil:
			l.relocate(g, t.path, now)
		case !l.isOlderName(t.from):
			l.noteCopy(t)
		}
	}
}

// oldOf returns the old generation that had the trail's name before. There may be
// two: one that was looked for, and found where no hint has told of it yet, can
// be at a name that by the hints is still another's.
func (l *Log) oldOf(t trail) *generation {
	for _, g := range l.old {
		if t.ok && t.from != "" && g.pub.Path == t.from && t.info.sameFile(g.dev, g.ino) {
			return g
		}
	}
	return l.oldAt(t.from)
}

// isOlderName says whether a file of that name would be an older generation.
func (l *Log) isOlderName(path string) bool {
	dir, base := filepath.Split(path)
	return slices.ContainsFunc(rotatedBases(base), func(b string) bool { return dir+b == l.name || dir+b == l.rare.real })
}

// came says that the current generation came to the log's path by a rename of this
// round, which we hear of only now: it was found there before.
func (l *Log) came(t trail) bool {
	return l.cur != nil && !l.cur.doubt && t.ok && t.info.sameFile(l.cur.dev, l.cur.ino)
}

// isAtPath says whether the log's path still names the current generation's
// file.
func (l *Log) isAtPath() bool {
	return l.cur != nil && !l.cur.doubt && l.hasInode(l.cur)
}

// noteCopy notes a sibling that appeared while the current generation was in
// place: copytruncate begins so.
func (l *Log) noteCopy(t trail) {
	const enough = 100
	if t.ok && t.path != l.name {
		m := l.more()
		m.copies = append(m.copies, sibling{t.path, t.info})
		m.copies = m.copies[max(0, len(m.copies)-enough):]
	}
}

// followCopies moves the copies along, and forgets those that were deleted: their
// inodes may be another file's next.
func (l *Log) followCopies(ts trails) {
	if len(l.rare.copies) == 0 {
		return
	}
	m := l.more()
	for i := range m.copies {
		c := &m.copies[i]
		if j := slices.IndexFunc(ts, func(t trail) bool { return t.from == c.path }); j >= 0 {
			c.path = ts[j].path
		}
	}
	m.copies = slices.DeleteFunc(m.copies, func(c sibling) bool { return c.path == "" })
}

func (l *Log) isCopy(s sibling) bool {
	return slices.ContainsFunc(l.rare.copies, func(c sibling) bool { return c.sameFile(s.dev, s.ino) })
}
