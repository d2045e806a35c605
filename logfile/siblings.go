package logfile

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rotated names: NAME.1, NAME-20261120, NAME.2026-11-20_13, NAME.old, each also
// compressed. NAME is what stands before.
var rotatedName = regexp.MustCompile(`^(.+)(?:\.\d{1,5}|[-._]\d{4}-?\d{2}-?\d{2}[-._T:0-9]*|-\d{9,11}|\.old)(?:\.(?:gz|zst|xz|bz2|Z|lz4))?$`)

var compressedName = regexp.MustCompile(`\.(?:gz|zst|xz|bz2|Z|lz4|zip)$`)

// rotatedOf returns the name whose older generation a file called name would
// be, or "".
func rotatedOf(name string) string {
	m := rotatedName.FindStringSubmatch(name)
	if m == nil {
		return ""
	}
	return m[1]
}

// rotatedBases returns every name that name could be an older generation of:
// app.log.2026-11-20.1 is one of app.log.2026-11-20 and of app.log.
func rotatedBases(name string) (bases []string) {
	for base := rotatedOf(name); base != ""; base = rotatedOf(base) {
		bases = append(bases, base)
	}
	return bases
}

// A sibling is a file beside a log whose name says that it is an older
// generation of it.
type sibling struct {
	path string
	info
}

// siblings lists what is beside the log now, compressed files aside.
func (l *Log) siblings() []sibling {
	found, _ := l.listSiblings()
	return found
}

// listSiblings is siblings, and whether it is sure that none is missing.
func (l *Log) listSiblings() (found []sibling, sure bool) {
	sure = true
	for _, at := range []string{l.name, l.rare.real} {
		if at != "" {
			some, all := l.siblingsOf(at)
			found, sure = append(found, some...), sure && all
		}
	}
	slices.SortFunc(found, older)
	return found, sure
}

// maxRestless bounds for how long a look without hints waits for the names to
// hold still. What is open is read on meanwhile.
const maxRestless = 5 * time.Minute

// isRestless says that the names beside the log change while they are listed: a
// look that has only the listing to go by could miss one, and comes again later.
func (l *Log) isRestless(now time.Time) bool {
	_, sure := l.listSiblings()
	if sure {
		if !l.rare.restless.IsZero() {
			l.more().restless = time.Time{}
		}
		return false
	}
	m := l.more()
	if m.restless.IsZero() {
		m.restless = now
	}
	if now.Sub(m.restless) > maxRestless {
		m.restless = time.Time{}
		return false
	}
	l.set.wakeAt(l, now.Add(patience))
	return true
}

// siblingsOf lists anew if names changed while it looked: a file that is
// renamed meanwhile must not be missed. In a storm of renames it gives up.
func (l *Log) siblingsOf(at string) (found []sibling, sure bool) {
	dir, base := filepath.Split(at)
	for range 10 {
		found = found[:0]
		whole := true
		for _, name := range l.set.names(dir, base) {
			if compressedName.MatchString(name) || !slices.Contains(rotatedBases(name), base) {
				continue
			}
			i, err := lstat(dir + name)
			whole = whole && err == nil
			if err == nil && i.mode.IsRegular() && !slices.ContainsFunc(found, func(s sibling) bool { return s.sameFile(i.dev, i.ino) }) {
				found = append(found, sibling{dir + name, i})
			}
		}
		if whole && l.set.namesHold(dir) {
			return found, true
		}
		l.set.relist(at)
	}
	return found, false
}

// older orders siblings as they were written. Where the times are equal, the
// higher number is the older file, as logrotate counts.
func older(a, b sibling) int {
	if c := a.mtime.Compare(b.mtime); c != 0 {
		return c
	}
	na, errA := strconv.Atoi(strings.TrimPrefix(filepath.Ext(a.path), "."))
	nb, errB := strconv.Atoi(strings.TrimPrefix(filepath.Ext(b.path), "."))
	if errA == nil && errB == nil && na != nb {
		return nb - na
	}
	return strings.Compare(a.path, b.path)
}

// locate finds where g is now, by its inode. Its content is confirmed when it
// is opened. If it is not found, sure says that it is not there: it may be in the
// middle of so many renames that no look catches it.
func (l *Log) locate(g *generation) (found, sure bool) {
	try := func(path string) bool {
		i, err := lstat(path)
		if path == "" || path == l.name || err != nil || !i.sameFile(g.dev, g.ino) {
			return false
		}
		if path != g.pub.Path {
			l.relocate(g, path, time.Now())
		}
		return true
	}
	if try(g.pub.Path) {
		return true, true
	}
	if g.isOpen() {
		return l.locateOpen(g, try)
	}
	siblings, sure := l.listSiblings()
	for _, s := range siblings {
		if s.sameFile(g.dev, g.ino) {
			sure = false // it was there a moment ago
			if try(s.path) {
				return true, true
			}
		}
	}
	return false, sure
}

// locateOpen is locate for an open file: the kernel knows, wherever it went. It
// may be renamed before the name it had is tried.
func (l *Log) locateOpen(g *generation, try func(path string) bool) (found, sure bool) {
	const tries = 10
	sure = true
	var last string
	for range tries {
		name := nameOf(g.held.f)
		switch {
		case try(name):
			return true, true
		case name == "", name == l.name, strings.HasSuffix(name, deletedSuffix):
			return false, true
		}
		sure = sure && (last == "" || last == name)
		last = name
	}
	return false, sure
}

// adopt finds the copy from which a generation that was cut, or whose file is
// gone, can be read on: exactly one sibling that begins with all we had proven.
// The inode cannot agree, so at least tailMax bytes must.
func (l *Log) adopt(g *generation) bool {
	pr := g.lastPrint()
	if pr.n < tailMax {
		return false
	}
	var found []sibling
	var f *os.File
	for _, s := range l.siblings() {
		if s.size < pr.n || s.ino == g.ino || l.isSent(s) {
			continue
		}
		c, _, err := l.set.openFile(s.path)
		if err != nil {
			continue
		}
		if _, err := pr.matches(c); err != nil {
			c.Close()
			continue
		}
		if f != nil {
			f.Close()
		}
		f, found = c, append(found, s)
	}
	if f == nil {
		return false
	}
	defer f.Close()
	if len(found) != 1 {
		return false
	}
	return l.readOnFrom(g, found[0], f)
}

// readOnFrom makes the sibling s, open as f, the place where g's bytes are.
func (l *Log) readOnFrom(g *generation, s sibling, f *os.File) bool {
	p, err := prove(f, s.size)
	if err != nil {
		return false
	}
	g.forgetHeld()
	l.old = slices.DeleteFunc(l.old, func(noted *generation) bool { return noted.pub.ord == 0 && noted.isBy(s) })
	for _, was := range l.old {
		if was != g && was.pub.Readable && was.isBy(s) {
			was.gone() // its inode is the copy's now
			l.changedNow(was)
		}
	}
	l.set.disown(g.ino, l)
	g.dev, g.ino, g.print = s.dev, s.ino, p.print()
	l.set.own(g.ino, l)
	l.relocate(g, s.path, time.Now())
	g.update(func(pub *Gen) { pub.Size, pub.Modified, pub.Adopted = s.size, s.mtime, true })
	if !l.needs(g) {
		return true
	}
	// Open it now: it may be compressed and deleted at any moment.
	if h, err := l.open(g, true); err == nil {
		h.release()
	}
	return true
}

// known says that the sibling is a generation we have an id for. Names move on
// while we look, inodes are reused: what counts is that the inode is in use by
// that generation still.
func (l *Log) known(s sibling) bool {
	return slices.ContainsFunc(l.old, func(g *generation) bool {
		if g.pub.Path == "" || g.ino != s.ino || g.weak {
			return false
		}
		if g.pub.Path == s.path || g.isOpen() {
			return true
		}
		if i, err := lstat(g.pub.Path); err == nil && i.sameFile(g.dev, g.ino) {
			return true
		}
		return g.print.n >= tailMax && l.isAt(g, s.path)
	})
}

// isAt confirms by content that g is at path.
func (l *Log) isAt(g *generation, path string) bool {
	f, i, err := l.set.openFile(path)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = g.recognise(f, i)
	return err == nil
}

// isCopyOf says that the sibling begins with all that was proven of g.
func (l *Log) isCopyOf(g *generation, s sibling) bool {
	if g.print.n < tailMax || s.size < g.print.n || s.sameFile(g.dev, g.ino) {
		return false
	}
	f, _, err := l.set.openFile(s.path)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = g.print.matches(f)
	return err == nil
}

// isSent says that the sibling is a generation that is, or was, read in its
// own right. A copy that was only noted may still be read on from. So may a file
// of which no more than the inode and the name are those of another: what had
// them is deleted, and the copy has its inode.
func (l *Log) isSent(s sibling) bool {
	return slices.ContainsFunc(l.old, func(g *generation) bool {
		return g.pub.ord > 0 && g.isBy(s) && (g.isOpen() || g.print.n >= tailMax && l.isAt(g, s.path))
	})
}

// isBy says that g was where the sibling is, in a file of the same inode.
func (g *generation) isBy(s sibling) bool { return g.ino == s.ino && g.pub.Path == s.path }

// unknownSiblings returns, oldest first, the generations that came and were
// rotated away while nobody looked: siblings without an id that did not appear
// by copying. g is the one they came after, if there was one.
func (l *Log) unknownSiblings(g *generation) (mids []*generation) {
	if g == nil {
		g = &generation{pub: &Gen{}}
	}
	last := sibling{path: g.pub.Path, info: info{mtime: g.pub.Modified}}
	for _, s := range l.siblings() {
		if l.known(s) || l.isCopy(s) || l.isOthers(s) || g.pub.Readable && !g.weak && s.sameFile(g.dev, g.ino) {
			continue
		}
		if l.isCopyOfEarlier(g, s) {
			l.more().copies = append(l.more().copies, s) // to be noted
			continue
		}
		// From a cursor alone we know g, but not which siblings were there before it.
		if l.cursorOnly && older(s, last) < 0 {
			continue
		}
		mids = append(mids, newOld(s))
	}
	return l.identify(mids)
}

// isCopyOfEarlier says that the sibling is a copy of a generation that came before
// g, though the process that knew it as one had no time to write that down. What
// begins like an earlier one, but is younger than g, may be another.
func (l *Log) isCopyOfEarlier(g *generation, s sibling) bool {
	return slices.ContainsFunc(l.old, func(was *generation) bool {
		return was != g && was.pub.ord > 0 && (s.mtime.Before(g.pub.Modified) || was.print.n >= headMax) && l.isCopyOf(was, s)
	})
}

func newOld(s sibling) *generation {
	return &generation{dev: s.dev, ino: s.ino, quiet: notAfterNow(s.mtime), reason: Rotated, pub: &Gen{ID: NewGenID(), Path: s.path, Readable: true}}
}

// notAfterNow is for times of change, which can be in the future: a clock was set
// back, or touch was used. Nothing is to wait until then.
func notAfterNow(t time.Time) time.Time {
	if now := time.Now(); t.After(now) {
		return now
	}
	return t
}

// findOld checks where the old generations are, and that they are what they
// were, after events may have been missed.
func (l *Log) findOld() {
	for _, g := range l.old {
		if g.pub.Path == "" {
			continue
		}
		err := error(errMoved)
		found, sure := l.locate(g)
		if !found && !sure {
			continue // the hints will tell
		}
		if found || l.sameInode(g) {
			if g.weak = l.isWeak(g); g.weak {
				continue
			}
			err = l.chase(g, func() error { return l.confirmClosed(g) })
		}
		switch {
		case !errors.Is(err, errMoved) && !errors.Is(err, errChanged):
		case g.isOpen():
			l.relocate(g, "", time.Now())
		default:
			g.gone()
			l.changedNow(g)
		}
	}
}

// isWeak says that too little of g is known to tell whether the file, which has
// its inode, begins like it and has grown, is g with late bytes or another in its
// place.
func (l *Log) isWeak(g *generation) bool {
	i, err := lstat(g.pub.Path)
	return err == nil && g.pub.Size < tailMax && !g.isOpen() && i.size > g.pub.Size && l.isAt(g, g.pub.Path)
}

// decideWeak takes the side on which nothing is lost: if files were rotated
// while nobody looked, it was taken for one of them, and is delivered as such;
// if not, it is what it was.
func (l *Log) decideWeak(rotated bool) {
	for _, g := range l.old {
		if g.weak && rotated {
			g.gone()
			l.changedNow(g)
		}
		g.weak = false
	}
}

// sameInode allows for another device number, as after a reboot; the content
// decides.
func (l *Log) sameInode(g *generation) bool {
	i, err := lstat(g.pub.Path)
	return err == nil && i.ino == g.ino
}

// noteSiblings gives ids to the siblings that are nobody's continuation: those
// that were there before us. They can be asked for by id; no reader is sent
// them unasked.
func (l *Log) noteSiblings() {
	l.note(func(s sibling) bool { return l.cur == nil || !s.sameFile(l.cur.dev, l.cur.ino) })
}

// noteCopies does the same with the copies that nothing was read on from, where
// they are by the hints. What is elsewhere waits for the hint: it could be another
// file, which has the inode of a copy that was deleted.
func (l *Log) noteCopies() {
	if len(l.rare.copies) == 0 {
		return
	}
	m := l.more()
	l.note(func(s sibling) bool {
		return slices.ContainsFunc(m.copies, func(c sibling) bool { return c.path == s.path && c.sameFile(s.dev, s.ino) })
	})
	m.copies = slices.DeleteFunc(m.copies, l.known)
}

// forgetNoted takes out what is known of s as a sibling that is nobody's
// continuation: a hint said that it was at the log's path.
func (l *Log) forgetNoted(s sibling) {
	l.old = slices.DeleteFunc(l.old, func(g *generation) bool {
		if g.pub.ord > 0 || g.ino != s.ino {
			return false
		}
		g.forgetHeld()
		l.oldPub = nil
		return true
	})
}

func (l *Log) note(which func(sibling) bool) {
	var gs []*generation
	for _, s := range l.siblings() {
		if !l.known(s) && which(s) {
			gs = append(gs, newOld(s))
		}
	}
	gs = l.identify(gs)
	for _, g := range gs {
		l.set.realias(l, "", g.pub.Path)
		// Among the others by age: the list is told oldest first.
		later := func(o *generation) bool { return o.pub.Modified.After(g.pub.Modified) }
		if i := slices.IndexFunc(l.old, later); i >= 0 {
			l.old = slices.Insert(l.old, i, g)
		} else {
			l.old = append(l.old, g)
		}
	}
	l.oldPub = nil
}
