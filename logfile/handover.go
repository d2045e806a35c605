package logfile

import (
	"os"
	"slices"
	"time"
)

// A rename from one log's path to another's moves the generation with it: the
// path is a label, the generation is the key. What was proven of it when it came
// is the first log's to deliver, what is added from then on the second's. So a
// log can have several parts of one generation, with those of others in between:
// also where its own file went away and came back, as when a symlink is switched.

// own notes that l has a generation in the file of that inode. Files that others
// tell of are never looked for.
func (s *Set) own(ino uint64, l *Log) {
	if l.told {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owners[ino] = l
}

func (s *Set) disown(ino uint64, l *Log) {
	if l.told {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owners[ino] == l && (l.cur == nil || l.cur.ino != ino) {
		delete(s.owners, ino)
	}
}

// owner returns the log that had the file of that inode last, or nil.
func (s *Set) owner(ino uint64) *Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owners[ino]
}

// takeOver gives g, about to become l's current generation, the id that its file
// was delivered under before, and returns the offset from which it is l's: 0 if
// it is new.
func (l *Log) takeOver(g *generation, f *os.File) int64 {
	k := l.set.owner(g.ino)
	if k == nil {
		return 0
	}
	if k != l {
		k.mu.Lock() // and l.mu is held: nobody but one round at a time holds two
		defer k.mu.Unlock()
	}
	old := k.having(g.ino)
	if old == nil || old.pub.Size > g.pub.Size || k == l && !old.pub.Readable ||
		!old.isSame(g, f, k == l || old.pub.Path == l.name || k.wentTo(l.name)) {
		return 0
	}
	if old == k.cur {
		if k.hasInode(old) {
			return 0 // one file that has two names is two logs
		}
		k.release(old, l.name)
	}
	k.close(old.pub.ID, l.name)
	l.close(old.pub.ID, l.name) // parts that were l's before
	g.pub.ID = old.pub.ID
	return old.pub.Size
}

// close ends the part that l has of a generation where it is: what is added from
// now on is another part. The file is at path.
func (l *Log) close(id GenID, path string) {
	for _, old := range l.old {
		if old.pub.ID == id {
			l.relocate(old, path, time.Now())
			old.update(func(p *Gen) { p.Final, p.Readable = true, true })
			l.changedNow(old)
		}
	}
}

// release lets go of the current generation, whose file is at another log's path
// now.
func (l *Log) release(g *generation, path string) {
	now := time.Now()
	before, after := l.followTrails(now)
	l.insert(before)
	g.left, g.doubt = true, false
	l.relocate(g, path, now)
	l.turn(now, true, after)
}

// having returns the last generation that was sent from the file of that inode.
func (l *Log) having(ino uint64) *generation {
	if l.cur != nil && l.cur.ino == ino {
		return l.cur
	}
	for i := len(l.old) - 1; i >= 0; i-- {
		if g := l.old[i]; g.ino == ino && g.pub.ord > 0 {
			return g
		}
	}
	return nil
}

// wentTo says that a hint of this round told of the current file's new name.
func (l *Log) wentTo(path string) bool {
	return slices.ContainsFunc(l.rare.trails, func(t trail) bool { return t.from == l.name && t.path == path })
}

// isSame says that the file of h, open as f, is g: by what was proven of g, and
// where that is little, because a hint led here or the inode cannot have been
// reused.
func (g *generation) isSame(h *generation, f *os.File, hinted bool) bool {
	pr := g.lastPrint()
	if pr.n == 0 || pr.n < tailMax && (g.dev != h.dev || !hinted && !g.isOpen()) {
		return false
	}
	_, err := pr.matches(f)
	return err == nil
}

// isOthers says that a file which passed by l's path was another log's before: it
// is for that one to deliver.
func (l *Log) isOthers(s sibling) bool {
	k := l.set.owner(s.ino)
	if k == nil || k == l {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.having(s.ino)
	if old == nil {
		return false
	}
	f, i, err := l.set.openFile(s.path)
	if err != nil {
		return false
	}
	defer f.Close()
	return old.isSame(&generation{dev: i.dev, ino: i.ino}, f, old.pub.Path == s.path)
}
