package logfile

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"time"
)

// A Log is one path through all its generations. It looks at the file when
// something hints that there is news, once for all its followers, and wakes
// them; or it is told its news, see [Told]. It is a [Source].
type Log struct {
	set  *Set
	name string
	told bool // nobody looks at its files

	mu         sync.Mutex // guards what follows
	dirty      bool       // a hint came that nobody has followed yet
	blind      bool       // events may have been missed: look at all siblings
	cursorOnly bool       // known from a cursor, not from the generations file
	unheard    bool       // the hints were not followed yet since the current generation began

	seq       uint64
	changed   chan struct{} // closed and forgotten at every change; nil while nobody waits
	calls     []func()      // called and forgotten at every change
	cur       *generation   // nil: there is no file
	old       []*generation // oldest first
	oldPub    []*Gen        // what readers see of old; nil: to be made anew
	tail      *generation   // the one the next will follow
	lastOrd   int64
	err       error
	followers []*interest
	joined    int64 // see Stat.joined
	begun     int64 // the last ord that a reader may stand in who is not among them
	rare      *rare // to be changed through more only
}

// rare is what few logs have: a process may have tens of thousands.
type rare struct {
	real   string    // where a symlink leads; empty: not one
	trails trails    // where files went that had names that matter here
	copies []sibling // that appeared while the current generation was in place
	breaks []time.Time
	parked time.Time     // until when
	retry  time.Duration // from one try to read an unreadable file to the next
	tried  time.Time     // when the next is due

	restless time.Time // since when names beside the log change faster than we list them
}

// nothingRare is every log's until it has something; it is never changed.
var nothingRare rare

// more returns what is rare of l, to be changed.
func (l *Log) more() *rare {
	if l.rare == &nothingRare {
		l.rare = new(rare)
	}
	return l.rare
}

// Name returns the absolute path, or SENDER:PATH of a log that is told its news.
func (l *Log) Name() string { return l.name }

// Stat returns what is known. If a hint is waiting, it looks first.
func (l *Log) Stat() Stat {
	l.mu.Lock()
	if l.dirty && !l.lookQuick() {
		l.mu.Unlock()
		l.set.lookNow(l)
		l.mu.Lock()
	}
	if l.unheard {
		// What was at the path in between is to come first, and a reader that has
		// begun the current generation cannot be given it before that any more.
		l.mu.Unlock()
		l.set.catchUp(func() {})
		l.mu.Lock()
	}
	defer l.mu.Unlock()
	return l.stat()
}

func (l *Log) stat() Stat {
	if l.oldPub == nil && len(l.old) > 0 {
		l.oldPub = make([]*Gen, len(l.old))
		for i, g := range l.old {
			l.oldPub[i] = g.pub
		}
	}
	st := Stat{Seq: l.seq, Old: l.oldPub, Err: l.err, joined: l.joined}
	if l.cur != nil {
		st.Current = l.cur.pub
	}
	return st
}

// changedNow notes that what readers see of g is new.
func (l *Log) changedNow(g *generation) {
	if g != l.cur {
		l.oldPub = nil
	}
	l.publish()
}

// maxRetry is how long a file that can be read again may go unnoticed where no
// hint says so.
const maxRetry = 30 * time.Second

// fail notes why the file cannot be read at the moment, which is tried again
// soon, and then less often; nil: it can.
func (l *Log) fail(err error) {
	if err != nil {
		m, now := l.more(), time.Now()
		if !now.Before(m.tried) {
			m.retry = min(max(2*m.retry, l.set.Active), maxRetry)
			m.tried = now.Add(m.retry)
		}
		l.set.wakeAt(l, m.tried)
	} else if l.rare.retry != 0 {
		l.more().retry, l.more().tried = 0, time.Time{}
	}
	l.setErr(err)
}

func (l *Log) setErr(err error) {
	if (err == nil) != (l.err == nil) || err != nil && err.Error() != l.err.Error() {
		l.err = err
		l.publish()
	}
}

// find returns the generation, or nil.
func (l *Log) find(id GenID) *generation {
	if l.cur != nil && l.cur.pub.ID == id {
		return l.cur
	}
	for i := len(l.old) - 1; i >= 0; i-- {
		if l.old[i].pub.ID == id {
			return l.old[i]
		}
	}
	return nil
}

// modifiedAt is the hint that bytes were written at the log's own path, empty
// here, or at another where a generation is. It costs nothing while nobody
// reads: the next Stat looks. It returns false if it had to look at names.
func (l *Log) modifiedAt(path string) (quick bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if g := l.oldAt(path); g != nil {
		if g.pub.Final {
			return true // whatever comes is another part, or nobody's
		}
		l.lookOld(time.Now(), g)
		return false
	}
	l.dirty = true
	if !l.awaited() || l.lookQuick() {
		return true
	}
	l.look()
	return false
}

// lookQuick looks at the open files alone, not at the path: it is what an
// append costs. It returns false if that does not tell enough.
func (l *Log) lookQuick() bool {
	l.dirty = false
	if l.cur == nil || !l.cur.isOpen() || l.lookAt(l.cur) != nil {
		return false
	}
	for _, g := range l.old {
		if g.pub.Path == "" && g.isOpen() { // a deleted file has no name to get events under
			l.lookOld(time.Now(), g)
		}
	}
	return true
}

// look looks at everything there is: the path, the open files, the renamed
// generations. It is called in a round only, when all hints have been followed:
// where a file is that left the path, the renames tell.
func (l *Log) look() {
	l.dirty = false
	now := time.Now()
	if l.blind && l.isRestless(now) {
		return
	}
	if l.blind {
		l.findOld()
	}
	before, after := l.followTrails(now)
	l.insert(before)
	for _, g := range l.old {
		l.lookOld(now, g)
	}
	was := l.tail
	l.lookPath(now, after)
	l.decideWeak(l.tail != was)
	if l.blind && l.tail == was {
		l.noteSiblings() // nothing was rotated, so they are copies
	}
	l.blind = false
	l.schedule(now)
}

// lookPath decides what is at the path now: the current generation, grown or
// broken, another file, or nothing. after are those that were there since the
// current one and are gone again.
func (l *Log) lookPath(now time.Time, after []*generation) {
	i, real, err := statPath(l.name)
	l.retarget(real, err)
	switch {
	case err != nil && !missing(err):
		if isLoop(err) {
			l.set.stats.loops.Add(1)
		}
		l.fail(err) // not readable now; what we knew stays
	case err != nil:
		l.turn(now, false, after)
		l.fail(nil)
	case !i.mode.IsRegular():
		l.turn(now, false, after)
		l.fail(notRegular(l.name, i.mode))
	case l.isParked(now, i):
	case l.cur != nil && l.cur.ino == i.ino && len(after) == 0 && !l.cur.doubt && !l.isNews():
		l.lookCurrent(now, i, real)
	case !l.turn(now, true, after): // not yet
	default:
		l.begin(now, real, i)
		if l.blind && l.cur != nil {
			// Listed once more: what was rotated since the first time is older
			// than what we begin with.
			l.set.relist(l.name)
			l.insert(l.unknownSiblings(l.cur))
		}
	}
}

// isNews says that the current generation was empty when events were last
// followed, and files were rotated away since: its inode is all that the file
// at the path has in common with it. Nothing of it was ever read, so another id
// does no harm.
func (l *Log) isNews() bool {
	return l.blind && l.cur.pub.Size == 0 && !l.cur.isOpen() &&
		slices.ContainsFunc(l.siblings(), func(s sibling) bool { return !l.known(s) })
}

// lookCurrent is for the case that the path still names the current inode.
func (l *Log) lookCurrent(now time.Time, i info, real string) {
	g := l.cur
	if g.pub.Path != real {
		g.update(func(p *Gen) { p.Path = real })
	}
	if g.isOpen() {
		g.held.linked()
	}
	if !g.isOpen() && g.isAsSeen(i) {
		g.tidy()
		l.fail(nil)
		return
	}
	switch err := l.lookAt(g); {
	case errors.Is(err, errChanged):
		l.broke(now, i, real)
	case errors.Is(err, errMoved):
		l.blind = true // renamed between stat and open: look again
		l.set.wakeAt(l, now)
	default:
		l.fail(err)
	}
}

// begin makes the file that is at the path, and was seen there as seen, the
// current generation.
func (l *Log) begin(now time.Time, path string, seen info) {
	f, i, err := l.set.openFile(path)
	if err != nil {
		if missing(err) {
			l.set.wakeAt(l, now)
			err = nil
		}
		l.fail(err)
		return
	}
	if !i.sameFile(seen.dev, seen.ino) {
		// Renamed between the two looks: the hint will tell in which order.
		f.Close()
		l.set.wakeAt(l, now)
		return
	}
	p, err := prove(f, i.size)
	if err != nil {
		f.Close()
		if errors.Is(err, errChanged) { // cut while we read
			l.set.wakeAt(l, now)
			err = nil
		}
		l.fail(err)
		return
	}
	g := &generation{
		dev: i.dev, ino: i.ino, print: p.print(), quiet: now,
		pub: &Gen{ID: NewGenID(), Path: path, Size: i.size, Modified: i.mtime, Readable: true},
	}
	off := l.takeOver(g, f)
	g.pub.From = off
	if off > p.n { // grown since
		if p, err = prove(f, off); err != nil {
			f.Close()
			l.set.wakeAt(l, now)
			return
		}
		g.print = p.print()
		g.pub.Size = off
	}
	if l.wanted() {
		g.held = l.keepOpen(g, f, p, now)
		g.held.release()
	} else {
		f.Close()
	}
	l.link(g, off)
	l.set.own(g.ino, l)
	l.cur, l.unheard = g, true
	l.set.unheard = append(l.set.unheard, l)
	l.noteCopies()
	l.fail(nil)
	l.publish()
	l.set.generationsChanged(l)
}

// link puts g behind the generation that came last.
func (l *Log) link(g *generation, off int64) {
	l.lastOrd++
	g.update(func(p *Gen) { p.ord = l.lastOrd })
	last := l.tail
	l.tail = g
	if last == nil {
		return
	}
	last.next, last.nextOff = g, off
	if last.pub.End != nil {
		last.end()
		l.oldPub = nil
	}
}

// ReadAt reads bytes of one generation and checks them. See [Source].
func (l *Log) ReadAt(ctx context.Context, p []byte, pos Pos) (int, error) {
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		h, err := l.Open(pos.Gen)
		if err != nil {
			return 0, err
		}
		n, err := h.readAt(p, pos.Off)
		h.Close()
		if !errors.Is(err, errChanged) {
			return n, err
		}
	}
}

// Open gives the descriptor of one generation, shared by all who have it open:
// read it with explicit offsets only. Errors are *Ended, ErrParked, or of the
// file.
func (l *Log) Open(id GenID) (Handle, error) {
	if l.told {
		return l.tryOpen(id, (*Log).open)
	}
	h, err := l.tryOpen(id, (*Log).opened)
	if !isPassing(err) {
		return h, err
	}
	// A file that is being renamed is found again as soon as the hint is there,
	// or known to be gone when patience is over.
	for deadline := time.Now().Add(10 * patience); ; time.Sleep(patience / 10) {
		l.set.catchUp(func() {
			if h, err = l.tryOpen(id, (*Log).open); err != nil {
				l.set.lookAll([]*Log{l}, l.set.isPolled(l.name))
				l.set.endRound()
			}
		})
		if !isPassing(err) || time.Now().After(deadline) {
			return h, err
		}
	}
}

// isPassing says that what could not be opened may be found at the next look.
func isPassing(err error) bool { return errors.Is(err, errMoved) || errors.Is(err, errChanged) }

func (l *Log) tryOpen(id GenID, open func(*Log, *generation, bool) (*held, error)) (Handle, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.find(id)
	switch {
	case g == nil:
		return Handle{}, &Ended{Gen: id, Reason: Forgotten}
	case !g.pub.Readable && g.pub.End == nil: // its quiet time is not over
		return Handle{}, &Ended{Gen: id, At: g.pub.Size, Reason: g.reason}
	case !g.pub.Readable:
		return Handle{}, g.pub.End
	}
	h, err := open(l, g, true)
	switch {
	case err == nil:
		return Handle{log: l, held: h}, nil
	case errors.Is(err, ErrEnded):
		return Handle{}, err
	case errors.Is(err, errChanged):
		g.update(func(p *Gen) { p.Modified = time.Time{} }) // whatever a stat says: look into it
	}
	return Handle{}, &fs.PathError{Op: "read", Path: g.pub.Path, Err: err}
}

// recheck finds out what became of an open file that is not what it was.
func (l *Log) recheck(h *held) {
	if l.told {
		l.mistrust(h)
		return
	}
	l.set.lookNow(l)
}
