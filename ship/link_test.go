package ship

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/logfile"
	"fairlead/replica"
	"fairlead/ship/store"
)

// 300 files that begin, grow and rotate at once.
func TestManyFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var pens []*pen
	for i := range 150 {
		pens = append(pens, w.newPen(fmt.Sprintf("d%d/app%d.log", i%7, i)).write(1000+i))
	}
	w.up()
	for i := range 150 {
		pens = append(pens, w.newPen(fmt.Sprintf("late%d/app%d.log", i%7, i)).write(100+i))
	}
	for i, p := range pens {
		p.write(50)
		if i%3 == 0 {
			p.rotate()
			p.write(70)
		}
	}
	for _, p := range pens {
		w.judge(w.at, p)
	}
	w.settled()
	w.lostBytes(0)
}

// One large file and many small ones: the small ones are not behind it.
func TestSmallFilesAreNotBehindALargeOne(t *testing.T) {
	t.Parallel()
	const small, large = 500, 200 << 20
	w := newWorld(t)
	w.tune = func(s *Sender) { s.Rate = 10 << 20 } // so that the large one takes many seconds
	big := w.newPen("big.log")
	block := bytes.Repeat([]byte("a line of a log that is long enough to be one\n"), 1<<16)
	for n := 0; n < large; n += len(block) {
		if _, err := big.f.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	var pens []*pen
	for i := range small {
		pens = append(pens, w.newPen(fmt.Sprintf("small/%d.log", i)).write(1000))
	}
	w.up()
	var first int64
	eventually(t, func() string {
		done := 0
		for _, f := range w.sender.Status()[0].Files {
			switch {
			case f.Path == big.path:
				first = f.Acked
			case f.complete():
				done++
			}
		}
		if done < small {
			return fmt.Sprintf("%d of %d small files are there", done, small)
		}
		return ""
	})
	if first > large/2 {
		t.Errorf("when the small files were there, the large one was at %d of %d already", first, large)
	}
	for _, p := range pens[:10] {
		w.judge(w.at, p)
	}
}

// A rate holds, also one below what one frame takes within the time of a peer's
// patience.
func TestRate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const rate, size = 1 << 20, 3 << 20
	w.tune = func(s *Sender) { s.Rate = rate }
	p := w.newPen("app.log").write(size)
	began := time.Now()
	w.up()
	w.judge(w.at, p)
	if took := time.Since(began); took < (size-2*rate)*time.Second/rate {
		t.Errorf("%d bytes took %v at %d per second", size, took, rate)
	}
	if r := w.sender.Status()[0].Rate; r > 2*rate {
		t.Errorf("Status says %.0f bytes per second, and %d are allowed", r, rate)
	}
}

// Each receiver gets a whole copy; one that is down, be it the first or the last,
// holds up nobody, and gets what it missed, also of files that are gone.
func TestTwoReceivers(t *testing.T) {
	for _, away := range []string{"vault", "other"} {
		t.Run(away+" is away", func(t *testing.T) {
			t.Parallel()
			testTwoReceivers(t, away)
		})
	}
}

func testTwoReceivers(t *testing.T, name string) {
	w := newWorld(t)
	other := newStation(t, "other")
	other.up()
	w.to = append(w.to, Group{other.destination()})
	away, there := other, w.at
	if name == "vault" {
		away, there = w.at, other
	}
	p := w.newPen("app.log").write(1000)
	w.up()
	w.judge(w.at, p)
	w.judge(other, p)
	away.down()
	p.write(2000)
	p.rotate()
	p.write(3000)
	w.judge(there, p)
	if w.sender.Settled() {
		t.Error("Settled() with a receiver that is down")
	}
	must(t, os.Remove(p.path+".1")) // it is held open for the one that is down
	p.write(10)
	w.judge(there, p)
	eventually(t, func() string { // that it is sealed at one is known of that one
		_, list, _ := w.sender.Candidates(there.name)
		for _, c := range list {
			if c.Acked == int64(len(p.ledger[0].bytes)) && len(list) == 2 {
				return ""
			}
		}
		return fmt.Sprintf("Candidates(%s) = %+v, want what is sealed there and what is not", there.name, list)
	})
	away.up()
	w.judge(away, p)
	w.settled()
	w.lostBytes(0)
	st := w.sender.Status()
	if len(st) != 2 || st[0].To != "vault" || st[1].To != "other" {
		t.Fatalf("Status() = %+v, want that of vault and other", st)
	}
	for _, l := range st {
		want := 1
		if l.To == name {
			want = 2
		}
		if l.Times != want || !l.Up || l.Err != nil {
			t.Errorf("Status() = %+v, want %s connected %d times", l, l.To, want)
		}
		for _, f := range l.Files {
			if f.Path != p.path || f.Size != 3010 || f.Acked != 3010 || f.Lag() != 0 || !f.Since.IsZero() || f.Err != nil {
				t.Errorf("%s: %+v, want 3010 bytes of %s, all acknowledged", l.To, f, p.path)
			}
		}
	}
}

// One of a group has each file; when it is gone for long, another begins at what it
// has, and nothing is missing.
func TestOneOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stations := map[string]*station{"vault": w.at}
	w.to = []Group{{w.at.destination()}}
	for _, name := range []string{"b", "c"} {
		s := newStation(t, name)
		s.up()
		stations[name] = s
		w.to[0] = append(w.to[0], s.destination())
	}
	var told bytes.Buffer
	w.tune = func(s *Sender) {
		s.Failover = 1500 * time.Millisecond
		s.Log = slog.New(slog.NewTextHandler(&told, nil))
	}
	var pens []*pen
	for i := range 60 {
		pens = append(pens, w.newPen(fmt.Sprintf("%d.log", i)).write(1000))
	}
	w.up()
	has := func(p *pen) (names []string) {
		for name, s := range stations {
			if s.store == nil {
				continue
			}
			if w.compare(s, p) == "" {
				names = append(names, name)
			}
		}
		return names
	}
	w.settled()
	count := map[string]int{}
	for _, p := range pens {
		names := has(p)
		if len(names) != 1 {
			t.Fatalf("%s is whole at %q, want one", p.path, names)
		}
		count[names[0]]++
	}
	for name := range stations {
		if count[name] < 5 {
			t.Errorf("files are spread as %v", count)
		}
	}
	stations["c"].down()
	stations["c"].store = nil
	for _, p := range pens {
		p.write(500)
	}
	w.settled() // all of c's are at another by then
	for _, p := range pens {
		eventually(t, func() string {
			if names := has(p); len(names) != 1 {
				return fmt.Sprintf("%s is whole at %q, want one of those that are up", p.path, names)
			}
			return ""
		})
	}
	w.lostBytes(0)
	w.down()
	if n := strings.Count(told.String(), "another has its files"); n != count["c"] {
		t.Errorf("%d files went to another receiver, want the %d of the one that is gone, once each", n, count["c"])
	}
}

// Nobody there is said; of a group one is enough.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	nobody := Destination{Name: "nobody", Dial: func(context.Context) (replica.Conn, error) { return nil, fmt.Errorf("no way") }}
	p := w.newPen("app.log").write(10)
	w.to = []Group{{w.at.destination(), nobody}}
	w.tune = func(s *Sender) { s.Failover = 300 * time.Millisecond }
	w.up()
	w.settled()
	w.judge(w.at, p)
	if err := w.sender.Unreachable(); err != nil {
		t.Errorf("Unreachable() = %v with one of two there", err)
	}
	w.down()
	w.to = []Group{{w.at.destination()}, {nobody}}
	w.up()
	eventually(t, func() string {
		if err := w.sender.Unreachable(); err == nil || err.Error() != "nobody: no way" {
			return fmt.Sprintf("Unreachable() = %v, want nobody: no way", err)
		}
		return ""
	})
	if w.sender.Settled() {
		t.Error("Settled() with a receiver that is not there")
	}
	w.down()
	w.targets = []string{filepath.Join(w.dir, "none.log")}
	w.up()
	eventually(t, func() string {
		if w.sender.Unreachable() == nil {
			return "nobody was tried yet"
		}
		return ""
	})
	if w.sender.Settled() {
		t.Error("Settled() with nothing to ship, to a receiver that is not there")
	}
}

// A loss is written down once, whoever tells of it, also by the next process.
func TestLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lost")
	e := Lost{Time: time.Now(), Path: "/var/log/a \"b\"\n.log", Gen: logfile.NewGenID(), From: 10, To: 30, Reason: "truncated"}
	for range 2 {
		l := ledger{path: path}
		must(t, l.open())
		must(t, l.add(e))
		later := e
		later.Time = e.Time.Add(time.Hour)
		must(t, l.add(later))
		other := e
		other.To = 40
		must(t, l.add(other))
		list, n := l.all()
		if len(list) != 2 || n != 50 || list[0].Path != e.Path || list[0].Gen != e.Gen || list[0].From != 10 || list[0].To != 30 || list[0].Reason != e.Reason {
			t.Errorf("all() = %+v, %d, want two losses of 50 bytes", list, n)
		}
	}
	b, err := os.ReadFile(path)
	must(t, err)
	if n := bytes.Count(b, []byte("\n")); n != 2 {
		t.Errorf("the ledger has %d lines, want 2:\n%s", n, b)
	}
}

// The ledger does not grow for ever: the one before it is kept.
func TestLedgerTurns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lost")
	must(t, os.WriteFile(path, bytes.Repeat([]byte("nothing that we understand\n"), maxLedger/27+2), 0o600))
	l := ledger{path: path}
	must(t, l.open())
	must(t, l.add(Lost{Time: time.Now(), Path: "/a.log", Gen: logfile.NewGenID(), To: 30, Reason: "deleted"}))
	b, err := os.ReadFile(path)
	must(t, err)
	old, err := os.Stat(path + ".1")
	must(t, err)
	if bytes.Count(b, []byte("\n")) != 1 || old.Size() <= maxLedger {
		t.Errorf("the ledger has %d bytes, and the one before %d, want one line and more than %d", len(b), old.Size(), maxLedger)
	}
}

// T6: a name that cannot be one is refused, and others are not held up.
func TestT6NamesRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.newPen("good.log").write(100)
	for _, name := range []string{"-rf.log", "a\nb.log", "bad\xff.log", "back\\slash.log", strings.Repeat("x", 210) + ".log",
		strings.Repeat("deep/", 70) + "a.log"} {
		w.targets = append(w.targets, w.newPen(name).write(10).path) // one by one: a directory is not followed so deep
	}
	w.up()
	w.judge(w.at, good)
	w.settled() // what will never be taken is not waited for
	refused := 0
	for _, f := range w.sender.Status()[0].Files {
		if f.Refused() {
			refused++
		}
	}
	n := 0
	for range w.at.store.All {
		n++
	}
	if refused != 6 || n != 1 {
		t.Errorf("%d files are refused and %d copies there, want 6 and 1: %s", refused, n, w.status())
	}
}

// T11: what is beyond the quota waits, and says so; it comes when there is room.
func TestT11Quota(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at.down()
	quota := store.Quota{Bytes: 100_000}
	var mu sync.Mutex
	w.at.options.Quota = func(string) store.Quota { mu.Lock(); defer mu.Unlock(); return quota }
	w.at.up()
	small, large := w.newPen("a.log").write(1000), w.newPen("b.log").write(400_000)
	w.up()
	w.judge(w.at, small)
	eventually(t, func() string {
		for _, f := range w.sender.Status()[0].Files {
			if f.Path == large.path && f.Err != nil && strings.Contains(f.Err.Error(), "quota") {
				return ""
			}
		}
		return "the quota is not said: " + w.status()
	})
	if w.sender.Settled() {
		t.Error("Settled() with a file that waits for room")
	}
	w.at.down()
	mu.Lock()
	quota.Bytes = 1 << 30
	mu.Unlock()
	w.at.up()
	w.judge(w.at, large)
}

// A machine that may not send is turned away before it says a word.
func TestSenderTurnedAway(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	st, err := store.Open(filepath.Join(quick(t), "store"), store.Options{})
	must(t, err)
	r := &Receiver{Store: st, Sender: func(net.Conn) (string, bool) { return "", false }}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Serve(ctx, ln) }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Read() = %d, %v, want the end at once", n, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve() = %v", err)
	}
	must(t, st.Close())
}

// A listener that fails ends Serve, and the connections with it.
func TestServeEndsWithItsListener(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.newPen("app.log").write(10)
	w.up()
	w.judge(w.at, p)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r := &Receiver{Store: w.at.store, Sender: func(net.Conn) (string, bool) { return "web2", true }}
	done := make(chan error)
	go func() { done <- r.Serve(t.Context(), ln) }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	must(t, err)
	defer conn.Close()
	eventually(t, func() string {
		ln.Close()
		select {
		case err := <-done:
			if err == nil {
				return "Serve() = nil"
			}
			return ""
		default:
			return "Serve has not ended"
		}
	})
}
