package plain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"fairlead/logfile"
)

// What a Sender's fields mean when they are zero.
const (
	DefaultTimeout  = time.Minute
	DefaultIdle     = time.Minute
	DefaultMaxConns = 256
)

// A Sender sends the logs of a set, each generation under a name of its own, to every
// receiver. Its fields are set before use.
type Sender struct {
	Files    *logfile.Set
	State    string        // directory of our own
	To       []string      // HOST:PORT
	Timeout  time.Duration // to connect, for the answer, and for each write
	Idle     time.Duration // after which the connection of a file that does not grow is given up
	Once     bool          // no connection is kept: when all was sent it is asked whether it is there
	Rate     int64         // bytes per second to each receiver; 0: no limit
	MaxConns int           // to each receiver
	Log      *slog.Logger  // nil discards

	wake  chan struct{}
	hosts []*host
	names names
	all   sync.WaitGroup // transfers that run

	mu      sync.Mutex // guards what follows
	logs    map[*logfile.Log]*shipped
	dirty   []*shipped
	working bool // what was dirty is being taken in
	refused map[refusal]string
}

// A shipped is a log with what keeps its bytes readable until receivers have them.
type shipped struct {
	log    *logfile.Log
	follow *logfile.Follower // stands where nothing before it is needed any more
	listed bool              // in dirty
}

// A refusal is a log that is not sent to a receiver.
type refusal struct{ to, path string }

func (s *Sender) log() *slog.Logger { return cmp.Or(s.Log, slog.New(slog.DiscardHandler)) }

// Open makes the state; nothing is sent before Run.
func (s *Sender) Open() error {
	s.wake = make(chan struct{}, 1)
	s.logs, s.refused = make(map[*logfile.Log]*shipped), make(map[refusal]string)
	s.Timeout, s.Idle = cmp.Or(s.Timeout, DefaultTimeout), cmp.Or(s.Idle, DefaultIdle)
	if err := os.MkdirAll(s.State, 0o700); err != nil {
		return fmt.Errorf("make the state of ship: %w", err)
	}
	if err := s.names.open(filepath.Join(s.State, "names"), time.Now()); err != nil {
		return err
	}
	for _, to := range s.To {
		s.hosts = append(s.hosts, newHost(s, to))
	}
	return nil
}

// Run sends until ctx ends.
func (s *Sender) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer s.names.save()
	defer s.all.Wait()
	defer s.release()
	defer cancel()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	day := time.Now().YearDay()
	for {
		changed := s.Files.Changed()
		s.join()
		if err := s.work(ctx); err != nil {
			return err
		}
		select {
		case <-s.wake:
		case <-changed:
		case now := <-second.C:
			s.settleAll()
			if day != now.YearDay() {
				day = now.YearDay()
				s.seeAll()
			}
			if err := s.names.save(); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *Sender) release() {
	for _, sh := range s.shipped() {
		sh.follow.Close()
	}
}

// shipped returns the logs. Whoever calls a Log does not hold s.mu: mark waits for it
// with the Log locked.
func (s *Sender) shipped() []*shipped {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.logs))
}

// join begins with the logs that are new in the set.
func (s *Sender) join() {
	for _, l := range s.Files.Logs() {
		s.mu.Lock()
		_, known := s.logs[l]
		s.mu.Unlock()
		if known || !filepath.IsAbs(l.Name()) { // a copy of another machine's
			continue
		}
		sh := &shipped{log: l, follow: logfile.Follow(l, logfile.FromOldest(l.Stat()))}
		s.mu.Lock()
		s.logs[l] = sh
		s.mu.Unlock()
		s.mark(sh)
	}
}

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

// work takes in the news of logs. What is new is sent once its name is written down.
func (s *Sender) work(ctx context.Context) error {
	s.mu.Lock()
	dirty := s.dirty
	s.dirty, s.working = nil, true
	for _, sh := range dirty {
		sh.listed = false
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.working = false
		s.mu.Unlock()
	}()
	var wanted []*sending
	for _, sh := range dirty {
		st := sh.log.Stat()
		for _, g := range append(st.Old[:len(st.Old):len(st.Old)], st.Current) {
			if g != nil {
				wanted = append(wanted, s.take(sh.log, g)...)
			}
		}
		s.settle(sh)
		sh.log.Notify(st.Seq, func() { s.mark(sh) })
	}
	if err := s.names.save(); err != nil {
		return err
	}
	for _, e := range wanted {
		e.poke(ctx)
	}
	return nil
}

// take returns what of a generation there may be to send.
func (s *Sender) take(l *logfile.Log, g *logfile.Gen) (wanted []*sending) {
	for _, h := range s.hosts {
		e := h.sending(g.ID)
		if e == nil {
			e = s.begin(h, l, g)
		}
		if e == nil {
			continue
		}
		e.partOf(l, g)
		wanted = append(wanted, e)
	}
	return wanted
}

// begin finds the name of a generation at a receiver; nil if it is not sent.
func (s *Sender) begin(h *host, l *logfile.Log, g *logfile.Gen) *sending {
	r, known := s.names.of(h.addr, g.ID)
	switch {
	case !known && !g.Readable && g.End != nil: // it was gone before we began
		return nil
	case !known:
		var err error
		if r, err = s.names.choose(h.addr, l.Name(), g.ID, s.collects); err != nil {
			s.refuse(h, l, err)
			return nil
		}
	}
	s.mu.Lock()
	delete(s.refused, refusal{h.addr, l.Name()})
	s.mu.Unlock()
	e := &sending{s: s, h: h, gen: g.ID, log: l, name: r.name, far: max(0, r.done), sent: max(0, r.done), asked: r.done >= 0, over: r.done >= 0}
	h.add(e)
	return e
}

// collects says whether there is a file at a path that is a log of ours.
func (s *Sender) collects(path string) bool {
	for _, sh := range s.shipped() {
		if sh.log.Name() == path {
			return sh.log.Stat().Current != nil
		}
	}
	return false
}

// refuse notes that a log is not sent, and says so once.
func (s *Sender) refuse(h *host, l *logfile.Log, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := refusal{h.addr, l.Name()}
	if s.refused[key] != err.Error() {
		s.refused[key] = err.Error()
		s.log().Error("a file is not sent", "path", l.Name(), "peer", h.addr, "err", err)
	}
}

func (s *Sender) settleAll() {
	for _, sh := range s.shipped() {
		s.settle(sh)
	}
}

// settle lets go of what every receiver has said to have.
func (s *Sender) settle(sh *shipped) {
	for {
		span, ok, err := sh.follow.Ready()
		switch {
		case errors.Is(err, logfile.ErrEnded):
			continue // on to the next generation
		case err != nil || !ok:
			return
		}
		n := min(s.storedOf(span.Gen)-span.Off, span.N)
		if n <= 0 {
			return
		}
		sh.follow.Advance(n)
	}
}

// seeAll notes which generations are still there.
func (s *Sender) seeAll() {
	for _, h := range s.hosts {
		for _, e := range h.all() {
			if log, _ := e.part(); log.Stat().Find(e.gen) != nil {
				s.names.of(h.addr, e.gen)
			} else if e.isOver() {
				h.remove(e)
			}
		}
	}
}

// storedOf is how much of a generation every receiver has that gets it.
func (s *Sender) storedOf(gen logfile.GenID) int64 {
	least := int64(1<<63 - 1)
	for _, h := range s.hosts {
		if e := h.sending(gen); e != nil {
			least = min(least, e.stored())
		}
	}
	return least
}
