package logfile

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fairlead/internal/inotify"
)

// readEvents follows the kernel's hints until the watcher is closed.
func (s *Set) readEvents() {
	for s.watcher.Wait() == nil {
		s.rounds.Lock()
		s.follow()
		s.rounds.Unlock()
	}
}

// catchUp follows all hints there are and then calls do. What do decides (that
// a generation has ended, say) is decided with every rename known that happened
// before, and so is what readers and the state see after it: do may have found
// a file at its path before the hint that tells what was there in between.
func (s *Set) catchUp(do func()) {
	s.rounds.Lock()
	defer s.rounds.Unlock()
	s.follow()
	do()
	s.follow()
}

// lookNow looks at a log in a round of its own.
func (s *Set) lookNow(l *Log) {
	s.catchUp(func() {
		s.lookAll([]*Log{l}, s.isPolled(l.name))
		s.endRound()
	})
}

// isPolled says that a file is in a directory without events, or with such that
// cannot be trusted.
func (s *Set) isPolled(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dirOf(filepath.Dir(path)).polled
}

// maxSettling bounds how long a storm of renames can keep us from looking.
const maxSettling = 200 * time.Millisecond

// maxRounds bounds how long it can keep us from all else.
const maxRounds = 10

// follow takes the events there are, round after round until none is left: what
// was looked at is then known with all that went before it. After bytes that
// were merely appended there is no need to: only open files were looked at.
func (s *Set) follow() {
	for range maxRounds {
		if s.watcher == nil || !s.followRound() {
			s.heard()
			return
		}
	}
}

// heard notes that no hint is left: whatever was at a log's path before what we
// found there, it is known.
func (s *Set) heard() {
	for _, l := range s.unheard {
		l.mu.Lock()
		l.unheard = false
		l.mu.Unlock()
	}
	clear(s.unheard)
	s.unheard = s.unheard[:0]
}

// followRound takes the events there are, and says whether there may be more
// that matter. Names are resolved to files only once no more renames come: what was
// app.log.1 when an event was queued may be app.log.2 by now.
func (s *Set) followRound() bool {
	r := &s.round
	if s.poll(); len(s.events) == 0 && r.over == nil {
		return false
	}
	r.begin(s)
	for began := time.Now(); r.take(s.events); {
		for _, ts := range r.trails {
			ts.resolve()
		}
		if time.Since(began) > maxSettling {
			break
		}
		s.poll()
	}
	return r.finish()
}

// poll takes the events there are.
func (s *Set) poll() {
	s.round.ask()
	s.events = s.watcher.Poll(s.events[:0])
}

// take adds events and says whether there was a rename among them.
func (r *round) take(events []inotify.Event) (renamed bool) {
	r.set.mu.Lock()
	defer r.set.mu.Unlock()
	for _, e := range events {
		r.add(e)
		renamed = renamed || e.Op&^(inotify.Modify|inotify.Attrib) != 0
	}
	return renamed
}

// A round collects what a batch of events hints at, so that each log is looked
// at once. There is one, used again and again: a busy log leaves no garbage.
type round struct {
	set      *Set
	order    []*Log // to be looked at, in this order
	trails   map[*Log]trails
	modified map[place]struct{}
	files    []string // that appeared
	dirs     []string // that appeared
	missed   bool     // events were lost
	path     []byte   // of the file last written to; saves an allocation each
	pending  *half    // stays from one round to the next
	over     *half    // pending, if it was waited for long enough
	flushed  *half    // the last one that was given up
}

// A place is where bytes were written: to a generation of a log that is at path;
// empty: at the log's own.
type place struct {
	log  *Log
	path string
}

func (r *round) begin(s *Set) {
	const many = 1000 // what a storm has left behind is not to be cleared for ever
	if r.set == nil || len(r.trails)+len(r.modified) > many {
		r.set, r.trails, r.modified = s, make(map[*Log]trails), make(map[place]struct{})
	}
	clear(r.trails)
	clear(r.modified)
	clear(r.order)
	r.order, r.files, r.dirs, r.missed = r.order[:0], r.files[:0], r.dirs[:0], false
}

// A half is the first half of a rename, waiting for the second: the kernel tells
// of them one after the other, and a round may end in between.
type half struct {
	cookie uint32
	path   string
	isDir  bool
	since  time.Time
}

// isOver says that the second half would have come by now: the file went where
// nobody watches.
func (h *half) isOver() bool { return h != nil && time.Since(h.since) >= patience }

func (r *round) finish() (more bool) {
	s := r.set
	s.mu.Lock()
	r.wait()
	s.mu.Unlock()
	if r.missed {
		r.pending = nil
		s.stats.overflows.Add(1)
		s.rescan()
		return true
	}
	// Renames first: what was written is in the file that has the name now.
	if len(r.order)+len(r.files)+len(r.dirs) > 0 {
		r.look()
		more = true
	}
	for at := range r.modified {
		s.active.touch(at.log)
		if !at.log.modifiedAt(at.path) {
			more = true
		}
	}
	return more
}

// look looks at what changed its name.
func (r *round) look() {
	s := r.set
	for l, ts := range r.trails {
		l.mu.Lock()
		l.more().trails = ts
		l.mu.Unlock()
	}
	for _, l := range r.order {
		s.active.touch(l)
		l.mu.Lock()
		l.look()
		l.settle(time.Now())
		l.mu.Unlock()
	}
	for _, path := range r.dirs {
		s.appeared(path)
	}
	for _, path := range r.files {
		s.consider(path)
	}
	s.endRound()
}

// endRound looks at the logs that joined, and forgets what was true of one round
// only.
func (s *Set) endRound() {
	s.lookFresh()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.listed {
		d.names = nil
	}
	s.listed = s.listed[:0]
}

func (r *round) add(e inotify.Event) {
	if e.Op&inotify.Overflow != 0 {
		r.missed = true
		return
	}
	d := r.set.byWatch[e.Watch]
	if d == nil {
		return
	}
	if e.Op&inotify.Modify != 0 {
		r.wrote(d, e.Name)
		return
	}
	path := filepath.Join(d.path, e.Name)
	if p := r.pending; p != nil && (e.Op&inotify.MovedTo == 0 || e.Cookie != p.cookie) {
		r.flush()
	}
	switch {
	case e.Op&inotify.Self != 0:
		r.lostDir(d)
	case e.Op&inotify.MovedFrom != 0:
		r.pending = &half{e.Cookie, path, e.IsDir, time.Now()}
	case e.Op&inotify.MovedTo != 0 && r.pending != nil:
		from := r.pending.path
		r.pending = nil
		r.moved(from, path, e.IsDir)
	case e.Op&inotify.MovedTo != 0 && r.flushed != nil && r.flushed.cookie == e.Cookie && !e.IsDir:
		r.moved(r.flushed.path, path, false) // late, but the same rename
	case e.Op&(inotify.MovedTo|inotify.Create) != 0:
		r.moved("", path, e.IsDir)
	case e.Op&inotify.Delete != 0:
		r.moved(path, "", e.IsDir)
	case e.Op&inotify.Attrib != 0:
		r.hint(path)
	}
}

// ask notes, before the events are asked for, whether the second half of a rename
// was waited for long enough. Later is too late: it may have come while we were
// kept from running.
func (r *round) ask() {
	r.over = nil
	if r.pending.isOver() {
		r.over = r.pending
	}
}

// wait leaves a half to the next round, for which it asks, unless it is over.
func (r *round) wait() {
	switch p := r.pending; {
	case p == nil:
	case p == r.over:
		r.flush()
	default:
		for _, l := range r.logsAt(p.path) {
			r.set.wakeAt(l, p.since.Add(patience))
		}
	}
}

// flush gives up on the second half of a rename: it went where nobody watches.
func (r *round) flush() {
	if p := r.pending; p != nil {
		r.pending, r.flushed = nil, p
		if p.isDir {
			r.moved(p.path, "", true)
			return
		}
		r.hint(p.path) // the open descriptor may know where it went
	}
}

// wrote notes that bytes were written under a name.
func (r *round) wrote(d *dir, name string) {
	r.path = append(append(r.path[:0], d.path...), filepath.Separator)
	r.path = append(r.path, name...)
	if l := r.set.logs[string(r.path)]; l != nil {
		r.modified[place{l, ""}] = struct{}{}
	}
	for _, l := range d.alias[name] {
		r.modified[place{l, filepath.Join(d.path, name)}] = struct{}{}
	}
}

// moved handles every change of names: without a from a name appeared, without
// a to it went.
func (r *round) moved(from, to string, isDir bool) {
	if isDir {
		r.movedDir(from, to)
		return
	}
	var logs []*Log
	for _, path := range []string{from, to} {
		logs = append(logs, r.logsAt(path)...)
	}
	if to != "" {
		logs = append(logs, r.ownersOf(to)...)
		if r.set.logs[to] == nil && r.set.concerns(filepath.Dir(to)) {
			r.files = append(r.files, to)
		}
	}
	slices.SortFunc(logs, func(a, b *Log) int { return strings.Compare(a.name, b.name) })
	for _, l := range slices.Compact(logs) {
		r.trails[l] = r.trails[l].add(from, to, l.name)
		r.hintLog(l)
	}
}

// logsAt returns the logs that have a generation at path.
func (r *round) logsAt(path string) (logs []*Log) {
	if path == "" {
		return nil
	}
	if l := r.set.logs[path]; l != nil {
		logs = append(logs, l)
	}
	dir, base := filepath.Split(path)
	if d := r.set.dirs[filepath.Clean(dir)]; d != nil {
		logs = append(logs, d.alias[base]...)
	}
	for l, ts := range r.trails {
		if ts.at(path) >= 0 {
			logs = append(logs, l) // a name it has had since the round began
		}
	}
	return logs
}

// ownersOf returns the logs whose older generation path is, by its name.
func (r *round) ownersOf(path string) (logs []*Log) {
	dir, name := filepath.Split(path)
	for _, base := range rotatedBases(name) {
		logs = append(logs, r.logsAt(dir+base)...)
	}
	return logs
}

func (r *round) hint(path string) {
	for _, l := range r.logsAt(path) {
		r.hintLog(l)
	}
}

func (r *round) hintLog(l *Log) {
	if !slices.Contains(r.order, l) {
		r.order = append(r.order, l)
	}
}

// concerns says whether something that appears in dir may be a target's.
// s.mu is held.
func (s *Set) concerns(dir string) bool {
	return slices.ContainsFunc(s.targets, func(t *target) bool { return t.kind != fileTarget && t.covers(dir) })
}

// movedDir handles a directory that appeared, went, or was renamed: its logs
// move with it.
func (r *round) movedDir(from, to string) {
	if from != "" {
		for path, l := range r.set.logs {
			rest, ok := strings.CutPrefix(path, from+string(filepath.Separator))
			if !ok {
				continue
			}
			if to != "" {
				r.trails[l] = r.trails[l].add(path, filepath.Join(to, rest), l.name)
			}
			r.hintLog(l)
		}
		r.set.unwatch(from)
	}
	if to != "" {
		r.dirs = append(r.dirs, to)
	}
}

// lostDir handles a watched directory that is no longer where it was.
func (r *round) lostDir(d *dir) {
	r.movedDir(d.path, "")
	r.dirs = append(r.dirs, d.path) // another may be there already
}

// unwatch drops the watches at and below a path that is no longer there.
// s.mu is held.
func (s *Set) unwatch(path string) {
	for p, d := range s.dirs {
		if d.watch >= 0 && within(p, path) {
			delete(s.byWatch, d.watch)
			s.watcher.Remove(d.watch)
			d.watch, d.polled = -1, true
		}
	}
}

// consider asks whether a file that appeared is one of a target's.
func (s *Set) consider(path string) {
	i, err := lstat(path)
	if err != nil || i.mode.IsDir() {
		return
	}
	dir := filepath.Dir(path)
	beside := func(name string) bool {
		other := filepath.Join(dir, name)
		_, err := lstat(other)
		return err == nil || s.isLog(other)
	}
	for _, t := range s.targetsIn(dir) {
		if t.judge(path, i.mode, beside).yes {
			s.join(path)
			return
		}
	}
}

// appeared looks through a directory that is new at its path, and watches those
// that were waited for below it.
func (s *Set) appeared(path string) {
	s.mu.Lock()
	var wait []*dir
	for p, d := range s.dirs {
		if d.watch < 0 && within(p, path) {
			wait = append(wait, d)
		}
	}
	scan := []string{path}
	for _, t := range s.targets {
		if t.kind != fileTarget && t.base != path && within(t.base, path) {
			scan = append(scan, t.base)
		}
	}
	s.mu.Unlock()
	for _, d := range wait {
		s.watchDir(d.path)
		for _, l := range s.logsIn(d) {
			l.mu.Lock()
			l.look()
			l.mu.Unlock()
		}
	}
	for _, dir := range scan {
		if s.leadsOn(dir) {
			s.scan(dir)
		}
	}
}
