package logfile

import (
	"errors"
	"os"
	"time"
)

// A generation is what a Log knows of one, beyond what it tells its readers.
// Its Log's mutex guards it.
type generation struct {
	pub      *Gen // what readers see: replaced, never changed
	dev, ino uint64
	print    print // recognises it; while held is open, held.proof is ahead of it
	held     *held

	quiet  time.Time // since when: it was seen to grow, or to leave the path, then
	left   bool      // a hint said that it left the path
	doubt  bool      // and it is too short to be told from what has its inode now
	weak   bool      // for one look: see isWeak
	missed time.Time // since when it is not where it was; once it is gone, since when that is so
	reason Reason    // why it left

	next    *generation
	nextOff int64
}

// update replaces what readers see.
func (g *generation) update(change func(*Gen)) {
	pub := *g.pub
	change(&pub)
	g.pub = &pub
}

// end tells readers that the next generation may begin.
func (g *generation) end() {
	e := &Ended{Gen: g.pub.ID, At: g.pub.Size, Reason: g.reason}
	if g.next != nil {
		e.Next, e.nextOrd = Pos{g.next.pub.ID, g.nextOff}, g.next.pub.ord
	}
	g.update(func(p *Gen) { p.End = e })
}

// gone makes g unreadable for good.
func (g *generation) gone() {
	g.forgetHeld()
	g.missed = time.Now()
	g.update(func(p *Gen) { p.Path, p.Readable, p.Final = "", false, true })
}

// lastPrint is g's print, as far as it was proven.
func (g *generation) lastPrint() print {
	if g.held != nil {
		return g.held.proof.Load().print()
	}
	return g.print
}

// forgetHeld gives the descriptor up; what it proved stays known.
func (g *generation) forgetHeld() {
	if g.held == nil {
		return
	}
	g.print = g.held.proof.Load().print()
	g.held.drop()
	g.held = nil
}

// tidy frees what a closed descriptor still holds in memory.
func (g *generation) tidy() {
	if g.held != nil && g.held.isShut() {
		g.forgetHeld()
	}
}

// isAsSeen says that by its stat the file is g, and has not changed.
func (g *generation) isAsSeen(i info) bool {
	return i.sameFile(g.dev, g.ino) && i.size == g.pub.Size && i.mtime.Equal(g.pub.Modified)
}

// isOpen says that a descriptor is held for it.
func (g *generation) isOpen() bool { return g.held != nil && !g.held.isShut() }

// errMoved means: the file is not at the path where it was.
var errMoved = errors.New("moved")

// opened returns g's descriptor if there is one, in use: the caller releases it.
// asReader keeps it open for a while after that. The error is errMoved.
func (l *Log) opened(g *generation, asReader bool) (*held, error) {
	var used time.Time
	if asReader {
		used = time.Now()
	}
	if g.held.acquire(used) {
		return g.held, nil
	}
	return nil, errMoved
}

// open does the same, and opens the file if need be. It is called in a round
// only: as long as there are hints that nobody has followed, the path may name
// another file; not so for a log that is told its news. Errors are errMoved,
// errChanged, an *Ended, or of the file.
func (l *Log) open(g *generation, asReader bool) (*held, error) {
	if h, err := l.opened(g, asReader); err == nil {
		return h, nil
	}
	g.tidy()
	if l.told {
		return l.openTold(g)
	}
	if g.pub.Path == "" {
		return nil, errMoved
	}
	f, i, err := l.set.openFile(g.pub.Path)
	if err != nil {
		if missing(err) {
			err = errMoved
		}
		return nil, err
	}
	p, err := g.recognise(f, i)
	if err != nil {
		f.Close()
		return nil, err
	}
	g.dev = i.dev
	g.held = l.keepOpen(g, f, p, time.Now())
	return g.held, nil
}

// keepOpen makes f, in use, the descriptor of g.
func (l *Log) keepOpen(g *generation, f *os.File, p *proof, now time.Time) *held {
	return l.set.holder.add(f, p, func() bool { return l.isNeeded(g) }, now)
}

// recognise confirms by content that f is g. The inode picks the candidate;
// a device number may change over a reboot, if enough content agrees.
func (g *generation) recognise(f *os.File, i info) (*proof, error) {
	if i.ino != g.ino || i.dev != g.dev && g.print.n < tailMax {
		return nil, errMoved
	}
	return g.print.matches(f)
}

// grow takes in what was appended to g. Errors are errChanged or of the file.
func (l *Log) grow(g *generation, h *held) error {
	nr := h.checks.begin()
	p := h.proof.Load()
	size, mtime, err := fstat(h.f)
	if err != nil {
		return err
	}
	if g.pub.Final && size > p.n {
		size = p.n // what is added is another part, of the log at whose path the file is; or too late
	}
	q := p
	if size > p.n {
		if q, err = p.grown(h.f, size); err != nil {
			return err
		}
	}
	// Only now: had the file been cut while we read, the old proof would fail.
	if err := p.holds(h.f); err != nil || size < p.n {
		return errors.Join(err, changedIf(size < p.n))
	}
	h.checks.succeeded(nr)
	if q == p && mtime.Equal(g.pub.Modified) {
		return nil
	}
	h.proof.Store(q)
	late := int64(0)
	if g.pub.End != nil {
		late = q.n - p.n
		l.set.stats.lateBytes.Add(late)
	}
	if q.n > p.n {
		g.quiet = time.Now()
	}
	g.update(func(pub *Gen) { pub.Size, pub.Modified, pub.Late = q.n, mtime, pub.Late+late })
	l.changedNow(g)
	return nil
}

func changedIf(cond bool) error {
	if cond {
		return errChanged
	}
	return nil
}

// lookAt opens g if need be and takes in what was appended.
func (l *Log) lookAt(g *generation) error {
	h, err := l.open(g, false)
	if err != nil {
		return err
	}
	defer h.release()
	return l.grow(g, h)
}
