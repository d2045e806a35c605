package ship

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"fairlead/logfile"
	"fairlead/replica"
)

// A Sender sends the logs of a set, but for copies of other machines', each generation
// whole, to every group of receivers. Its fields are set before use.
type Sender struct {
	Files    *logfile.Set
	State    string  // directory of our own
	To       []Group // each gets a whole copy
	Name     string  // what we call ourselves
	Software string
	Rate     int64         // bytes per second to each receiver; 0: no limit
	Failover time.Duration // how long a receiver is waited for before another of its group has its files: DefaultFailover
	Log      *slog.Logger  // nil discards

	wake   chan struct{}
	links  [][]*link // as To
	leaves leaves
	begun  begun
	called called
	ledger ledger

	mu      sync.Mutex // guards what follows
	logs    map[*logfile.Log]*shipped
	gens    map[logfile.GenID]*sending
	dirty   []*shipped
	working bool // what was dirty is being taken in

	// Of the goroutine of Run:
	behind  map[*shipped]struct{} // not all of them is acknowledged
	acked   int64                 // in all, when they were looked at last
	seconds int
}

// DefaultFailover is what a Sender's Failover means when it is zero.
const DefaultFailover = 30 * time.Second

// A Group is receivers of which one has each file.
type Group []Destination

// A shipped is a log with what keeps its bytes readable until they are acknowledged.
type shipped struct {
	log    *logfile.Log
	follow *logfile.Follower // stands where nothing before it is needed any more
	listed bool              // in dirty
}

// A sending is a generation and who gets it.
type sending struct {
	generation
	to []recipient // one of each group
}

// A recipient is the receiver of a group that gets a generation.
type recipient struct {
	*link
	has *seal // once it has all of it
}

// done says that all have all of it.
func (e *sending) done() bool {
	return !slices.ContainsFunc(e.to, func(r recipient) bool { return r.has == nil })
}

// A seal is what is known of a sealed copy.
type seal struct {
	gen logfile.GenID // that the receiver knows it by
	n   int64
}

func (s *Sender) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

// Open makes the state and the links; nothing is sent before Run.
func (s *Sender) Open() error {
	s.wake = make(chan struct{}, 1)
	s.logs, s.gens, s.behind = make(map[*logfile.Log]*shipped), make(map[logfile.GenID]*sending), make(map[*shipped]struct{})
	s.leaves = leaves{filepath.Join(s.State, "leaves")}
	if err := os.MkdirAll(s.leaves.dir, 0o700); err != nil {
		return fmt.Errorf("make the state of ship: %w", err)
	}
	s.begun.open(filepath.Join(s.State, "begun"), time.Now())
	s.called.open(filepath.Join(s.State, "called"), s.begun.has)
	instance, err := instanceIn(s.State)
	if err != nil {
		return err
	}
	s.ledger.path = filepath.Join(s.State, "lost")
	if err := s.ledger.open(); err != nil {
		return fmt.Errorf("read the ledger of losses: %w", err)
	}
	for _, group := range s.To {
		var links []*link
		for _, to := range group {
			l := &link{to: to, limit: newLimit(s.Rate), log: s.log()}
			l.source = &replica.Source{Name: s.Name, Software: s.Software, Instance: instance, Leaves: s.leaves, Zstd: true, Welcomed: l.welcomed}
			links = append(links, l)
		}
		s.links = append(s.links, links)
	}
	return nil
}

// instanceIn returns the id of a state, made at its first use.
func instanceIn(dir string) (id [16]byte, err error) {
	path := filepath.Join(dir, "instance")
	if b, err := os.ReadFile(path); err == nil {
		if known, err := logfile.ParseGenID(strings.TrimSpace(string(b))); err == nil {
			return known, nil
		}
	}
	rand.Read(id[:])
	if err := os.WriteFile(path, []byte(logfile.GenID(id).String()+"\n"), 0o600); err != nil {
		return id, fmt.Errorf("make the state of ship: %w", err)
	}
	return id, nil
}

// Run sends until ctx ends.
func (s *Sender) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer s.takeEvents() // the last
	defer wg.Wait()
	for _, l := range slices.Concat(s.links...) {
		wg.Go(func() { l.run(ctx) })
	}
	defer s.release()
	s.join()
	s.work()
	s.leaves.tidy(s.begun.has)
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		changed := s.Files.Changed()
		s.join()
		for {
			s.work()
			select {
			case <-s.wake:
				continue
			case now := <-second.C:
				s.everySecond(now)
				continue
			case <-changed:
			case <-ctx.Done():
				return nil
			}
			break
		}
	}
}

func (s *Sender) release() {
	s.mu.Lock()
	logs := slices.Collect(maps.Values(s.logs))
	s.mu.Unlock() // mark is called with the Log locked
	for _, l := range logs {
		l.follow.Close()
	}
}

// join begins with the logs that are new in the set.
func (s *Sender) join() {
	for _, l := range s.Files.Logs() {
		s.mu.Lock()
		_, known := s.logs[l]
		s.mu.Unlock()
		if known || !isOurs(l) {
			continue
		}
		sh := &shipped{log: l, follow: logfile.Follow(l, logfile.FromOldest(l.Stat()))}
		s.mu.Lock()
		s.logs[l] = sh
		s.mu.Unlock()
		s.mark(sh)
	}
}

// isOurs says that a log is of this machine: a copy of another's is SENDER:PATH.
func isOurs(l *logfile.Log) bool { return filepath.IsAbs(l.Name()) }

// mark has a log looked at. It is called with the Log locked.
func (s *Sender) mark(sh *shipped) {
	s.mu.Lock()
	if !sh.listed {
		sh.listed = true
		s.dirty = append(s.dirty, sh)
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// work takes in the news of logs.
func (s *Sender) work() {
	s.mu.Lock()
	dirty := s.dirty
	s.dirty, s.working = nil, true
	for _, sh := range dirty {
		sh.listed = false
	}
	s.mu.Unlock()
	for _, sh := range dirty {
		st := sh.log.Stat()
		for _, g := range st.Old {
			s.take(sh.log, g)
		}
		if st.Current != nil {
			s.take(sh.log, st.Current)
		}
		s.settle(sh)
		sh.log.Notify(st.Seq, func() { s.mark(sh) })
	}
	s.begun.write()
	s.mu.Lock()
	s.working = false
	s.mu.Unlock()
}

// take has a generation sent, or looked at again.
func (s *Sender) take(l *logfile.Log, g *logfile.Gen) {
	s.mu.Lock()
	e := s.gens[g.ID]
	s.mu.Unlock()
	if e == nil {
		if g.Readable || s.begun.has(g.ID) { // else it was gone before we began, or is sealed everywhere
			s.begin(l, g.ID)
		}
		return
	}
	e.part(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, to := range e.to {
		if to.has == nil {
			to.source.Changed(g.ID)
		}
	}
}

// begin chooses who gets a generation.
func (s *Sender) begin(l *logfile.Log, id logfile.GenID) {
	s.begun.add(id, time.Now())
	e := &sending{generation: generation{id: id, logs: []*logfile.Log{l}}, to: make([]recipient, 0, len(s.links))}
	path := e.Stat().Path
	for _, group := range s.links {
		e.to = append(e.to, recipient{link: choose(group, path, s.failover())})
	}
	s.mu.Lock()
	s.gens[id] = e
	s.mu.Unlock()
	for _, to := range e.to {
		s.send(e, to.link)
	}
}

// send has a receiver get a generation, under the id by which it knows it.
func (s *Sender) send(e *sending, to *link) { to.source.AddAs(e, s.called.as(e.id, to.to.Name)) }

func (s *Sender) failover() time.Duration {
	if s.Failover > 0 {
		return s.Failover
	}
	return DefaultFailover
}

// everySecond looks at what no event tells of.
func (s *Sender) everySecond(now time.Time) {
	s.takeEvents()
	for i, group := range s.links {
		for _, l := range group {
			l.rate.count(l.source.Stats().Acked, now)
		}
		s.failOver(i, now)
	}
	if acked := s.Stats().Acked; acked != s.acked {
		s.acked = acked
		for sh := range s.behind {
			s.settle(sh)
		}
		if len(s.behind) == 0 {
			s.behind = make(map[*shipped]struct{}) // one that was large stays so
		}
	}
	if s.seconds++; s.seconds%forgetEvery == 0 {
		s.forget()
		s.begun.write()
	}
}

// forgetEvery is after how many seconds what is over is looked for.
const forgetEvery = 60

// settle lets go of what every receiver has.
func (s *Sender) settle(sh *shipped) {
	for {
		span, ok, err := sh.follow.Ready()
		switch {
		case errors.Is(err, logfile.ErrEnded):
			continue // on to the next generation
		case err != nil || !ok:
			delete(s.behind, sh)
			return
		}
		n := min(s.ackedOf(span.Gen)-span.Off, span.N)
		if n <= 0 {
			s.behind[sh] = struct{}{}
			return
		}
		sh.follow.Advance(n)
	}
}

// failOver gives the files of a receiver that could not be reached for long to
// another of its group, which begins at what it has of them.
func (s *Sender) failOver(group int, now time.Time) {
	links := s.links[group]
	if len(links) == 1 {
		return
	}
	s.mu.Lock()
	var moving []*sending
	for _, e := range s.gens {
		if group < len(e.to) && e.to[group].has == nil && e.to[group].downFor(now) > s.failover() {
			moving = append(moving, e)
		}
	}
	s.mu.Unlock()
	for _, e := range moving {
		from := e.to[group].link
		to := choose(links, e.Stat().Path, s.failover())
		if to == from {
			continue
		}
		from.source.Remove(e.id)
		s.mu.Lock()
		e.to[group].link = to
		s.mu.Unlock()
		s.send(e, to)
		s.log().Warn("a receiver cannot be reached: another has its files", "peer", to.to.Name, "gen", e.id.Short(), "from", from.to.Name)
	}
}

// forget drops what all receivers have and nobody can read any more.
func (s *Sender) forget() {
	s.mu.Lock()
	var over []*sending
	for _, e := range s.gens {
		if e.done() {
			over = append(over, e)
		}
	}
	s.mu.Unlock()
	for _, e := range over {
		if _, part, _ := e.newest(); part == nil || !part.Readable {
			s.leaves.forget(e.id)
			s.begun.drop(e.id)
			for _, to := range e.to {
				s.called.drop(e.id, to.to.Name)
			}
			s.mu.Lock()
			delete(s.gens, e.id)
			s.mu.Unlock()
		}
	}
}

// ackedOf is how much of a generation every receiver has.
func (s *Sender) ackedOf(gen logfile.GenID) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.gens[gen]
	if e == nil {
		return 0
	}
	least := int64(1<<63 - 1)
	for _, to := range e.to {
		if to.has == nil {
			least = min(least, to.source.Acked(gen))
		}
	}
	return least
}

// takeEvents takes in what has happened at all receivers.
func (s *Sender) takeEvents() {
	for i, group := range s.links {
		for _, l := range group {
			s.events(i, l)
		}
	}
}

// events takes in what has happened at a receiver.
func (s *Sender) events(group int, l *link) {
	for _, e := range l.source.Events() {
		path := strings.Join(e.File.Stat().Path, "/")
		log := s.log().With("path", "/"+path, "gen", e.Gen.Short(), "peer", l.to.Name)
		switch e.Kind {
		case replica.Done:
			s.mu.Lock()
			if g := s.gens[e.File.Gen()]; g != nil {
				g.to[group].has = &seal{e.Gen, e.Seal.N}
			}
			s.mu.Unlock()
			log.Info("the receiver has all of a generation", "n", e.Seal.N)
		case replica.Apart:
			log.Error("the receiver's copy is not what the file begins with: it stays, and a new one begins", "n", e.Seal.N)
		case replica.Found:
			log.Info("a generation was found again by what it contains")
		case replica.Called:
			s.called.note(e.File.Gen(), l.to.Name, e.Gen)
		case replica.Pending:
			log.Error("bytes were gone before they could be sent", "from", e.Seal.N, "to", e.Seal.Size)
			if err := s.ledger.add(Lost{Time: time.Now(), Path: "/" + path, Gen: e.File.Gen(),
				From: e.Seal.N, To: e.Seal.Size, Reason: reasonText(e.Seal.Reason)}); err != nil {
				log.Error("the ledger of losses cannot be written", "err", err)
			}
		case replica.Stuck:
			log.Warn("the receiver does not take a file; trying again", "err", e.Err)
		}
	}
}
