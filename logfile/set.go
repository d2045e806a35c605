package logfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"fairlead/internal/inotify"
)

// A Set finds the files that its targets name, watches them, and gives out the
// ids of their generations. There is one per process. Its fields are set before
// its first use; a zero field means the default named.
type Set struct {
	State string   // directory of the generations file; empty: ids do not outlive the process
	Skip  []string // directories in which nothing is found: our own state, store and log

	Quiet  time.Duration // how long a rotated file is quiet before the next generation begins: 2 s
	Late   time.Duration // how long a rotated file is watched for late bytes: 24 h
	Sweep  time.Duration // how often everything is looked at, events or not: 30 s
	Active time.Duration // the same for what changed within a minute or has no events: 1 s
	Hold   time.Duration // how long an unused descriptor stays open: 1 min

	MaxOpen  int           // unused descriptors held: a quarter of the limit, at most 512
	PinBytes int64         // what deleted files may keep on disk for readers that are behind: 4 GiB
	PinFor   time.Duration // and for how long: 1 h

	ParkAfter int           // this many breaks of content within ParkFor park a file: 3; below zero: never
	ParkFor   time.Duration // 10 min

	NoEvents bool             // poll only
	Now      func() time.Time // the clock for comparisons with file times; nil: time.Now

	init    sync.Once
	watcher *inotify.Watcher
	holder  *holder
	stats   counters
	due     dueList
	active  activeLogs

	mu      sync.Mutex // guards what follows; taken after a Log's, never before it
	err     error      // why there are no events
	targets []*target
	logs    map[string]*Log
	order   []*Log           // as they joined
	told    map[string]*Told // by name
	copies  []*Log           // those of told that have joined, as they did
	dirs    map[string]*dir
	byWatch map[int32]*dir
	known   map[string][]record // from the state and from cursors, until their log joins
	owners  map[uint64]*Log     // by inode: whose generation the file was last
	listed  []*dir              // whose names are known in this round
	joined  chan struct{}
	unsaved map[*Log]struct{} // whose generations are to be written down
	save    chan struct{}     // holds one while there are some

	rounds sync.Mutex // one round of looks at a time; taken before all others
	events []inotify.Event
	round  round
	fresh  []*Log // that joined in this round and were not looked at yet

	unheard []*Log // see Log.unheard
}

// A dir is a directory that matters: something in it is, or may come to be, a
// log.
type dir struct {
	path   string
	watch  int32
	polled bool // no events, or none that can be trusted
	logs   []*Log
	alias  map[string][]*Log // other names under which generations of a log are
	names  []string          // sorted; kept for one round of looks only
	listed time.Time         // the directory's time of change when names was read
}

func (s *Set) setup() {
	s.init.Do(func() {
		orElse(&s.Quiet, 2*time.Second)
		orElse(&s.Late, 24*time.Hour)
		orElse(&s.Sweep, 30*time.Second)
		orElse(&s.Active, time.Second)
		orElse(&s.Hold, time.Minute)
		orElse(&s.PinFor, time.Hour)
		orElse(&s.PinBytes, 4<<30)
		orElse(&s.MaxOpen, max(1, min(512, descriptorLimit()/4)))
		orElse(&s.ParkAfter, 3)
		orElse(&s.ParkFor, 10*time.Minute)
		s.holder = newHolder(s.MaxOpen)
		s.logs = make(map[string]*Log)
		s.told = make(map[string]*Told)
		s.dirs = make(map[string]*dir)
		s.byWatch = make(map[int32]*dir)
		s.owners = make(map[uint64]*Log)
		s.joined = make(chan struct{})
		s.unsaved, s.save = make(map[*Log]struct{}), make(chan struct{}, 1)
		s.due.kick = make(chan struct{}, 1)
		if s.State != "" {
			s.Skip = append(slices.Clone(s.Skip), s.State)
		}
		s.known = s.loadGenerations()
		if !s.NoEvents {
			s.watcher, s.err = inotify.New()
		}
	})
}

func orElse[T int | int64 | time.Duration](v *T, other T) {
	if *v == 0 {
		*v = other
	}
}

func (s *Set) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// Adopt makes known what a Cursor remembered, of each log the oldest first: what
// Follower.Late returned before Follower.Pos. It comes before Add.
func (s *Set) Adopt(marks ...Mark) {
	s.setup()
	s.mu.Lock()
	defer s.mu.Unlock()
	before := make(map[string]GenID) // of the same log, in the marks
	for _, m := range marks {
		s.known[m.Path] = adoptMark(s.known[m.Path], m, before[m.Path])
		before[m.Path] = m.Pos.Gen
	}
}

// Add makes targets part of the set: a file, which need not exist yet, a glob,
// or a directory with all below it. It looks at once: when it returns, the logs
// that are there have joined. An error names the reason and the cure; of several
// it is an errors.Join. What was renamed from one log's path to another's since
// an earlier process is recognised if both are added in one call.
func (s *Set) Add(specs ...string) error {
	s.setup()
	s.rounds.Lock()
	defer s.rounds.Unlock()
	var errs []error
	for _, spec := range specs {
		errs = append(errs, s.add(spec))
	}
	s.endRound()
	return errors.Join(errs...)
}

func (s *Set) add(spec string) error {
	t, err := newTarget(spec)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.targets = append(s.targets, t)
	s.mu.Unlock()
	if t.kind == fileTarget {
		s.watchDir(filepath.Dir(t.base))
		s.join(t.base)
		return nil
	}
	err = s.scan(t.base)
	for path := range s.remembered() {
		if dir := filepath.Dir(path); t.covers(dir) && t.kindOf(path).yes {
			s.watchDir(dir)
			s.join(path) // rotated away while we were down; its writer may come back
		}
	}
	if err != nil && !missing(err) {
		return fmt.Errorf("read directory %s: %w", t.base, err)
	}
	return nil
}

func (t *target) kindOf(path string) verdict {
	v, _ := t.judgeName(path)
	return v
}

func (s *Set) remembered() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	paths := make(map[string]bool, len(s.known))
	for path, recs := range s.known {
		if slices.ContainsFunc(recs, func(r record) bool { return r.current }) {
			paths[path] = true
		}
	}
	return paths
}

// scan looks through a directory for the logs of all targets. It watches before
// it lists, so that nothing falls between the two.
func (s *Set) scan(path string) error {
	if s.skipped(path) {
		return nil
	}
	s.watchDir(path)
	entries, err := os.ReadDir(path) // in order of name: so are the logs
	if err != nil {
		return err
	}
	targets := s.targetsIn(path)
	var names []string // made on first need
	beside := func(name string) bool {
		if names == nil {
			for _, e := range entries {
				names = append(names, e.Name())
			}
		}
		_, found := slices.BinarySearch(names, name)
		return found || s.isLog(filepath.Join(path, name))
	}
	for _, e := range entries {
		full := filepath.Join(path, e.Name())
		if e.IsDir() {
			if s.leadsOn(full) {
				s.scan(full) // what cannot be read below is shown by Why
			}
			continue
		}
		for _, t := range targets {
			if t.judge(full, e.Type(), beside).yes {
				s.join(full)
				break
			}
		}
	}
	return nil
}

func (s *Set) skipped(path string) bool {
	return slices.ContainsFunc(s.Skip, func(dir string) bool { return within(path, dir) })
}

func (s *Set) targetsIn(dir string) (ts []*target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.targets {
		if t.covers(dir) {
			ts = append(ts, t)
		}
	}
	return ts
}

// leadsOn says whether a directory has to be looked through.
func (s *Set) leadsOn(dir string) bool {
	return slices.ContainsFunc(s.targetsIn(dir), func(t *target) bool { return t.kind != fileTarget })
}

func (s *Set) isLog(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logs[path] != nil || slices.ContainsFunc(s.known[path], func(r record) bool { return r.current })
}

// join makes path a log. What it knows from an earlier process it knows at once;
// it is looked at when all have joined that do so in this round: its file may be
// at the path of one of them.
func (s *Set) join(path string) {
	s.mu.Lock()
	if s.logs[path] != nil || s.skippedLocked(path) {
		s.mu.Unlock()
		return
	}
	l := &Log{set: s, name: path, rare: &nothingRare}
	recs := s.known[path]
	delete(s.known, path)
	s.logs[path] = l
	s.order = append(s.order, l)
	d := s.dirOf(filepath.Dir(path))
	d.logs = append(d.logs, l)
	s.fresh = append(s.fresh, l)
	s.mu.Unlock()

	l.mu.Lock()
	defer l.mu.Unlock()
	l.restore(recs)
}

// lookFresh looks at the logs that joined, and tells of them.
func (s *Set) lookFresh() {
	if len(s.fresh) == 0 {
		return
	}
	for _, l := range s.fresh {
		l.mu.Lock()
		if l.tail == nil && len(l.old) == 0 {
			l.noteSiblings()
		}
		l.look()
		l.mu.Unlock()
	}
	s.fresh = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	s.announce()
}

// announce tells that a log has joined. s.mu is held.
func (s *Set) announce() {
	close(s.joined)
	s.joined = make(chan struct{})
}

func (s *Set) skippedLocked(path string) bool { return s.skipped(filepath.Dir(path)) }

// dirOf returns the entry for a directory, made if need be. s.mu is held.
func (s *Set) dirOf(path string) *dir {
	path = filepath.Clean(path)
	d := s.dirs[path]
	if d == nil {
		d = &dir{path: path, watch: -1, polled: true}
		s.dirs[path] = d
	}
	return d
}

// watchDir asks for events of a directory; if it does not exist yet, of the
// nearest one above it that does.
func (s *Set) watchDir(path string) {
	path = filepath.Clean(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		d := s.dirOf(path)
		if d.watch >= 0 || s.watch(d) == nil || filepath.Dir(path) == path {
			return
		}
		path = filepath.Dir(path)
	}
}

// watch returns an error only if the directory does not exist.
func (s *Set) watch(d *dir) error {
	if _, err := os.Stat(d.path); err != nil {
		return err
	}
	if s.watcher == nil {
		return nil
	}
	wd, err := s.watcher.Add(d.path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return err
		}
		s.err = err
		return nil
	}
	if other := s.byWatch[wd]; other != nil && other != d {
		return nil // another name of a directory that is watched: polled
	}
	d.watch, d.polled = wd, !eventsTrusted(d.path)
	s.byWatch[wd] = d
	return nil
}

// watchParent watches the directory a file is in.
func (s *Set) watchParent(path string) {
	if path != "" {
		s.watchDir(filepath.Dir(path))
	}
}

// realias notes that a generation of l moved from one path to another; either
// may be empty.
func (s *Set) realias(l *Log, from, to string) {
	if from == to || l.told {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if from != "" && from != l.name {
		dir, base := filepath.Split(from)
		d := s.dirOf(dir)
		left := slices.DeleteFunc(d.alias[base], func(x *Log) bool { return x == l })
		if len(left) > 0 {
			d.alias[base] = left
		} else {
			delete(d.alias, base)
		}
	}
	if to != "" && to != l.name {
		dir, base := filepath.Split(to)
		d := s.dirOf(dir)
		if d.alias == nil {
			d.alias = make(map[string][]*Log)
		}
		if !slices.Contains(d.alias[base], l) {
			d.alias[base] = append(d.alias[base], l)
		}
	}
}

// openFile opens a regular file for reading. If the process is out of
// descriptors, it closes files that are not in use and tries again, a little
// later if readers have all of them: what a copy or a file just rotated has may
// not be there for long.
func (s *Set) openFile(path string) (*os.File, info, error) {
	f, err := openLog(path)
	for wait := time.Duration(0); outOfDescriptors(err) && wait < patience; wait += patience / 10 {
		time.Sleep(wait)
		s.holder.evict()
		f, err = openLog(path)
	}
	if err != nil {
		return nil, info{}, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = notRegular(path, fi.Mode())
	}
	if err != nil {
		f.Close()
		return nil, info{}, err
	}
	return f, infoOf(fi), nil
}

// Run watches until ctx ends, then keeps the generations for the next time and
// closes all descriptors that are not in use.
func (s *Set) Run(ctx context.Context) error {
	s.setup()
	var wg sync.WaitGroup
	if s.watcher != nil {
		wg.Go(s.readEvents)
	}
	wg.Go(func() { s.saveUntil(ctx) })
	s.sweepUntil(ctx)
	s.catchUp(func() {}) // the state must not know half of a rotation
	if s.watcher != nil {
		s.watcher.Close()
	}
	wg.Wait()
	s.holder.closeAll()
	return s.saveGenerations()
}
