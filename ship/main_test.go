package ship

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/logfile"
	"fairlead/replica"
	"fairlead/ship/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait.
const patience = 30 * time.Second

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until holds says nothing more is wrong.
func eventually(t testing.TB, holds func() (wrong string)) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		wrong := holds()
		if wrong == "" {
			return
		}
		select {
		case <-look.C:
		case <-late.C:
			t.Fatalf("after %v: %s", patience, wrong)
		}
	}
}

// quick returns a directory where an fsync costs nothing, if there is one.
func quick(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "ship")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// A station is a receiver with its store, at one address for all its lives.
type station struct {
	t       testing.TB
	name    string
	dir     string
	options store.Options

	addr     string
	store    *store.Store
	receiver *Receiver
	stop     func()
}

func newStation(t testing.TB, name string) *station {
	t.Helper()
	s := &station{t: t, name: name, dir: filepath.Join(quick(t), "store"), stop: func() {}}
	s.options.HighWater = 1
	t.Cleanup(func() { s.down() })
	return s
}

// up begins to receive.
func (s *station) up() {
	s.t.Helper()
	addr := s.addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", addr)
	must(s.t, err)
	s.addr = ln.Addr().String()
	s.store, err = store.Open(s.dir, s.options)
	must(s.t, err)
	st := s.store
	r := &Receiver{Store: st, Name: s.name, Sender: func(net.Conn) (string, bool) { return "web1", true }}
	s.receiver = r
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, ln) }()
	s.stop = func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("Serve() = %v", err)
		}
		must(s.t, st.Close())
	}
}

// down ends it.
func (s *station) down() {
	s.stop()
	s.stop = func() {}
}

// destination is this station as a sender has it.
func (s *station) destination() Destination {
	addr := s.addr
	return Destination{Name: s.name, Dial: func(ctx context.Context) (replica.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr)
	}}
}

// A stored is a copy.
type stored struct {
	replica.Record
	file  string
	bytes []byte // as many as are durable
}

// copies returns those of a path that were not given up, the oldest file first.
func (s *station) copies(path string) (list []stored, err error) {
	for rec, file := range s.store.All {
		if "/"+strings.Join(rec.Path, "/") != path || rec.State == replica.Diverged || rec.State == replica.Pruned {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if int64(len(b)) < rec.N {
			return nil, fmt.Errorf("%s has %d bytes, and %d are durable", file, len(b), rec.N)
		}
		list = append(list, stored{rec, file, b[:rec.N]})
	}
	return list, nil
}

// A world is logs, the sender of them, and the receivers.
type world struct {
	t        testing.TB
	dir      string // of the logs
	setState string
	state    string
	targets  []string
	to       []Group
	at       *station // the first receiver
	late     time.Duration
	forgot   bool // the sender's state was lost
	tune     func(*Sender)
	tuneSet  func(*logfile.Set)

	set    *logfile.Set
	sender *Sender
	stop   func()
}

// newWorld has one receiver, which is up.
func newWorld(t testing.TB) *world {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not let files be renamed or removed that are open")
	}
	dir := quick(t)
	w := &world{t: t, dir: filepath.Join(dir, "logs"), setState: filepath.Join(dir, "set"), state: filepath.Join(dir, "state"),
		at: newStation(t, "vault"), late: 300 * time.Millisecond, stop: func() {}}
	must(t, os.Mkdir(w.dir, 0o755))
	must(t, os.Mkdir(w.setState, 0o755))
	w.at.up()
	w.to = []Group{{w.at.destination()}}
	w.targets = []string{w.dir}
	t.Cleanup(func() { w.down() })
	return w
}

// up begins to send.
func (w *world) up() {
	w.t.Helper()
	w.set = &logfile.Set{State: w.setState, Quiet: 50 * time.Millisecond, Late: w.late, Active: 20 * time.Millisecond,
		Sweep: 200 * time.Millisecond, Hold: 50 * time.Millisecond, ParkAfter: -1}
	if w.tuneSet != nil {
		w.tuneSet(w.set)
	}
	must(w.t, w.set.Add(w.targets...))
	w.sender = &Sender{Files: w.set, State: w.state, To: w.to, Name: "here"}
	if w.tune != nil {
		w.tune(w.sender)
	}
	must(w.t, w.sender.Open())
	ctx, cancel := context.WithCancel(context.Background())
	setCtx, endSet := context.WithCancel(context.Background())
	var sending, watching sync.WaitGroup
	set, sender := w.set, w.sender
	watching.Go(func() {
		if err := set.Run(setCtx); err != nil {
			w.t.Errorf("Set.Run() = %v", err)
		}
	})
	sending.Go(func() {
		if err := sender.Run(ctx); err != nil {
			w.t.Errorf("Sender.Run() = %v", err)
		}
	})
	w.stop = func() {
		cancel()
		sending.Wait()
		endSet()
		watching.Wait()
		if held := set.Stats().Held; held != 0 {
			w.t.Errorf("%d descriptors are held after the end", held)
		}
	}
}

// down ends the sender.
func (w *world) down() {
	w.stop()
	w.stop = func() {}
}

// A way says how a fault strikes.
type way string

const (
	live way = "live" // while it is sent
	down way = "down" // while the sender is not there
	lost way = "lost" // and its state is lost, too
)

// eachWay runs do once for each way that a fault can strike. strike lets it happen.
func eachWay(t *testing.T, do func(w *world, strike func(func())), ways ...way) {
	t.Parallel()
	if len(ways) == 0 {
		ways = []way{live, down, lost}
	}
	for _, how := range ways {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			do(w, func(fault func()) {
				if how == live {
					fault()
					return
				}
				w.down()
				fault()
				if how == lost {
					w.forgot = true
					must(t, os.RemoveAll(w.state))
					must(t, os.RemoveAll(w.setState))
					must(t, os.Mkdir(w.setState, 0o755))
				}
				w.up()
			})
		})
	}
}

// settled waits until the receivers have all that there is.
func (w *world) settled() {
	w.t.Helper()
	eventually(w.t, func() string {
		if w.sender.Settled() {
			return ""
		}
		return "not settled: " + w.status()
	})
}

// acked waits until a receiver has n bytes of the newest copy of a log.
func (w *world) acked(p *pen, n int) {
	w.t.Helper()
	eventually(w.t, func() string {
		list, err := w.at.copies(p.path)
		for _, c := range list {
			if len(c.bytes) >= n && bytes.HasPrefix(p.page.bytes, c.bytes) {
				return ""
			}
		}
		return fmt.Sprintf("no copy of %s has %d bytes of its page: %s, %v; %s", p.path, n, glimpse(list), err, w.status())
	})
}

func glimpse(list []stored) string {
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "[%s %s %s %d %.40q]", filepath.Base(c.file), c.Gen.Short(), c.State, len(c.bytes), c.bytes)
	}
	return b.String()
}

// judge wants a copy of each page of the ledger, byte for byte, and no other, and
// all but the newest sealed.
func (w *world) judge(at *station, p *pen) {
	w.t.Helper()
	eventually(w.t, func() string { return w.compare(at, p) })
}

func (w *world) compare(at *station, p *pen) (wrong string) {
	list, err := at.copies(p.path)
	if err != nil {
		return err.Error()
	}
	left := slices.Clone(list)
	for i, page := range p.ledger {
		if len(page.bytes) == 0 {
			left = slices.DeleteFunc(left, func(c stored) bool { return len(c.bytes) == 0 })
			continue
		}
		have := page.bytes[:len(page.bytes)-page.gone]
		j := slices.IndexFunc(left, func(c stored) bool { return bytes.Equal(c.bytes, have) })
		if j < 0 {
			return fmt.Sprintf("there is no copy of page %d of %s, %d bytes %.40q: %s; %s", i, p.path, len(have), have, glimpse(list), w.status())
		}
		if c := left[j]; i < len(p.ledger)-1 && c.State != replica.Sealed && !(w.forgot && page.vanished) || c.State == replica.Sealed && c.Seal.Size != int64(len(page.bytes)) {
			return fmt.Sprintf("page %d of %s, of %d bytes, is %s, and sealed at %d of %d; %s", i, p.path, len(page.bytes), c.State, c.Seal.N, c.Seal.Size, w.status())
		}
		if want := filepath.Join(at.dir, "web1", p.path); page == p.page && !p.moved && left[j].State == replica.Open && left[j].file != want {
			return fmt.Sprintf("the copy of the current file is %s, want %s: %s", left[j].file, want, glimpse(list))
		}
		left = slices.Delete(left, j, j+1)
	}
	left = slices.DeleteFunc(left, func(c stored) bool { return len(c.bytes) == 0 })
	if len(left) > 0 {
		return fmt.Sprintf("copies of %s that nobody wrote: %s of %s", p.path, glimpse(left), glimpse(list))
	}
	return ""
}

func (w *world) status() string {
	if w.sender == nil {
		return ""
	}
	list := w.sender.Status()
	for i := range list {
		list[i].Files = slices.DeleteFunc(list[i].Files, FileStatus.complete)
		list[i].Files = list[i].Files[:min(5, len(list[i].Files))]
	}
	return fmt.Sprintf("%+v", list)
}

// lostBytes wants the ledger of losses to have ranges of so many bytes.
func (w *world) lostBytes(want int64) {
	w.t.Helper()
	eventually(w.t, func() string {
		if list, n := w.sender.Lost(); n != want {
			return fmt.Sprintf("Lost() = %v, %d bytes, want %d", list, n, want)
		}
		return ""
	})
}
