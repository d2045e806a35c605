package logfile

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"
)

// oldAt returns the old generation whose bytes are at path.
func (l *Log) oldAt(path string) *generation {
	if path == "" {
		return nil
	}
	for i := len(l.old) - 1; i >= 0; i-- {
		if l.old[i].pub.Path == path {
			return l.old[i]
		}
	}
	return nil
}

// relocate notes that g is now at path, or in no directory any more.
func (l *Log) relocate(g *generation, path string, now time.Time) {
	if path == "" && g.isOpen() {
		g.held.unlinked(now)
	}
	l.set.realias(l, g.pub.Path, path)
	g.missed = time.Time{}
	g.update(func(p *Gen) { p.Path = path })
	for _, old := range l.old {
		if old.pub.ID == g.pub.ID { // g, or an earlier part of it: the file is the same
			old.update(func(p *Gen) { p.Path = path })
			l.oldPub = nil
		}
	}
}

// identify reads who the generations are that were only known by their path
// and inode. What is gone by now, nobody could have read. What cannot be read
// at the moment stays, as one of which no byte was seen yet.
func (l *Log) identify(gs []*generation) []*generation {
	return slices.DeleteFunc(gs, func(g *generation) bool {
		f, i, err := l.openMoving(g)
		if errors.Is(err, errMoving) {
			g.quiet = time.Now()
		}
		if err != nil {
			return errors.Is(err, errMoved)
		}
		defer f.Close()
		p, err := prove(f, i.size)
		if err != nil {
			return errors.Is(err, errChanged)
		}
		g.print, g.quiet = p.print(), notAfterNow(i.mtime)
		g.update(func(p *Gen) { p.Size, p.Modified = i.size, i.mtime })
		return false
	})
}

// openMoving opens the file with g's inode, which may be renamed meanwhile.
func (l *Log) openMoving(g *generation) (f *os.File, i info, err error) {
	defer l.backTo(g, g.pub.Path)
	err = l.chase(g, func() error {
		f, i, err = l.set.openFile(g.pub.Path)
		if err == nil && !i.sameFile(g.dev, g.ino) {
			f.Close()
			return errMoved
		}
		if err != nil && missing(err) {
			return errMoved
		}
		return err
	})
	return f, i, err
}

// errMoving means: in the middle of a storm of renames, and not caught.
var errMoving = errors.New("being renamed")

// chase calls do until it does not find g moved: it may be renamed at any moment,
// and several times. The error is errMoved if it is gone, and errMoving if that
// cannot be told yet; then it is looked for again soon.
func (l *Log) chase(g *generation, do func() error) error {
	const tries = 20
	for range tries {
		if err := do(); !errors.Is(err, errMoved) {
			return err
		}
		l.set.relist(l.name)
		if found, sure := l.locate(g); !found && sure {
			return errMoved
		}
	}
	l.set.wakeAt(l, time.Now().Add(patience/4))
	return errMoving
}

// backTo undoes what locate found out ahead of the hints: they are still to
// come, and go on from path. Ahead of them, those of other files would move it.
func (l *Log) backTo(g *generation, path string) {
	if !l.blind && path != "" && path != l.name && g.pub.Path != "" {
		l.relocate(g, path, time.Now())
	}
}

// chain puts generations that are no longer at the path behind the old ones.
func (l *Log) chain(gs []*generation) {
	for _, g := range gs {
		l.link(g, 0)
		l.set.own(g.ino, l)
		l.retire(g)
	}
}

// insert puts generations before the current one, if nobody has begun that one
// yet: as a rule the quiet time after the rotation is not over. Otherwise they
// come after it: late, but not lost.
func (l *Log) insert(gs []*generation) {
	if len(gs) == 0 {
		return
	}
	cur := l.cur
	if l.hasBegun(cur) {
		l.chain(gs)
		return
	}
	i := slices.IndexFunc(l.old, func(g *generation) bool { return g.next == cur })
	l.cur, l.tail = nil, nil
	if i >= 0 {
		l.tail = l.old[i]
	}
	l.chain(gs)
	l.link(cur, 0)
	l.cur = cur
}

// retire makes g, already linked, one of the old generations.
func (l *Log) retire(g *generation) {
	if l.cur == g {
		l.cur = nil
	}
	i := slices.IndexFunc(l.old, func(o *generation) bool { return o.pub.ord > g.pub.ord })
	if i < 0 {
		i = len(l.old)
	}
	l.old = slices.Insert(l.old, i, g)
	l.oldPub = nil
	l.set.realias(l, "", g.pub.Path)
	l.set.stats.ended(g.reason)
	l.set.generationsChanged(l)
	l.publish()
}

// turn is what happens when the current generation is no longer at the path:
// it is found under its new name, or in an open descriptor, or it is gone. It
// returns false if that cannot be told yet: the hint is still to come.
func (l *Log) turn(now time.Time, there bool, mids []*generation) bool {
	g := l.cur
	if g == nil {
		if l.blind && l.tail != nil {
			mids = l.unknownSiblings(l.tail)
		}
		l.chain(mids)
		return true
	}
	if !g.left && len(mids) == 0 && l.notYet(now, g) {
		return false
	}
	path := g.pub.Path
	found := !g.doubt && l.trustsInode(g) && l.isNear(g)
	if !found && !g.isOpen() && len(mids) == 0 && l.notYet(now, g) {
		return false
	}
	g.quiet, g.reason = now, Rotated
	l.cur = nil
	switch {
	case found:
		mids = append(l.settleSize(g, path), mids...)
		l.backTo(g, path)
	case g.isOpen():
		l.relocate(g, "", now)
		mids = append(l.settleSize(g, path), mids...)
	case l.adopt(g):
	default:
		g.gone()
	}
	if !found && !there {
		g.reason = Deleted
	}
	if l.blind {
		mids = l.unknownSiblings(g) // a file that was cut among them
	}
	l.retire(g)
	l.chain(mids)
	return true
}

// isNear says that g is found, or may be found yet.
func (l *Log) isNear(g *generation) bool {
	found, sure := l.locate(g)
	return found || !sure
}

// trustsInode says whether g may be looked for by its inode. If it is too short
// to be confirmed by content, only a hint tells where it went: what has its
// inode now may be new. After a time without hints it must do, but for an
// empty one nothing at all could be confirmed.
func (l *Log) trustsInode(g *generation) bool {
	return g.isOpen() || g.pub.Size >= tailMax || l.blind && g.pub.Size > 0 || g.left && g == l.cur
}

// patience is how long a file is looked for that is not where it was, before it
// is taken for gone.
const patience = 20 * time.Millisecond

// notYet says that a file which is not where it was should be looked for once
// more: it may have been renamed after the hints were read. Where there are no
// hints, or one said that it was unlinked, there is nothing to wait for.
func (l *Log) notYet(now time.Time, g *generation) bool {
	if l.blind || g.pub.Path == "" {
		return false
	}
	if g.missed.IsZero() {
		g.missed = now
	}
	if now.Sub(g.missed) >= patience {
		return false
	}
	l.set.wakeAt(l, now.Add(patience/4))
	return true
}

// settleSize takes in what was appended up to the turn, and opens the file now
// if readers are behind: it may be compressed and deleted at any moment. If the
// file was cut before it was renamed, it is another generation by now, which is
// returned. By the hints its file is at path.
func (l *Log) settleSize(g *generation, path string) (cut []*generation) {
	err := l.chase(g, func() error {
		if g.isOpen() || l.needs(g) {
			return l.lookAt(g)
		}
		return l.confirmClosed(g)
	})
	if !errors.Is(err, errChanged) && !errors.Is(err, errMoved) {
		return nil
	}
	if errors.Is(err, errChanged) {
		// It may have been renamed on, and is looked for.
		if l.blind || path == l.name {
			path = g.pub.Path
		}
		cut = append(cut, newOld(sibling{path, info{dev: g.dev, ino: g.ino, mtime: g.pub.Modified}}))
		g.reason = Truncated
	}
	if !l.adopt(g) {
		g.gone()
	}
	return l.identify(cut)
}

// confirmClosed is lookAt for a generation that nobody reads: it leaves no
// descriptor behind.
func (l *Log) confirmClosed(g *generation) error {
	i, err := lstat(g.pub.Path)
	if err == nil && g.isAsSeen(i) {
		return nil
	}
	err = l.lookAt(g)
	if g.isOpen() && !l.needs(g) {
		g.forgetHeld()
	}
	return err
}

// lookOld looks at a generation that has left the path: late bytes, renames,
// its end.
func (l *Log) lookOld(now time.Time, g *generation) {
	if !g.pub.Readable || g.weak {
		return
	}
	g.tidy()
	var err error
	switch {
	case g.isOpen():
		err = l.lookAt(g)
	case g.pub.Path == "":
		err = errMoved
	default:
		var i info
		if i, err = lstat(g.pub.Path); err == nil && !g.isAsSeen(i) {
			err = l.lookAt(g)
		}
		if err != nil && missing(err) {
			err = errMoved
		}
	}
	if errors.Is(err, errMoved) {
		if l.notYet(now, g) {
			return
		}
		if l.trustsInode(g) && l.isNear(g) {
			err = l.chase(g, func() error { return l.lookAt(g) }) // an inode alone proves nothing
		}
	}
	switch {
	case err == nil:
		g.missed = time.Time{}
	case errors.Is(err, errMoved), errors.Is(err, errChanged):
		g.gone()
		l.changedNow(g)
	}
}

// broke is what happens when the file at the path, the same inode, no longer
// is what was proven of it: truncated (copytruncate), rewritten, or deleted and
// made anew with a reused inode.
func (l *Log) broke(now time.Time, i info, real string) {
	g := l.cur
	l.set.stats.breaks.Add(1)
	g.quiet, g.reason = now, Truncated
	cut := i.size < g.pub.Size
	g.forgetHeld()
	var mids []*generation
	adopted := l.adopt(g)
	if l.blind {
		l.note(func(s sibling) bool { return l.isCopyOf(g, s) }) // several, so none was read on from
		mids = l.unknownSiblings(g)
	}
	if !adopted {
		g.gone()
	}
	if !l.blind && !g.left {
		g.update(func(p *Gen) { p.Final = true }) // a copy does not grow
	}
	l.retire(g)
	l.chain(mids)
	l.noteCopies()
	if !cut && !adopted && !g.left && l.park(now) {
		return
	}
	l.begin(now, real, i)
}

// park notes a break of content and says whether it was one too many.
func (l *Log) park(now time.Time) bool {
	s := l.set
	if s.ParkAfter < 0 {
		return false
	}
	m := l.more()
	m.breaks = slices.DeleteFunc(m.breaks, func(t time.Time) bool { return now.Sub(t) > s.ParkFor })
	m.breaks = append(m.breaks, now)
	if len(m.breaks) < s.ParkAfter {
		return false
	}
	m.breaks = nil
	m.parked = now.Add(s.ParkFor)
	s.wakeAt(l, m.parked)
	l.fail(ErrParked)
	return true
}

// isParked says whether the file is parked: until it was left alone for long
// enough.
func (l *Log) isParked(now time.Time, i info) bool {
	if l.rare.parked.IsZero() {
		return false
	}
	if quiet := l.set.now().Sub(i.mtime); now.Before(l.rare.parked) || quiet < l.set.ParkFor {
		l.set.wakeAt(l, now.Add(max(l.rare.parked.Sub(now), l.set.Active)))
		return true
	}
	l.more().parked = time.Time{}
	return false
}

// settle ends what has been quiet for long enough, and forgets what nobody can
// need any more. It is called only when all hints have been followed, so that
// no generation in between is still to be heard of.
func (l *Log) settle(now time.Time) {
	for _, g := range l.old {
		g.tidy()
		if !g.pub.Final && now.Sub(g.quiet) > l.set.Late {
			g.update(func(p *Gen) { p.Final = true })
			l.changedNow(g)
		}
		if g.pub.End == nil && (g.pub.Final || now.Sub(g.quiet) >= l.set.Quiet) {
			g.end()
			l.changedNow(g)
		}
	}
	l.prune(now)
}

// schedule asks to be looked at again when the next quiet time is over.
func (l *Log) schedule(now time.Time) {
	for _, g := range l.old {
		if g.pub.End == nil {
			due := g.quiet.Add(l.set.Quiet)
			if g.pub.Final {
				due = now
			}
			l.set.wakeAt(l, due)
		}
	}
}

// maxOld bounds the old generations that are kept for ?gen= alone.
const maxOld = 1000

// prune forgets old generations that cannot be read any more and that no
// follower has still to learn the end of, and the oldest beyond maxOld.
func (l *Log) prune(now time.Time) {
	spare := len(l.old) - maxOld
	n := len(l.old)
	l.old = slices.DeleteFunc(l.old, func(g *generation) bool {
		if g.pub.End == nil || l.behind(g.pub.ord) || g == l.tail || l.cur != nil && g.next == l.cur {
			return false
		}
		if spare <= 0 && (g.pub.Readable || now.Sub(g.missed) < l.set.Late) {
			return false
		}
		spare--
		l.set.realias(l, g.pub.Path, "")
		l.set.disown(g.ino, l)
		g.forgetHeld()
		return true
	})
	if len(l.old) != n {
		l.oldPub = nil
		l.publish()
	}
}

// retarget keeps the directory watched that a symlink leads to.
func (l *Log) retarget(real string, err error) {
	if err != nil || real == l.name {
		real = ""
	}
	if real != l.rare.real {
		l.set.realias(l, l.rare.real, real)
		l.set.watchParent(real)
		l.more().real = real
	}
}

func notRegular(path string, mode fs.FileMode) error {
	kind := "not a regular file"
	switch {
	case mode.IsDir():
		kind = "a directory"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	case mode&fs.ModeNamedPipe != 0:
		kind = "a FIFO"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	}
	return &fs.PathError{Op: "read", Path: path, Err: errors.New("is " + kind + ", not a file that grows")}
}
