package logfile_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"fairlead/logfile"
)

// A config is all that an engine is told. It crosses to another process as JSON.
type config struct {
	Targets []string
	All     bool             // follow every log, not only those that are named as targets
	Resume  map[string]stand // by log, where its follower stood
	Adopt   bool             // with the marks of Resume: there is no state
	Buffer  int              // bytes of one read
	Allow   int64            // how much each follower may read at first; below zero: all

	State, Skip                      string
	Quiet, Late, Sweep, Active, Hold time.Duration
	MaxOpen                          int
	PinBytes                         int64
	PinFor, ParkFor                  time.Duration
	ParkAfter                        int
	NoEvents                         bool

	// For a child alone.
	Descriptors uint64            // RLIMIT_NOFILE
	Write       map[string]string // files to write first, as those below /proc/sys/user
	Overlay     []string          // lower, upper, work, merged: mounted first
}

// A stand is where a follower stands.
type stand struct {
	Pos   logfile.Pos
	Late  []logfile.Pos
	Marks []string
}

// An item is what a follower tells.
type item struct {
	Log   string
	Gen   logfile.GenID
	Off   int64
	Bytes []byte
	Late  bool
	Ended *logfile.Ended
	Err   string
	Stand *stand // the last item of each
}

// Numbers are a Set's, as they cross to another process.
type numbers struct {
	logfile.Stats
	WatchErr string
}

// An engine is a Set and followers that tell all they read to out.
type engine struct {
	conf config
	set  *logfile.Set
	out  func(item)

	endPumps, endSet context.CancelFunc
	pumping, running sync.WaitGroup
	ran              error

	mu    sync.Mutex // guards what follows
	pumps map[string]*pump
}

func startEngine(conf config, out func(item)) (*engine, error) {
	e := &engine{conf: conf, out: out, pumps: make(map[string]*pump)}
	e.set = &logfile.Set{
		State: conf.State, Quiet: conf.Quiet, Late: conf.Late, Sweep: conf.Sweep, Active: conf.Active, Hold: conf.Hold,
		MaxOpen: conf.MaxOpen, PinBytes: conf.PinBytes, PinFor: conf.PinFor, ParkAfter: conf.ParkAfter, ParkFor: conf.ParkFor,
		NoEvents: conf.NoEvents,
	}
	if conf.Skip != "" {
		e.set.Skip = []string{conf.Skip}
	}
	if conf.Adopt {
		if err := e.adopt(); err != nil {
			return nil, err
		}
	}
	if err := e.set.Add(conf.Targets...); err != nil {
		return nil, err
	}
	setCtx, endSet := context.WithCancel(context.Background())
	pumpCtx, endPumps := context.WithCancel(context.Background())
	e.endSet, e.endPumps = endSet, endPumps
	e.running.Go(func() { e.ran = e.set.Run(setCtx) })
	if conf.All {
		e.followNew(pumpCtx)
		e.pumping.Go(func() { e.followAll(pumpCtx) })
		return e, nil
	}
	for _, target := range conf.Targets {
		l, err := e.set.Lookup(target)
		if err != nil {
			e.stop()
			return nil, err
		}
		e.follow(pumpCtx, l)
	}
	return e, nil
}

func (e *engine) adopt() error {
	for _, st := range e.conf.Resume {
		for _, text := range st.Marks {
			var m logfile.Mark
			if err := m.UnmarshalText([]byte(text)); err != nil {
				return err
			}
			e.set.Adopt(m)
		}
	}
	return nil
}

// followAll follows what is there and what joins.
func (e *engine) followAll(ctx context.Context) {
	for {
		joined := e.set.Changed()
		e.followNew(ctx)
		select {
		case <-joined:
		case <-ctx.Done():
			return
		}
	}
}

func (e *engine) followNew(ctx context.Context) {
	for _, l := range e.set.Logs() {
		if e.pump(l.Name()) == nil {
			e.follow(ctx, l)
		}
	}
}

func (e *engine) follow(ctx context.Context, l *logfile.Log) {
	from, st := logfile.FromStart, e.conf.Resume[l.Name()]
	if e.conf.All {
		from = logfile.FromJoined
	}
	if !st.Pos.Gen.IsZero() {
		from = logfile.FromPos(st.Pos)
	}
	p := newPump(l, logfile.Follow(l, from, st.Late...), e.conf.Allow, e.conf.Buffer, e.out)
	e.mu.Lock()
	e.pumps[l.Name()] = p
	e.mu.Unlock()
	e.pumping.Go(func() { p.run(ctx) })
}

func (e *engine) pump(path string) *pump {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pumps[path]
}

func (e *engine) allow(path string, n int64) { e.pump(path).allow(n) }

func (e *engine) numbers() numbers {
	n := numbers{Stats: e.set.Stats()}
	if err := n.Stats.WatchErr; err != nil {
		n.WatchErr, n.Stats.WatchErr = err.Error(), nil
	}
	return n
}

func (e *engine) why(path string) string {
	w := e.set.Why(path)
	return fmt.Sprintf("%s: collected %v: %s; %s", w.Target, w.Collected, w.Rule, w.Cure)
}

// stop ends the followers, then the Set. Nothing is left open.
func (e *engine) stop() error {
	e.endPumps()
	e.pumping.Wait()
	e.endSet()
	e.running.Wait()
	if held := e.set.Stats().Held; held != 0 {
		return errors.Join(e.ran, fmt.Errorf("%d descriptors are held after Run", held))
	}
	return e.ran
}

// A pump reads one follower and tells all it reads. It reads no more than it
// is allowed: so a test decides how far behind a reader is.
type pump struct {
	log    *logfile.Log
	f      *logfile.Follower
	out    func(item)
	buffer int

	mu        sync.Mutex // guards what follows
	done      *sync.Cond // a read has ended
	budget    int64      // below zero: no limit
	turn      int        // counts the changes of budget, from 1
	reading   int        // the turn of the read under way; 0: none
	interrupt context.CancelFunc
}

func newPump(l *logfile.Log, f *logfile.Follower, budget int64, buffer int, out func(item)) *pump {
	p := &pump{log: l, f: f, out: out, buffer: buffer, budget: budget, turn: 1, interrupt: func() {}}
	p.done = sync.NewCond(&p.mu)
	return p
}

// allow lets the pump read n bytes from now on; below zero, without limit. When
// it returns, nothing is under way that the earlier limit allowed.
func (p *pump) allow(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.budget = n
	p.turn++
	p.interrupt()
	for p.reading != 0 && p.reading < p.turn {
		p.done.Wait()
	}
}

// begin says how much may be read now, and in which turn. cancel ends the read.
func (p *pump) begin(cancel context.CancelFunc) (budget int64, turn int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.interrupt = cancel
	if p.budget != 0 {
		p.reading = p.turn
	}
	return p.budget, p.turn
}

// end takes n read bytes from the budget of that turn.
func (p *pump) end(turn int, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.turn == turn && p.budget > 0 {
		p.budget -= n
	}
	p.reading = 0
	p.done.Broadcast()
}

func (p *pump) run(ctx context.Context) {
	buf := make([]byte, p.buffer)
	for ctx.Err() == nil {
		p.once(ctx, buf)
	}
	st := &stand{Pos: p.f.Pos(), Late: p.f.Late()}
	for _, pos := range append(p.f.Late(), st.Pos) {
		if m, err := p.log.Mark(pos); err == nil {
			text, _ := m.MarshalText()
			st.Marks = append(st.Marks, string(text))
		}
	}
	p.f.Close()
	p.out(item{Log: p.log.Name(), Stand: st})
}

// once reads once, or waits until it may.
func (p *pump) once(ctx context.Context, buf []byte) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	budget, turn := p.begin(cancel)
	if budget == 0 {
		<-ctx.Done()
		return
	}
	if budget > 0 {
		buf = buf[:min(int64(len(buf)), budget)]
	}
	seq := p.log.Stat().Seq
	span, err := p.f.Read(ctx, buf)
	failed := p.tell(ctx, span, buf, err)
	p.end(turn, span.N)
	if failed { // as every room: try again later, or when there is news
		later, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		p.log.Wait(later, seq)
	}
}

func (p *pump) tell(ctx context.Context, span logfile.Span, b []byte, err error) (failed bool) {
	it := item{Log: p.log.Name()}
	switch {
	case err == nil:
		it.Gen, it.Off, it.Late, it.Bytes = span.Gen, span.Off, span.Late, b[:span.N]
	case errors.As(err, &it.Ended):
	case ctx.Err() != nil:
		return false
	default:
		it.Err, failed = err.Error(), true
	}
	p.out(it)
	return failed
}
