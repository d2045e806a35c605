package stream

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"fairlead/logfile"
	"fairlead/spool"
)

// What an Options' fields mean when they are zero.
const (
	DefaultBackfill = 1000            // lines
	DefaultPartial  = 5 * time.Second // of quiet
)

// Options say how entries are made and kept.
type Options struct {
	Dir     string // of the spool; empty: in memory
	Budget  int64  // bytes of entries kept; see spool.Options
	Segment int64  // see spool.Options
	Boot    string // see spool.Options

	LogWisp   bool          // entries and rotation as LogWisp has them; see Lines
	MultiLine bool          // see Lines
	Backfill  int           // the newest lines of all logs to begin with: DefaultBackfill; below zero: none
	From      *logfile.From // where logs begin that are there at the start, instead of a backfill
	Partial   time.Duration // how long an unfinished line waits for its end: DefaultPartial
	Rate      int64         // bytes of logs read per second; what exceeds it waits. 0: no limit
	Filter    *Filter       // what no client is sent; nil: nothing

	Name func(log string) string // what the entries of a log have as source; nil: its name
	Log  *slog.Logger            // nil discards
}

// Sources says which logs there are. FromSet makes one of a Set.
type Sources interface {
	Sources() []logfile.Source
	Changed() <-chan struct{} // closed when another joins
}

// FromSet are the logs of a set.
func FromSet(set *logfile.Set) Sources { return setSources{set} }

type setSources struct{ *logfile.Set }

func (s setSources) Sources() []logfile.Source {
	logs := s.Logs()
	sources := make([]logfile.Source, len(logs))
	for i, l := range logs {
		sources[i] = l
	}
	return sources
}

// A Stream turns logs into entries and keeps them in a spool, from which outlets
// send them: TCP and SSE.
type Stream struct {
	opt     Options
	spool   *spool.Spool
	filter  *Filter
	limit   *rate.Limiter // nil: none
	queue   queue
	started time.Time
	views   views
	waiting sync.WaitGroup // for logs that do not notify
	begun   chan struct{}  // closed once Run has seen what was there at the start

	mu       sync.Mutex // guards what follows, and is held over an Append with what it says of the stands
	stands   ledger     // of the logs that are read
	restored ledger     // of an earlier process, until their logs appear

	counters
}

// Open opens the spool and finds out where each log goes on. The marks it
// found are to be adopted by the Set before its targets are added.
func Open(o Options) (*Stream, error) {
	s := &Stream{
		opt: o, filter: o.Filter, started: time.Now(),
		stands: make(ledger), restored: make(ledger), begun: make(chan struct{}),
	}
	s.opt.Backfill = cmp.Or(o.Backfill, DefaultBackfill)
	s.opt.Partial = cmp.Or(o.Partial, DefaultPartial)
	if s.opt.Name == nil {
		s.opt.Name = func(log string) string { return log }
	}
	if s.opt.Log == nil {
		s.opt.Log = slog.New(slog.DiscardHandler)
	}
	if o.Rate > 0 {
		s.limit = rate.NewLimiter(rate.Limit(o.Rate), int(max(o.Rate, readSize)))
	}
	s.queue.more = make(chan struct{}, 1)
	var err error
	s.spool, err = spool.Open(spool.Options{Dir: o.Dir, Budget: o.Budget, Segment: o.Segment, Boot: o.Boot, Mark: s.mark})
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	if err := s.restore(); err != nil {
		s.spool.Close()
		return nil, fmt.Errorf("open stream: %w", err)
	}
	s.views.stream = s
	return s, nil
}

// Run reads the logs until ctx ends. What it has not finished by then it reads
// again the next time.
func (s *Stream) Run(ctx context.Context, sources Sources) error {
	var all []*source
	defer func() {
		for _, r := range all {
			r.f.Close()
		}
	}()
	var wg sync.WaitGroup
	defer s.waiting.Wait()
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { s.spool.Run(ctx) })
	changed := sources.Changed()
	first := sources.Sources()
	begin, err := s.begin(ctx, first)
	if err != nil {
		return err
	}
	started := make(map[string]bool)
	follow := func(src logfile.Source, at start) {
		started[src.Name()] = true
		r := s.newSource(src, at)
		all = append(all, r)
		r.wake()
	}
	for range workers() {
		wg.Go(func() { s.work(ctx) })
	}
	for i, src := range first {
		follow(src, begin[i])
	}
	close(s.begun)
	for {
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
		changed = sources.Changed()
		for _, src := range sources.Sources() {
			if !started[src.Name()] {
				follow(src, s.joined(src))
			}
		}
	}
}

// Close closes the spool. It comes after Run and the outlets have returned.
func (s *Stream) Close() error { return s.spool.Close() }

// Reading says that Run has seen all logs that were there at the start.
func (s *Stream) Reading() bool {
	select {
	case <-s.begun:
		return true
	default:
		return false
	}
}

// Begun is closed once Reading is true.
func (s *Stream) Begun() <-chan struct{} { return s.begun }

func (s *Stream) log() *slog.Logger { return s.opt.Log }
