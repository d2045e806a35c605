package replica_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fairlead/logfile"
	"fairlead/replica"
)

// TestSimulation runs a source and a receiver over a simulated disk, network, clock
// and files, in one goroutine: what a seed does is always the same. It checks after
// each step what must hold, and at the end of the faults that all arrives.
// FAIRLEAD_SEEDS=N runs so many seeds, FAIRLEAD_SEED=N one alone and tells its story.
func TestSimulation(t *testing.T) {
	first, seeds := uint64(1), uint64(500)
	if n, err := strconv.ParseUint(os.Getenv("FAIRLEAD_SEEDS"), 10, 32); err == nil {
		seeds = n
	}
	one, err := strconv.ParseUint(os.Getenv("FAIRLEAD_SEED"), 10, 64)
	if err == nil {
		first, seeds = one, 1
	}
	var all simCount
	for seed := first; seed < first+seeds; seed++ {
		s := newSim(t, seed)
		s.loud = err == nil
		s.run()
		all.add(s.count)
	}
	t.Logf("%d seeds: %+v", seeds, all)
}

const simSender = "web1"

// A sim is one run.
type sim struct {
	t    testing.TB
	seed uint64
	rng  *rand.Rand
	loud bool
	told []string // the last of what happened

	now      time.Time
	faults   bool
	w        weights
	disk     *simDisk
	r        *replica.Receiver
	src      *replica.Source
	instance [16]byte
	leaves   simLeaves
	called   map[logfile.GenID]logfile.GenID // by which ids the receiver knows files
	files    []*simFile                      // that the source has
	quiet    []*simFile                      // that it had, and is done with
	hists    []*history
	conns    []*simConn
	cur      *simConn // the source's
	hurt     map[replica.ID]bool
	moves    int

	anything bool // it is not files that are sent

	inCommit, inNext bool
	depth, reading   int

	count simCount
}

// weights are what a seed does more of, and less.
type weights struct {
	steps, files, budget int
	big                  bool
	crash, disk, damage  float64
	net, meanwhile       float64
	actions              []int
}

type simCount struct {
	steps, bytes, crashes, restarts, connections, flips, syncs, stopped, damaged, mended int64
	events                                                                               [6]int64
}

func (c *simCount) add(o simCount) {
	c.steps, c.bytes, c.crashes, c.restarts = c.steps+o.steps, c.bytes+o.bytes, c.crashes+o.crashes, c.restarts+o.restarts
	c.connections, c.flips, c.syncs, c.stopped = c.connections+o.connections, c.flips+o.flips, c.syncs+o.syncs, c.stopped+o.stopped
	c.damaged, c.mended = c.damaged+o.damaged, c.mended+o.mended
	for i := range c.events {
		c.events[i] += o.events[i]
	}
}

func newSim(t *testing.T, seed uint64) *sim {
	s := &sim{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 7)), now: simStart(), faults: true,
		leaves: make(simLeaves), hurt: make(map[replica.ID]bool)}
	rare := func() float64 { return []float64{0, 0.01, 0.04, 0.15}[s.rng.IntN(4)] }
	s.w = weights{steps: 200 + s.rng.IntN(600), files: 1 + s.rng.IntN(4), budget: 100_000, big: s.one(4),
		crash: rare() / 5, disk: rare() / 2, damage: rare() * 3, net: rare() * 4, meanwhile: rare() * 3}
	if s.w.big {
		s.w.budget = 4 << 20
	}
	for range actions {
		s.w.actions = append(s.w.actions, 1+s.rng.IntN(10))
	}
	s.disk = &simDisk{s: s, recs: make(map[replica.ID]*simRecord)}
	s.newReceiver()
	s.newSource()
	for i := range s.w.files {
		s.grow(s.begin([]string{"var", "log" + strconv.Itoa(i), "a.log"}, nil))
	}
	return s
}

func (s *sim) newReceiver() {
	s.r = &replica.Receiver{Store: s.disk, Now: func() time.Time { return s.now }}
}

func (s *sim) newSource() {
	s.src = &replica.Source{Name: "web1", Instance: s.instance, Leaves: s.leaves, Zstd: s.one(2), NewGen: s.newGen,
		Now: func() time.Time { return s.now }}
}

func (s *sim) one(of int) bool         { return s.rng.IntN(of) == 0 }
func (s *sim) chance(p float64) bool   { return s.rng.Float64() < p }
func hashOf(b []byte) replica.Hash     { return sha256.Sum256(b) }
func (s *sim) damaged(id replica.ID)   { s.hurt[id] = true }
func (s *sim) pick(n int) (k int)      { return s.rng.IntN(max(n, 1)) }
func (s *sim) say(f string, a ...any)  { s.told = append(s.told, fmt.Sprintf(f, a...)) }
func (s *sim) pass(most time.Duration) { s.now = s.now.Add(time.Duration(s.rng.Int64N(int64(most)))) }

// fail ends the test, with what it takes to see it again.
func (s *sim) fail(format string, args ...any) {
	s.t.Helper()
	last := s.told
	if !s.loud {
		last = last[max(0, len(last)-30):]
	}
	s.t.Fatalf("seed %d: %s\nagain: FAIRLEAD_SEED=%d go test ./replica -run TestSimulation\n%s\n%s", s.seed, fmt.Sprintf(format, args...),
		s.seed, strings.Join(last, " "), s.state())
}

func (s *sim) state() string {
	var b strings.Builder
	for _, f := range s.src.Files() {
		g := f.File.(*simFile)
		fmt.Fprintf(&b, "file %s %v of %d bytes: %s as %s sent %d acked %d err %v ended=%t final=%t gone=%t adopted=%t blocked=%t\n", g.gen.Short(), g.path,
			len(g.content()), f.State, f.Gen.Short(), f.Sent, f.Acked, f.Err, g.ended, g.final, g.gone, g.adopted, g.blocked)
	}
	for _, id := range s.disk.ids {
		r := s.disk.recs[id]
		fmt.Fprintf(&b, "copy %s %v %s of %d bytes\n", id.Gen.Short(), r.rec.Path, r.rec.State, r.rec.N)
	}
	return b.String()
}

// A crash of the receiver ends whatever it is about to do.
type simCrash struct{}

func (s *sim) mayCrash() {
	if s.faults && s.reading == 0 && s.chance(s.w.crash) {
		panic(simCrash{})
	}
}

// crash is a power cut at the receiver, and its next start.
func (s *sim) crash() {
	s.say("CRASH")
	s.count.crashes++
	s.inCommit, s.depth = false, 0
	for _, c := range slices.Clone(s.conns) {
		c.sink = nil
		c.up = simPipe{}
		c.down.fin = true
	}
	s.forget()
	s.disk.crash()
	s.newReceiver()
}

// actions are what may happen, each by its weight.
var actions = []struct {
	name string
	do   func(*sim)
}{
	{"next", (*sim).next},
	{"next", (*sim).next},
	{"take", func(s *sim) { s.take(s.piece()) }},
	{"sink", func(s *sim) {
		if len(s.conns) > 0 {
			s.sinkTake(s.conns[s.pick(len(s.conns))], s.piece())
		}
	}},
	{"sink", func(s *sim) {
		if s.cur != nil {
			s.sinkTake(s.cur, s.piece())
		}
	}},
	{"answer", func(s *sim) {
		if len(s.conns) > 0 {
			s.sinkNext(s.conns[s.pick(len(s.conns))])
		}
	}},
	{"commit", (*sim).commit},
	{"prove", func(s *sim) { s.src.Prove(s.t.Context()) }},
	{"file", func(s *sim) {
		if len(s.files) > 0 {
			s.change(s.files[s.pick(len(s.files))])
		}
	}},
	{"late", (*sim).late},
	{"time", func(s *sim) {
		s.pass(20 * time.Second)
		s.src.Tick()
	}},
	{"connect", (*sim).connect},
	{"rare", (*sim).rare},
}

// piece is how many bytes arrive.
func (s *sim) piece() int {
	if s.one(2) {
		return 1 << 30
	}
	return s.rng.IntN(1 + 1<<s.rng.IntN(20))
}

// rare is what happens seldom.
func (s *sim) rare() {
	if !s.chance(s.w.net) {
		return
	}
	c := s.cur
	switch s.rng.IntN(9) {
	case 0, 1:
		s.say("cut")
		s.cut()
	case 2:
		s.say("restart")
		s.restart()
	case 3:
		if !s.inCommit && s.reading == 0 {
			s.crash()
		}
	case 4:
		if len(s.conns) > 0 {
			s.say("drop")
			s.drop(s.conns[s.pick(len(s.conns))])
		}
	case 5:
		if c != nil {
			s.say("stall")
			c.up.stalled = !c.up.stalled
		}
	case 6:
		if c != nil {
			c.down.stalled = !c.down.stalled
		}
	case 7:
		if c != nil {
			s.say("flip")
			c.up.flip(s)
		}
	case 8:
		if c != nil {
			s.say("flip")
			c.down.flip(s)
		}
	}
	s.src.Limited(s.one(2))
}

// meanwhile is what others do while the store is at work.
func (s *sim) meanwhile() {
	if s.depth > 2 || s.reading > 0 || !s.faults || !s.chance(s.w.meanwhile) {
		return
	}
	s.depth++
	for range 1 + s.rng.IntN(6) {
		s.action()
	}
	s.depth--
}

// fileMeanwhile is what happens while the source looks at a file.
func (s *sim) fileMeanwhile() {
	if s.reading > 1 || !s.faults || !s.chance(s.w.meanwhile) {
		return
	}
	s.reading++
	switch s.rng.IntN(4) {
	case 0:
		s.take(s.piece())
	case 1:
		s.src.Prove(s.t.Context())
	default:
		if len(s.files) > 0 {
			s.change(s.files[s.pick(len(s.files))])
		}
	}
	s.reading--
}

func (s *sim) commit() {
	if s.inCommit {
		return
	}
	s.inCommit = true
	err := s.r.Commit()
	if s.inCommit = false; err != nil {
		s.crash() // the process ends
	}
}

func (s *sim) action() {
	sum := 0
	for _, n := range s.w.actions {
		sum += n
	}
	k := s.rng.IntN(sum)
	for i, n := range s.w.actions {
		if k -= n; k < 0 {
			s.say("%s", actions[i].name)
			actions[i].do(s)
			s.look()
			return
		}
	}
}

// step does one thing, and survives a crash.
func (s *sim) step(do func()) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case simCrash:
			s.crash()
		default:
			s.t.Logf("seed %d: %s\n%s", s.seed, strings.Join(s.told[max(0, len(s.told)-30):], " "), s.state())
			panic(p)
		}
	}()
	s.count.steps++
	do()
}

func (s *sim) run() {
	for range s.w.steps {
		s.step(s.action)
	}
	s.settle()
	s.once()
	s.end()
}

// end ends all connections, and sees that nothing is left of them.
func (s *sim) end() {
	for len(s.conns) > 0 {
		c := s.conns[0]
		c.src = false
		s.drop(c)
	}
	s.commit()
	if st := s.r.Stats(); st.Copies != 0 || st.Connections != 0 {
		s.fail("%d copies and %d connections are left at the receiver", st.Copies, st.Connections)
	}
}

// look checks what the source says.
func (s *sim) look() {
	for _, f := range s.src.Files() {
		id := replica.ID{Sender: simSender, Gen: f.Gen}
		if f.Acked == 0 || s.hurt[id] {
			continue
		}
		if r := s.disk.recs[id]; r == nil || r.rec.N < f.Acked {
			s.fail("%s: %d are acknowledged, and the copy is %+v", f.Gen.Short(), f.Acked, r)
		}
	}
	if s.reading == 0 {
		for _, e := range s.src.Events() {
			s.heard(e)
		}
	}
}

// settle ends the faults, and waits until all is there.
func (s *sim) settle() {
	s.say("SETTLE")
	s.faults = false
	for _, f := range s.files {
		f.blocked = false
		s.src.Changed(f.gen)
	}
	for _, c := range s.conns {
		c.up.stalled, c.down.stalled = false, false
	}
	for round := 0; !s.settled(); round++ {
		if round == 300 {
			s.fail("no progress")
		}
		s.step(func() {
			s.now = s.now.Add(30 * time.Second)
			s.src.Tick()
			s.silence()
			s.connect()
			for range 3 {
				s.next()
				for _, c := range slices.Clone(s.conns) {
					s.sinkTake(c, 1<<30)
					s.sinkNext(c)
				}
				s.commit()
				for _, c := range slices.Clone(s.conns) {
					s.sinkNext(c)
				}
				s.take(1 << 30)
				for s.src.Prove(s.t.Context()) {
				}
			}
			s.look()
		})
	}
}

// settled says whether all that can be read is there, and all that is final is
// sealed.
func (s *sim) settled() bool {
	for _, st := range s.src.Files() {
		f := st.File.(*simFile)
		r := s.disk.recs[replica.ID{Sender: simSender, Gen: st.Gen}]
		if f.final || r == nil || r.ino == nil || r.damaged || st.State != "flowing" || !bytes.Equal(r.ino.dur[:r.rec.N], f.content()) ||
			!slices.Equal(r.rec.Path, f.path) || st.Acked != r.rec.N || !st.Behind.IsZero() || f.ended == r.rec.Ended.IsZero() {
			return false
		}
	}
	return true
}

// once checks that there are no more copies than there must be.
func (s *sim) once() {
	n := make(map[*history]int)
	for _, id := range s.disk.ids {
		r := s.disk.recs[id]
		if r.rec.N == 0 || r.rec.State == replica.Diverged || r.damaged {
			continue
		}
		like := s.like(r.ino.dur[:r.rec.N])
		if len(like) == 0 {
			s.fail("copy %s is no beginning of any file", id.Gen.Short())
		}
		if n[like[0]]++; len(like) == 1 && n[like[0]] > like[0].copies {
			s.fail("copy %s of %d bytes is number %d, and %d are expected", id.Gen.Short(), r.rec.N, n[like[0]], like[0].copies)
		}
	}
}
