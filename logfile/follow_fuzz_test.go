package logfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// FuzzFollow does to a log what writers, logrotate and operators do, on real
// files, and judges by what was written what a follower was given: the bytes of
// each generation in order, none twice, none missing but those that existed
// nowhere any more when they could have been read.
func FuzzFollow(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(randomOps(seed, 40))
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) > 200 {
			t.Skip("too long: 100 operations are enough")
		}
		followOps(t, ops)
	})
}

// TestFollowSeeds runs FuzzFollow's judge over random operations. The seed of a
// failure is printed with it; FAIRLEAD_SEED runs that one alone, FAIRLEAD_SEEDS
// that many.
func TestFollowSeeds(t *testing.T) {
	first, n := uint64(time.Now().UnixNano()), 40
	if s := os.Getenv("FAIRLEAD_SEEDS"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	if s := os.Getenv("FAIRLEAD_SEED"); s != "" {
		first, _ = strconv.ParseUint(s, 10, 64)
		n = 1
	}
	for i := range n {
		seed := first + uint64(i)
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			followOps(t, randomOps(seed, 80))
		})
	}
}

func randomOps(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	ops := make([]byte, 2*n)
	for i := range ops {
		ops[i] = byte(r.Uint32())
	}
	return ops
}

// A ledger is one generation as it was written.
type ledger struct {
	nr      int
	content []byte
	seen    int  // how much was delivered at the last barrier
	must    int  // how much must be delivered in the end; -1: all
	small   bool // too little of it was proven when it was rotated: it may be delivered twice
	gone    bool // no file has it any more
	shared  bool // it begins with another one's bytes
}

func (g *ledger) need() int {
	if g.must >= 0 {
		return g.must
	}
	return len(g.content)
}

// A world is the directory and all that was done in it.
type world struct {
	t     *testing.T
	path  string
	state string
	all   []*ledger
	files map[string]*ledger // by name, as they are now
	w     *os.File           // the writer's
	late  *os.File           // a writer that did not reopen
	lateG *ledger
	trace []string

	set    *Set
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu     sync.Mutex
	cond   *sync.Cond
	paused bool
	got    map[GenID]*delivered
	order  []GenID
	marks  []Mark
	pos    Pos
	latePs []Pos
	errs   []string
	events []string
}

// delivered is what a follower was given of one generation.
type delivered struct {
	start int64
	bytes []byte
	lost  []Range
}

func followOps(t *testing.T, ops []byte) {
	w := &world{t: t, path: filepath.Join(t.TempDir(), "app.log"), state: t.TempDir(), files: make(map[string]*ledger), got: make(map[GenID]*delivered)}
	w.cond = sync.NewCond(&w.mu)
	w.reopen()
	w.start()
	for len(ops) >= 2 {
		w.do(ops[0], int(ops[1]))
		ops = ops[2:]
	}
	if w.set == nil {
		w.start()
	}
	w.barrier()
	w.stop()
	w.judge()
	if w.late != nil {
		w.late.Close()
	}
	w.w.Close()
}

func (w *world) logf(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, g := range w.all {
		fmt.Fprintf(&b, "  written %d: %d bytes, must %d, seen %d, gone %v, shared %v\n", g.nr, len(g.content), g.need(), g.seen, g.gone, g.shared)
	}
	for _, id := range w.order {
		d := w.got[id]
		fmt.Fprintf(&b, "  got %s: [%d,%d) lost %v begins %.20q\n", id.Short(), d.start, d.start+int64(len(d.bytes)), d.lost, d.bytes)
	}
	if w.set != nil {
		st := w.set.First().Stat()
		for _, g := range append(slices.Clone(st.Old), st.Current) {
			if g != nil {
				fmt.Fprintf(&b, "  know %s: %d bytes at %q readable %v final %v end %v\n", g.ID.Short(), g.Size, filepath.Base(g.Path), g.Readable, g.Final, g.End)
			}
		}
		for name, g := range w.files {
			fmt.Fprintf(&b, "  file %s is written %d\n", name, g.nr)
		}
	}
	w.t.Fatalf("%s\noperations: %s\nevents: %s\n%s", fmt.Sprintf(format, args...), strings.Join(w.trace, "; "), strings.Join(w.events, "; "), b.String())
}

func (w *world) reopen() {
	if w.w != nil {
		w.w.Close()
	}
	_, err := os.Lstat(w.path)
	f, oerr := os.OpenFile(w.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if oerr != nil {
		w.t.Fatal(oerr)
	}
	w.w = f
	if err != nil {
		w.files["app.log"] = w.newLedger(nil)
	}
}

func (w *world) newLedger(content []byte) *ledger {
	g := &ledger{nr: len(w.all), content: slices.Clone(content), must: -1, shared: len(content) > 0}
	w.all = append(w.all, g)
	return g
}

// mayBeSeen is for what was there for a while, and delivered if it was looked at
// in time.
func (g *ledger) mayBeSeen() { g.must, g.gone, g.small = 0, true, true }

// record makes n bytes or so that exist nowhere else.
func (w *world) record(g *ledger, n int) []byte {
	b := fmt.Appendf(nil, "<%d.%d>", g.nr, len(g.content))
	var x [8]byte
	binary.LittleEndian.PutUint64(x[:], uint64(len(g.content))*7919+uint64(g.nr))
	for len(b) < n {
		b = append(b, x[len(b)%8])
	}
	return append(b, '\n')
}

func (w *world) write(f *os.File, g *ledger, n int) {
	b := w.record(g, n)
	if _, err := f.Write(b); err != nil {
		w.t.Fatal(err)
	}
	g.content = append(g.content, b...)
}

// destroyed notes that bytes of g exist nowhere any more: only what was known
// to be delivered must have been.
func (w *world) destroyed(g *ledger) {
	if g != nil {
		g.gone = true
		if g.must < 0 {
			g.must = g.seen
		}
	}
}

func (w *world) do(op byte, arg int) {
	cur := w.files["app.log"]
	if cur == nil && op%16 < 9 {
		w.logf("create")
		w.reopen()
		cur = w.files["app.log"]
	}
	if arg&1 == 1 && op%16 >= 4 && op%16 <= 9 {
		w.barrier()
	}
	switch op % 16 {
	case 0, 1, 2, 3:
		n := []int{3, 40, 70, 700, 5000, 200}[arg%6]
		w.logf("append %d", n)
		w.write(w.w, cur, n)
	case 4:
		w.logf("rename")
		w.keepLate(cur)
		w.shift()
		w.rename("app.log", "app.log.1")
		if arg&2 == 0 {
			w.reopen()
		}
	case 5:
		w.copytruncate(cur)
	case 6:
		w.replace(cur, arg&2 == 0)
	case 7:
		w.logf("delete")
		w.keepLate(cur)
		os.Remove(w.path)
		w.destroyed(cur)
		delete(w.files, "app.log")
		w.w.Close()
		w.w = nil
	case 8:
		w.truncate(cur, arg)
	case 9:
		name := fmt.Sprintf("app.log.%d", 1+arg%3)
		if g := w.files[name]; g != nil {
			w.logf("remove %s", name)
			os.Remove(filepath.Join(filepath.Dir(w.path), name))
			w.destroyed(g)
			delete(w.files, name)
		}
	case 10, 11:
		if w.late != nil {
			w.logf("late write to %d", w.lateG.nr)
			w.write(w.late, w.lateG, 1+arg)
		}
	case 12:
		w.logf("barrier")
		w.barrier()
	case 13:
		w.logf("pause")
		w.mu.Lock()
		w.paused = arg&1 == 0
		w.cond.Broadcast()
		w.mu.Unlock()
	case 14, 15:
		if w.set != nil {
			w.logf("down")
			w.stop()
			return
		}
		w.logf("up")
		w.start()
	}
}

// keepLate leaves the writer's descriptor open on what is about to be renamed.
func (w *world) keepLate(g *ledger) {
	if w.late != nil {
		w.late.Close()
	}
	w.late, w.lateG = nil, nil
	f, err := os.OpenFile(w.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return
	}
	w.late, w.lateG = f, g
}

func (w *world) rename(from, to string) {
	dir := filepath.Dir(w.path)
	if w.files[from] == nil {
		return
	}
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		w.t.Fatal(err)
	}
	w.destroyed(w.files[to])
	w.files[to] = w.files[from]
	delete(w.files, from)
}

func (w *world) shift() {
	for i := 5; i > 0; i-- {
		w.rename(fmt.Sprintf("app.log.%d", i), fmt.Sprintf("app.log.%d", i+1))
	}
}

func (w *world) copytruncate(cur *ledger) {
	w.logf("copytruncate %d", cur.nr)
	w.shift()
	if err := os.WriteFile(w.path+".1", cur.content, 0o644); err != nil {
		w.t.Fatal(err)
	}
	w.files["app.log.1"] = cur
	if cur.seen < tailMax || cur.shared {
		// Too little was proven for the copy to be recognised.
		cur.small = true
		cur.must = cur.seen
	}
	w.lateTo(cur, nil)
	os.Truncate(w.path, 0)
	w.files["app.log"] = w.newLedger(nil)
}

// lateTo closes a late writer of g: its bytes would go to another generation.
func (w *world) lateTo(g, _ *ledger) {
	if w.lateG == g && w.late != nil {
		w.late.Close()
		w.late, w.lateG = nil, nil
	}
}

func (w *world) truncate(cur *ledger, arg int) {
	n := 0
	if arg&2 == 0 && len(cur.content) > 0 {
		n = arg * len(cur.content) / 256
	}
	if n == len(cur.content) {
		return
	}
	w.logf("truncate %d to %d", cur.nr, n)
	os.Truncate(w.path, int64(n))
	w.destroyed(cur)
	// Until it is looked at, a file cut and grown again to what it was cannot
	// be told from one that was left alone, and one of which nothing beyond the
	// cut was ever seen was not cut at all, for us.
	if cur.seen <= n {
		w.newLedger(cur.content).mayBeSeen()
		cur.content = cur.content[:n]
		cur.must = -1
		cur.gone = false
		cur.shared = true
		return
	}
	w.files["app.log"] = w.newLedger(cur.content[:n])
}

func (w *world) replace(cur *ledger, same bool) {
	var content []byte
	if same {
		content = cur.content
	}
	g := w.newLedger(content)
	g.content = append(g.content, w.record(g, 100)...)
	w.logf("replace %d by %d, same beginning %v", cur.nr, g.nr, same)
	tmp := w.path + "#new"
	os.WriteFile(tmp, g.content, 0o644)
	if err := os.Rename(tmp, w.path); err != nil {
		w.t.Fatal(err)
	}
	w.destroyed(cur)
	w.files["app.log"] = g
	w.reopen()
}

func (w *world) start() {
	w.set = &Set{
		State: w.state, Quiet: 60 * time.Millisecond, Active: 20 * time.Millisecond, Sweep: 100 * time.Millisecond,
		Hold: 50 * time.Millisecond, ParkAfter: -1,
	}
	w.set.Adopt(w.marks...)
	if err := w.set.Add(w.path); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	w.cancel = cancel
	from := FromStart
	if !w.pos.Gen.IsZero() {
		from = FromPos(w.pos)
	}
	f := Follow(w.set.First(), from, w.latePs...)
	w.wait.Go(func() { w.set.Run(ctx) })
	w.wait.Go(func() { w.readAll(ctx, f) })
}

func (w *world) stop() {
	w.cancel()
	w.mu.Lock()
	w.paused = false
	w.cond.Broadcast()
	w.mu.Unlock()
	w.wait.Wait()
	w.set = nil
}

// readAll is the reader under test.
func (w *world) readAll(ctx context.Context, f *Follower) {
	defer f.Close()
	buf := make([]byte, 1000)
	for {
		span, err := f.Read(ctx, buf)
		w.mu.Lock()
		for w.paused && ctx.Err() == nil {
			w.cond.Wait()
		}
		var e *Ended
		switch {
		case ctx.Err() != nil && err != nil:
			w.pos, w.latePs = f.Pos(), f.Late()
			w.mu.Unlock()
			w.mark(f)
			return
		case errors.As(err, &e):
			w.events = append(w.events, e.Error()+" next "+e.Next.Gen.Short())
			if d := w.got[e.Gen]; d != nil && e.Lost.Len() > 0 {
				d.lost = append(d.lost, e.Lost)
			}
		case err != nil:
			w.errs = append(w.errs, err.Error())
		default:
			w.take(span, buf[:span.N])
		}
		w.cond.Broadcast()
		w.mu.Unlock()
	}
}

// mark is what a reader keeps for the next process.
func (w *world) mark(f *Follower) {
	l := f.src.(*Log)
	w.marks = nil
	for _, p := range append(f.Late(), f.Pos()) {
		if m, err := l.Mark(p); err == nil {
			w.marks = append(w.marks, m)
		}
	}
}

func (w *world) take(span Span, b []byte) {
	w.events = append(w.events, fmt.Sprintf("%s[%d,%d)%v", span.Gen.Short(), span.Off, span.Off+span.N, map[bool]string{true: " late"}[span.Late]))
	d := w.got[span.Gen]
	if d == nil {
		d = &delivered{start: span.Off}
		w.got[span.Gen] = d
		w.order = append(w.order, span.Gen)
		if span.Off != 0 {
			w.errs = append(w.errs, fmt.Sprintf("generation %s begins at %d", span.Gen.Short(), span.Off))
		}
	}
	if end := d.start + int64(len(d.bytes)); span.Off != end {
		w.errs = append(w.errs, fmt.Sprintf("generation %s: got [%d,%d) after %d", span.Gen.Short(), span.Off, span.Off+span.N, end))
	}
	d.bytes = append(d.bytes, b...)
}

// barrier waits until all that must be delivered was.
func (w *world) barrier() {
	if w.set == nil {
		return
	}
	w.mu.Lock()
	w.paused = false
	w.cond.Broadcast()
	deadline := time.AfterFunc(5*time.Second, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.errs = append(w.errs, "nothing more came within 5 s")
		w.cond.Broadcast()
	})
	defer deadline.Stop()
	for len(w.errs) == 0 && w.missing() != nil {
		w.cond.Wait()
	}
	for _, g := range w.all {
		if d := w.deliveredOf(g); d != nil {
			g.seen = min(len(d.bytes), len(g.content))
		}
	}
	errs, g := w.errs, w.missing()
	w.mu.Unlock()
	if len(errs) > 0 {
		nr := -1
		if g != nil {
			nr = g.nr
		}
		w.fail("%s; incomplete: %d", strings.Join(errs, "; "), nr)
	}
}

// missing returns a generation of which not all was delivered that must be.
func (w *world) missing() *ledger {
	for _, g := range w.all {
		if g.need() == 0 {
			continue
		}
		need := g.content[:g.need()]
		if !slices.ContainsFunc(w.order, func(id GenID) bool { return bytes.HasPrefix(w.got[id].bytes, need) }) {
			return g
		}
	}
	return nil
}

// deliveredOf finds what was delivered of g, by its bytes.
func (w *world) deliveredOf(g *ledger) (best *delivered) {
	for _, id := range w.order {
		d := w.got[id]
		if len(d.bytes) <= len(g.content) && bytes.HasPrefix(g.content, d.bytes) && (best == nil || len(d.bytes) > len(best.bytes)) {
			best = d
		}
	}
	return best
}

// judge says whether all that was delivered was written, once.
func (w *world) judge() {
	used := make(map[*ledger]int)
	for _, id := range w.order {
		d := w.got[id]
		var of []*ledger
		for _, g := range w.all {
			if bytes.HasPrefix(g.content, d.bytes) || g.gone && bytes.HasPrefix(d.bytes, g.content) {
				of = append(of, g)
			}
		}
		if len(of) == 0 {
			w.fail("generation %s is none that was written: %.60q", id.Short(), d.bytes)
		}
		if len(of) == 1 && !of[0].small && !of[0].shared && len(d.bytes) >= tailMax {
			if used[of[0]]++; used[of[0]] > 1 {
				w.fail("written %d was delivered twice, again as %s", of[0].nr, id.Short())
			}
		}
	}
	if g := w.missing(); g != nil {
		w.fail("written %d is incomplete", g.nr)
	}
}
