package ship

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"fairlead/logfile"
	"fairlead/replica"
)

// newIdle is a sender that nobody runs, to groups of receivers that nobody dials. told
// has what it logs.
func newIdle(t *testing.T, groups ...[]string) (s *Sender, told *bytes.Buffer) {
	t.Helper()
	told = &bytes.Buffer{}
	s = &Sender{Files: &logfile.Set{}, State: t.TempDir(), Failover: time.Minute, Log: slog.New(slog.NewTextHandler(told, nil))}
	for _, names := range groups {
		var g Group
		for _, name := range names {
			g = append(g, Destination{Name: name, Dial: func(context.Context) (replica.Conn, error) { return nil, errors.New("not here") }})
		}
		s.To = append(s.To, g)
	}
	must(t, s.Open())
	return s, told
}

// sendGone has a generation of a path sent that no log knows any more.
func (s *Sender) sendGone(id byte, path string) *sending {
	gen := logfile.GenID{id}
	s.begun.add(gen, time.Now())
	e := &sending{generation: generation{id: gen, path: names(path)}}
	for _, group := range s.links {
		to := choose(group, e.Stat().Path, s.failover())
		e.to = append(e.to, recipient{link: to})
		s.send(e, to)
	}
	s.gens[gen] = e
	return e
}

// sealedAt says which receivers have all of it.
func (e *sending) sealedAt(done []bool) {
	for i, yes := range done {
		if yes {
			e.to[i].has = new(seal)
		}
	}
}

// is sets since when a link is up, or is not.
func (l *link) is(up bool, since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up, l.since = up, since
}

func (l *link) files() int { return len(l.source.Files()) }

// A file goes to another receiver once, when its own was gone for long enough, and
// comes back only when that one is gone. What is sealed stays.
func TestFailOver(t *testing.T) {
	s, told := newIdle(t, []string{"a", "b"})
	e, sealed := s.sendGone(1, "/var/log/app.log"), s.sendGone(2, "/var/log/app.log")
	sealed.to[0].has = new(seal)
	first := e.to[0].link
	second := s.links[0][0]
	if second == first {
		second = s.links[0][1]
	}
	now := time.Now()
	ago := func(seconds time.Duration) time.Time { return now.Add(-seconds * time.Second) }
	first.is(true, ago(1000))
	second.is(true, ago(1000))
	for _, step := range []struct {
		what  string
		does  func()
		at    *link
		moved int // so far
	}{
		{"both are there", func() {}, first, 0},
		{"it is gone, and was there for long before", func() { first.is(false, ago(0)) }, first, 0},
		{"it is gone, not for long enough", func() { first.is(false, ago(59)) }, first, 0},
		{"it is gone for long", func() { first.is(false, ago(61)) }, second, 1},
		{"a second later", func() {}, second, 1},
		{"it is back", func() { first.is(true, ago(0)) }, second, 1},
		{"it is gone again", func() { first.is(false, ago(61)) }, second, 1},
		{"the other is gone, not for long enough", func() { first.is(true, ago(0)); second.is(false, ago(59)) }, second, 1},
		{"the other is gone for long", func() { second.is(false, ago(61)) }, first, 2},
		{"both are gone", func() { first.is(false, ago(100)) }, first, 2},
	} {
		step.does()
		for range 3 {
			s.failOver(0, now)
		}
		other := map[*link]*link{first: second, second: first}[step.at]
		kept := 1 // of what is sealed
		if step.at == second {
			kept = 0
		}
		if e.to[0].link != step.at || sealed.to[0].link != first || step.at.files() != 1+kept || other.files() != 1-kept {
			t.Errorf("%s: it is at %s, and %s has %d files, %s %d; want it at %s, and what is sealed at %s",
				step.what, e.to[0].to.Name, step.at.to.Name, step.at.files(), other.to.Name, other.files(), step.at.to.Name, first.to.Name)
		}
		if n := strings.Count(told.String(), "another has its files"); n != step.moved {
			t.Errorf("%s: it was moved %d times, want %d", step.what, n, step.moved)
		}
	}
}

// Only what all receivers have is let go: a copy that is sealed has everything, one
// that is not what it acknowledged, and of what nobody sends there is nothing.
func TestAckedOf(t *testing.T) {
	const all = 1<<63 - 1
	for _, c := range []struct {
		done []bool
		want int64
	}{
		{[]bool{false, false, false}, 0},
		{[]bool{true, false, false}, 0},
		{[]bool{false, true, true}, 0},
		{[]bool{true, true, false}, 0},
		{[]bool{true, true, true}, all},
	} {
		s, _ := newIdle(t, []string{"a"}, []string{"b"}, []string{"c"})
		e := s.sendGone(1, "/a.log")
		e.sealedAt(c.done)
		if got := s.ackedOf(e.id); got != c.want {
			t.Errorf("sealed at %v: ackedOf() = %d, want %d", c.done, got, c.want)
		}
		if got := s.ackedOf(logfile.GenID{9}); got != 0 {
			t.Errorf("of a generation that is not sent: ackedOf() = %d, want 0", got)
		}
	}
}

// What one receiver does not have is not forgotten, nor what can still be read.
func TestForget(t *testing.T) {
	for _, c := range []struct {
		done   []bool
		forgot bool
	}{
		{[]bool{false, false}, false}, {[]bool{true, false}, false}, {[]bool{false, true}, false}, {[]bool{true, true}, true},
	} {
		s, _ := newIdle(t, []string{"a"}, []string{"b"})
		e := s.sendGone(1, "/a.log")
		s.leaves.Keep(e.id, 0, make([]replica.Hash, 3))
		e.sealedAt(c.done)
		s.forget()
		_, err := os.Stat(s.leaves.path(e.id))
		if known := s.gens[e.id] != nil; known == c.forgot || s.begun.has(e.id) == c.forgot || os.IsNotExist(err) != c.forgot {
			t.Errorf("sealed at %v: it is sent: %v, noted as begun: %v, its leaves: %v; want it forgotten: %v", c.done, known, s.begun.has(e.id), err, c.forgot)
		}
	}
}

// While the file is there nothing about it is forgotten, though all have it.
func TestForgetNotWhatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.newPen("app.log").write(1_100_000)
	w.up()
	w.judge(w.at, p)
	p.rotate()
	w.judge(w.at, p)
	eventually(t, func() string {
		w.sender.mu.Lock()
		defer w.sender.mu.Unlock()
		for _, e := range w.sender.gens {
			if e.done() {
				return ""
			}
		}
		return "nothing is sealed yet"
	})
	sender := w.sender
	w.down()
	sender.forget()
	n := 0
	for range sender.gens {
		n++
	}
	if n != 2 {
		t.Errorf("%d generations are known, want both, which can be read", n)
	}
}

// Copies of other machines', which a receiver tells the same set of, are not sent on.
func TestCopiesAreNotSentOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.newPen("app.log").write(100)
	copied := w.newPen("elsewhere").write(50)
	w.targets = []string{p.path}
	w.tuneSet = func(s *logfile.Set) {
		s.Told("web9:/var/log/app.log").Tell(logfile.ToldGen{ID: logfile.NewGenID(), Path: copied.path, Size: 50})
	}
	w.up()
	w.judge(w.at, p)
	w.settled()
	if list := w.sender.Status()[0].Files; len(list) != 1 || list[0].Path != p.path {
		t.Errorf("Status() = %+v, want %s alone", list, p.path)
	}
}

// A generation that no log knows any more is as it was last, and over.
func TestGenerationOver(t *testing.T) {
	was := &logfile.Gen{Size: 7, Readable: true, End: &logfile.Ended{Reason: logfile.Rotated}}
	g := &generation{id: logfile.GenID{1}, last: was, path: []string{"a.log"}}
	if st := g.Stat(); st.Size != 7 || !st.Ended || !st.Final || st.Readable || st.Reason != replica.Rotated || st.Path[0] != "a.log" {
		t.Errorf("Stat() = %+v, want that of before, ended, final, and not to be read", st)
	}
	var ended *logfile.Ended
	if n, err := g.ReadAt(make([]byte, 1), 0); n != 0 || !errors.As(err, &ended) {
		t.Errorf("ReadAt() = %d, %v, want that it has ended", n, err)
	}
}

// How long a receiver is left alone: longer each time, from the beginning after a
// connection that was good, and for long where another of this sender stands.
func TestAttempt(t *testing.T) {
	refused, parked := errors.New("refused"), &replica.PeerError{Code: replica.CodeParked}
	for _, c := range []struct {
		name        string
		tries       int
		up          bool
		err         error
		least, most time.Duration
	}{
		{"first", 0, false, refused, 100 * time.Millisecond, 400 * time.Millisecond},
		{"third", 2, false, refused, 500 * time.Millisecond, 1500 * time.Millisecond},
		{"hundredth", 99, false, refused, 15 * time.Second, 45 * time.Second},
		{"after a connection", 99, true, refused, 100 * time.Millisecond, 400 * time.Millisecond},
		{"fenced", 0, true, replica.ErrFenced, 15 * time.Second, 45 * time.Second},
		{"parked", 0, true, parked, 15 * time.Second, 45 * time.Second},
	} {
		l := &link{log: slog.New(slog.DiscardHandler), tries: c.tries, up: c.up,
			to: Destination{Dial: func(context.Context) (replica.Conn, error) { return nil, c.err }}}
		if wait := l.attempt(t.Context()); wait < c.least || wait > c.most {
			t.Errorf("%s: attempt() = %v, want %v to %v", c.name, wait, c.least, c.most)
		}
		if st := l.downFor(time.Now()); l.up || !errors.Is(l.err, c.err) || st > time.Minute {
			t.Errorf("%s: it is up: %v, %v, down for %v", c.name, l.up, l.err, st)
		}
	}
}

// Leaves behind a hole are not kept; those of what is not sent are removed.
func TestLeaves(t *testing.T) {
	l := leaves{t.TempDir()}
	sent, over := logfile.GenID{1}, logfile.GenID{2}
	hashes := []replica.Hash{{1}, {2}, {3}}
	l.Keep(sent, 0, hashes[:1])
	l.Keep(sent, 2, hashes[2:])
	if got := l.Load(sent); len(got) != 1 {
		t.Errorf("behind a hole Load() = %d leaves, want the 1 before it", len(got))
	}
	l.Keep(sent, 1, hashes[1:])
	l.Keep(over, 0, hashes)
	must(t, os.WriteFile(l.path(over)+"x", nil, 0o600))
	l.tidy(func(id logfile.GenID) bool { return id == sent })
	entries, err := os.ReadDir(l.dir)
	if must(t, err); len(entries) != 1 || len(l.Load(sent)) != 3 || len(l.Load(over)) != 0 {
		t.Errorf("after tidy() there are %v, with %d leaves of what is sent, want one file of 3", entries, len(l.Load(sent)))
	}
}

// The outcome of a comparison: a difference comes first, then why there is none.
func TestOutcome(t *testing.T) {
	differs := []replica.Difference{{Leaf: 1, Why: replica.OtherBytes}}
	for _, c := range []struct {
		is   Verified
		want Outcome
	}{
		{Verified{Size: 7, Comparison: replica.Comparison{N: 7}}, Equal},
		{Verified{Size: 9, Comparison: replica.Comparison{N: 7}}, Equal},
		{Verified{Size: 0}, Equal},
		{Verified{Size: 7}, Absent},
		{Verified{Comparison: replica.Comparison{None: true}}, Absent},
		{Verified{Size: 7, Comparison: replica.Comparison{N: 7, State: replica.Sealed}}, Equal},
		{Verified{Size: 7, Comparison: replica.Comparison{N: 7, State: replica.Pruned}}, Pruned},
		{Verified{Size: 7, Comparison: replica.Comparison{N: 7, State: replica.Diverged}}, Diverged},
		{Verified{Size: 7, Comparison: replica.Comparison{N: 7, Err: &logfile.Ended{}}}, Gone},
		{Verified{Size: 7, Comparison: replica.Comparison{N: 7, Err: os.ErrPermission}}, Unreadable},
		{Verified{Size: 7, Comparison: replica.Comparison{N: 7, Err: os.ErrPermission, Differs: differs}}, Differs},
	} {
		if got := c.is.outcome(); got != c.want {
			t.Errorf("outcome of %+v = %s, want %s", c.is, got, c.want)
		}
	}
}
