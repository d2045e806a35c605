package logfile

import (
	"errors"
	"io/fs"
	"slices"
	"time"
)

// followMoves applies the rename hints in their order. It returns the
// generations that were at the path between two looks, renamed away before we
// saw them there: those that came before the current one, and those after it.
func (l *Log) followMoves(now time.Time) (before, after []*generation) {
	var left []string // where files went that were at the path, oldest first
	for _, m := range l.moves {
		i := slices.Index(left, m.from)
		g := l.oldAt(m.from)
		switch {
		case m.from == l.name && m.to != "":
			left = append(left, m.to)
		case i >= 0:
			left[i] = m.to
		case g != nil:
			l.relocate(g, m.to, now)
		case m.to != "" && m.to != l.name && !slices.Contains(l.copies, m.to):
			l.copies = append(l.copies, m.to)
		}
	}
	l.moves = nil
	return l.sortLeft(left, now)
}

// sortLeft tells which of the files that left the path are known, by inode, and
// which are generations never seen.
func (l *Log) sortLeft(left []string, now time.Time) (before, after []*generation) {
	var unseen []*generation
	for _, path := range left {
		i, err := lstat(path)
		if err != nil || !i.mode.IsRegular() {
			continue // gone again: nobody could have read it
		}
		s := sibling{path, i}
		switch {
		case l.cur != nil && i.sameFile(l.cur.dev, l.cur.ino):
			before, unseen = unseen, nil
			l.relocate(l.cur, path, now)
		case !l.known(s):
			unseen = append(unseen, newOld(s))
		}
	}
	if l.cur != nil && l.cur.pub.Path == l.pathNow() {
		return l.identify(append(before, unseen...)), nil
	}
	return l.identify(before), l.identify(unseen)
}

// pathNow is where the file at the log's path really is.
func (l *Log) pathNow() string {
	if l.real != "" {
		return l.real
	}
	return l.name
}

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
	g.update(func(p *Gen) { p.Path = path })
	if g != l.cur {
		l.oldPub = nil
	}
}

// identify reads who the generations are that were only known by their path.
func (l *Log) identify(gs []*generation) []*generation {
	return slices.DeleteFunc(gs, func(g *generation) bool {
		f, i, err := l.set.openFile(g.pub.Path)
		if err != nil {
			return true // came and went between two looks
		}
		defer f.Close()
		p, err := prove(f, i.size)
		if err != nil {
			return true
		}
		g.dev, g.ino, g.print, g.grown = i.dev, i.ino, p.print(), i.mtime
		g.update(func(p *Gen) { p.Size, p.Modified = i.size, i.mtime })
		return false
	})
}

// chain puts generations that are no longer at the path behind the old ones.
func (l *Log) chain(gs []*generation) {
	for _, g := range gs {
		l.link(g, 0)
		l.retire(g)
	}
}

// insert puts generations before the current one. Nobody has begun that one
// yet: the quiet time after the rotation is not over.
func (l *Log) insert(gs []*generation) {
	if len(gs) == 0 {
		return
	}
	cur := l.cur
	i := slices.IndexFunc(l.old, func(g *generation) bool { return g.next == cur })
	l.cur, l.tail = nil, nil
	if i >= 0 {
		l.tail = l.old[i]
	}
	l.chain(gs)
	l.link(cur, 0)
	cur.update(func(p *Gen) { p.ord = l.lastOrd })
	l.cur = cur
}

// retire makes g, already linked, one of the old generations.
func (l *Log) retire(g *generation) {
	if l.cur == g {
		l.cur = nil
	}
	l.old = append(l.old, g)
	l.oldPub = nil
	l.set.realias(l, "", g.pub.Path)
	l.set.stats.ended(g.reason)
	l.set.generationsChanged()
	l.publish()
}

// turn is what happens when the current generation is no longer at the path:
// it is found under its new name, or in an open descriptor, or it is gone.
func (l *Log) turn(now time.Time, there bool, mids []*generation) {
	g := l.cur
	if g == nil {
		l.chain(mids)
		return
	}
	l.cur = nil
	g.turned, g.reason = now, Rotated
	found := l.locate(g)
	switch {
	case found:
		l.settleSize(g)
	case g.isOpen():
		g.held.unlinked(now)
		l.settleSize(g)
		l.relocate(g, "", now)
	case l.adopt(g):
	default:
		g.gone()
	}
	if !found && !there {
		g.reason = Deleted
	}
	if l.blind && len(mids) == 0 {
		mids = l.unknownSiblings(g)
	}
	l.retire(g)
	l.chain(mids)
	l.handOver(g)
}

// settleSize takes in what was appended up to the turn, and opens the file now
// if readers are behind: it may be compressed and deleted at any moment.
func (l *Log) settleSize(g *generation) {
	var err error
	if g.isOpen() || l.needs(g) {
		err = l.lookAt(g)
	} else {
		err = l.confirmClosed(g)
	}
	if errors.Is(err, errChanged) || errors.Is(err, errMoved) {
		if !l.adopt(g) {
			g.gone()
		}
	}
}

// confirmClosed is lookAt for a generation that nobody reads: it leaves no
// descriptor behind.
func (l *Log) confirmClosed(g *generation) error {
	i, err := lstat(g.pub.Path)
	if err == nil && i.sameFile(g.dev, g.ino) && i.size == g.pub.Size && i.mtime.Equal(g.pub.Modified) {
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
func (l *Log) lookOld(g *generation) {
	if g.pub.Final {
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
		if i, err = lstat(g.pub.Path); err == nil && (i.size != g.pub.Size || !i.sameFile(g.dev, g.ino)) {
			err = l.lookAt(g)
		}
		if err != nil && missing(err) {
			err = errMoved
		}
	}
	if errors.Is(err, errMoved) && l.locate(g) {
		return
	}
	if errors.Is(err, errMoved) || errors.Is(err, errChanged) {
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
	g.turned, g.reason = now, Truncated
	cut := i.size < g.pub.Size
	g.forgetHeld()
	var mids []*generation
	adopted := l.adopt(g)
	if l.blind {
		mids = l.unknownSiblings(g)
	}
	if !adopted {
		g.gone()
	}
	g.update(func(p *Gen) { p.Final = true }) // a copy does not grow
	l.retire(g)
	l.chain(mids)
	l.noteSiblings()
	if !cut && !adopted && l.park(now) {
		return
	}
	l.begin(now, real)
}

// park notes a break of content and says whether it was one too many.
func (l *Log) park(now time.Time) bool {
	s := l.set
	if s.ParkAfter < 0 {
		return false
	}
	l.breaks = slices.DeleteFunc(l.breaks, func(t time.Time) bool { return now.Sub(t) > s.ParkFor })
	l.breaks = append(l.breaks, now)
	if len(l.breaks) < s.ParkAfter {
		return false
	}
	l.breaks = nil
	l.parked = now.Add(s.ParkFor)
	s.wakeAt(l, l.parked)
	l.fail(ErrParked)
	return true
}

// isParked says whether the file is parked: until it was left alone for long
// enough.
func (l *Log) isParked(now time.Time, i info) bool {
	if l.parked.IsZero() {
		return false
	}
	if quiet := l.set.now().Sub(i.mtime); now.Before(l.parked) || quiet < l.set.ParkFor {
		l.set.wakeAt(l, now.Add(max(l.parked.Sub(now), l.set.Active)))
		return true
	}
	l.parked = time.Time{}
	return false
}

// settle ends what has been quiet for long enough, and forgets what nobody can
// need any more. It is called only when all hints have been followed, so that
// no generation in between is still to be heard of.
func (l *Log) settle(now time.Time) {
	for _, g := range l.old {
		g.tidy()
		if !g.pub.Final && now.Sub(g.quietSince()) > l.set.Late {
			g.update(func(p *Gen) { p.Final = true })
			l.changedNow(g)
		}
		if g.pub.End == nil && (g.pub.Final || now.Sub(g.quietSince()) >= l.set.Quiet) {
			g.end()
			l.changedNow(g)
		}
	}
	l.prune()
}

// schedule asks to be looked at again when the next quiet time is over.
func (l *Log) schedule(now time.Time) {
	for _, g := range l.old {
		if g.pub.End == nil {
			due := g.quietSince().Add(l.set.Quiet)
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
func (l *Log) prune() {
	spare := len(l.old) - maxOld
	n := len(l.old)
	l.old = slices.DeleteFunc(l.old, func(g *generation) bool {
		if g.pub.End == nil || l.behind(g.pub.ord) || g == l.tail {
			return false
		}
		if g.pub.Readable && spare <= 0 {
			return false
		}
		spare--
		l.set.realias(l, g.pub.Path, "")
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
	if real != l.real {
		l.set.realias(l, l.real, real)
		l.set.watchParent(real)
		l.real = real
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
