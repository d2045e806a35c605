package logfile

import (
	"fmt"
	"strings"
	"time"
)

// A Told is the hand that tells a log its news: a log whose files nobody looks
// for, because their owner, who alone writes them, knows. Its methods may be
// called from several goroutines; of one generation, what is told last counts.
//
// The owner keeps to two rules, so that no reader is given bytes of another
// generation. What is told is so: the file at Path begins with the Size bytes,
// and they do not change. And when a file is renamed, its new Path is told before
// another file takes the old one: in between it cannot be read, and that is all.
type Told struct {
	log    *Log
	joined bool // the Set has the log; guarded by its mu
}

// A ToldGen is what is told of a generation.
type ToldGen struct {
	ID       GenID
	Path     string    // where its bytes are; the file may be longer than Size
	Size     int64     // bytes committed: no reader is given more
	Modified time.Time // when the last of them came
	Ended    Reason    // why it has ended; zero: it is the log's current one
	Final    bool      // no byte will be added
}

// Told returns the hand of the log called name, which is SENDER:PATH, not a path
// that a target could cover; for the same name always the same. The log joins the
// set when it is first told something.
func (s *Set) Told(name string) *Told {
	s.setup()
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.told[name]
	if t == nil {
		t = &Told{log: &Log{set: s, name: name, told: true, rare: &nothingRare}}
		s.told[name] = t
		delete(s.known, name) // what cursors knew: the ids told are the same in every process
	}
	return t
}

// Log returns the log.
func (t *Told) Log() *Log { return t.log }

// Tell takes in what is so from now on and wakes the readers. All of one call is
// seen at once, and what a first call tells is what was there before: it names
// all that there is, the oldest first.
//
// A generation not told of before becomes the current one, and the one that was
// current ends as Rotated, unless Ended says otherwise for it; readers go on into
// the new one at once. If it has Ended, it comes before the current one, or after
// it if a reader may have begun that. Of a known one everything is replaced, but
// what has ended stays so: what is added to it is late. One that was forgotten
// stays forgotten.
//
// Of one id the bytes never change. So if Size is less than it was, as when a
// damaged copy was cut back to what is good of it, to be fetched again, then
// readers beyond it wait until it is past them once more, and what was read from
// the damaged file but not yet checked is discarded.
func (t *Told) Tell(gens ...ToldGen) {
	l := t.log
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.lastOrd == 0
	for _, g := range gens {
		if !g.ID.IsZero() {
			l.tell(g)
		}
	}
	if first && l.lastOrd > 0 {
		l.begun, l.joined = l.lastOrd, l.lastOrd
		l.set.joinTold(t)
	}
}

// Forget says that a generation is about to be removed, and ends it if need be.
// Called before its file is, it keeps that readable for followers that are
// behind, within the Set's limits; others are told what they lost.
func (t *Told) Forget(id GenID) {
	l := t.log
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.find(id)
	if g == nil || g.pub.Path == "" {
		return
	}
	l.leaveTo(g)
	if g.pub.End == nil {
		l.endTold(g, Deleted)
	}
	l.changedNow(g)
	l.pruneTold()
}

// leaveTo makes g, of which the file is about to go, readable for none but those
// who are behind on it.
func (l *Log) leaveTo(g *generation) {
	if l.needs(g) {
		if h, err := l.open(g, true); err == nil {
			h.unlinked(time.Now())
			h.release()
			g.update(func(p *Gen) { p.Path, p.Final = "", true })
			return
		}
	}
	g.gone()
}

func (l *Log) tell(t ToldGen) {
	switch g := l.find(t.ID); {
	case g == nil:
		l.meetTold(t)
	case g.pub.Path != "":
		l.updateTold(g, t)
	}
}

// meetTold takes in a generation that was not told of before.
func (l *Log) meetTold(t ToldGen) {
	g := &generation{pub: &Gen{ID: t.ID, Path: t.Path, Size: t.Size, Modified: t.Modified, Final: t.Final, Readable: true}}
	if t.Ended == 0 {
		l.link(g, 0)
		if l.cur != nil {
			l.endTold(l.cur, Rotated)
		}
		l.cur = g
		l.setErr(nil)
		l.publish()
		l.pruneTold()
		return
	}
	// Without a reason yet, for that is counted: this end is no news.
	if l.cur == nil {
		l.chain([]*generation{g})
	} else {
		l.insert([]*generation{g})
	}
	l.endTold(g, t.Ended)
	l.pruneTold()
}

func (l *Log) updateTold(g *generation, t ToldGen) {
	before := *g.pub
	grown := t.Size - before.Size
	late := int64(0)
	if before.End != nil && grown > 0 {
		late = grown
		l.set.stats.lateBytes.Add(late)
	}
	g.update(func(p *Gen) {
		p.Path, p.Size, p.Modified, p.Final, p.Late = t.Path, t.Size, t.Modified, t.Final, p.Late+late
	})
	switch {
	case grown < 0:
		g.discard()
	case grown > 0 && g.held != nil:
		g.held.proof.Store(&proof{n: t.Size, told: true})
	}
	if t.Ended != 0 && (before.End == nil || t.Ended != before.End.Reason) {
		l.endTold(g, t.Ended)
	}
	if g == l.cur && (grown < 0 || t.Path != before.Path) {
		l.setErr(nil) // until a read says otherwise
	}
	if *g.pub != before {
		l.changedNow(g)
	}
}

// endTold ends g, or tells another reason for its end.
func (l *Log) endTold(g *generation, why Reason) {
	g.reason = why
	g.end()
	l.oldPub = nil
	if g == l.cur {
		l.retire(g)
	}
}

// pruneTold forgets what nobody can need any more. Nothing else comes by a log
// that is told its news.
func (l *Log) pruneTold() {
	for _, g := range l.old {
		g.tidy()
		l.reap(g)
	}
	l.prune(time.Now())
}

// reap says of a forgotten generation that it can be read no more, once its
// descriptor was closed.
func (l *Log) reap(g *generation) {
	if g.pub.Readable && g.pub.Path == "" && !g.isOpen() {
		g.gone()
		l.changedNow(g)
	}
}

// discard has all who read from the open file find that it has changed.
func (g *generation) discard() {
	if g.held != nil {
		g.held.proof.Store(&proof{n: g.held.proof.Load().n, told: true, void: true})
		g.forgetHeld()
	}
}

// openTold opens the file of a generation that is told of. A file that is not as
// long as told, or not there, may be so later.
func (l *Log) openTold(g *generation) (*held, error) {
	if l.reap(g); !g.pub.Readable {
		return nil, g.pub.End
	}
	f, i, err := l.set.openFile(g.pub.Path)
	if err == nil && i.size < g.pub.Size {
		f.Close()
		err = fmt.Errorf("has %d bytes, and %d were told of", i.size, g.pub.Size)
	}
	if g == l.cur {
		l.setErr(err)
	}
	if err != nil {
		return nil, err
	}
	g.held = l.keepOpen(g, f, &proof{n: g.pub.Size, told: true}, time.Now())
	return g.held, nil
}

// mistrust closes an open file that is not what was told.
func (l *Log) mistrust(h *held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.old {
		if g.held == h {
			g.forgetHeld()
		}
	}
	if l.cur != nil && l.cur.held == h {
		l.cur.forgetHeld()
	}
}

// joinTold makes the log of t one of the set's.
func (s *Set) joinTold(t *Told) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.joined = true
	s.copies = append(s.copies, t.log)
	s.announce()
}

// toldNamed returns the log of that name, which HTTP puts a slash before, or nil.
func (s *Set) toldNamed(name string) *Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.toldLog(name)
}

// toldLog is toldNamed while s.mu is held.
func (s *Set) toldLog(name string) *Log {
	if t := s.told[strings.TrimPrefix(name, "/")]; t != nil && t.joined {
		return t.log
	}
	return nil
}

// whyTold says of a log that is told its news why it is here.
func whyTold(l *Log) Why {
	sender, _, _ := strings.Cut(l.name, ":")
	w := Why{Path: l.name, Collected: true, Log: l, Rule: "it is a copy that this process receives from " + sender}
	if err := l.Stat().Err; err != nil {
		w.Rule += fmt.Sprintf(", but it cannot be read: %v", err)
		w.Cure = "wait: what is damaged is fetched again"
	}
	return w
}
