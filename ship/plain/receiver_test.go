package plain

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// badNames are first lines that no file may have.
var badNames = []string{
	"", " ", "\t", ".", "..", " .. ", "a/b", "/", "/etc/passwd", "a/../../../x", "../x", "..\\x", `a\b`, "a\x00b",
	"\x00", "a\rb", "a\tb", "\x1b[31mred", "a\x7fb", "\u0085x", "a\u009bb", "-rf", "-", "\xff", "a\xc0\xafb",
	strings.Repeat("x", 201), "~/../x/y", "./x", "x/", "%2e%2e/x",
}

// A name that leads out of the store, or confuses who lists it, is no name: the
// connection is closed, and nothing is touched.
func TestSeed01PathTraversal(t *testing.T) {
	for _, bare := range []bool{false, true} {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "x"), []byte("theirs"), 0o600))
		s := newStation(t, func(r *Receiver) { r.Dir, r.Bare = filepath.Join(dir, "store", "deep"), bare })
		for _, name := range badNames {
			conn := s.dial()
			io.WriteString(conn, name+"\nDATA")
			closed(t, conn)
		}
		if n := s.Stats().Refused["bad-name"]; n != int64(len(badNames)) {
			t.Errorf("%d names were refused, want %d:\n%s", n, len(badNames), s.said.String())
		}
		for _, in := range []string{s.Dir, filepath.Join(dir, "store"), dir} {
			entries, err := os.ReadDir(in)
			must(t, err)
			if want := map[string]int{s.Dir: 0, dir: 2}[in]; in != filepath.Join(dir, "store") && len(entries) != want {
				t.Errorf("%s has %v", in, entries)
			}
		}
	}
}

// A first line counts whole, wherever it is cut on the way, and what is behind it is data.
func TestSeed02SplitHeader(t *testing.T) {
	s := newStation(t)
	const all = "  split.log \nDATA\nand more"
	for cut := range len(all) + 1 {
		path := s.stored("split.log")
		os.Remove(path)
		conn := s.dial()
		io.WriteString(conn, all[:cut])
		if cut > strings.Index(all, "\n") {
			answer(t, conn)
		} else {
			yield(t, conn)
		}
		io.WriteString(conn, all[cut:])
		if cut <= strings.Index(all, "\n") {
			if n := answer(t, conn); n != 0 {
				t.Errorf("cut at %d: the answer is %d", cut, n)
			}
		}
		conn.CloseWrite()
		closed(t, conn)
		if wrong := has(path, "DATA\nand more")(); wrong != "" {
			t.Errorf("cut at %d: %s", cut, wrong)
		}
	}
	if entries, _ := os.ReadDir(s.Dir); len(entries) != 1 {
		t.Errorf("the store has %v", entries)
	}
}

// yield sees to it that what was written went out by itself.
func yield(t testing.TB, conn *net.TCPConn) {
	t.Helper()
	must(t, conn.SetNoDelay(true))
	runtime.Gosched()
}

// A first line and data in one packet are a first line and data.
func TestSeed03CoalescedHeader(t *testing.T) {
	s := newStation(t)
	conn := s.dial()
	io.WriteString(conn, "co.log\nDATA\n")
	if n := answer(t, conn); n != 0 {
		t.Errorf("the answer is %d, want 0", n)
	}
	eventually(t, has(s.stored("co.log"), "DATA\n"))
}

// The newer connection of a file ends the older one before it is answered.
func TestSeed05TwoWriters(t *testing.T) {
	s := newStation(t)
	older, _ := s.begin("two.log")
	io.WriteString(older, "from the older\n")
	eventually(t, has(s.stored("two.log"), "from the older\n"))
	newer, n := s.begin("two.log")
	if n != 15 {
		t.Errorf("the newer one is told %d, want 15", n)
	}
	io.WriteString(older, "too late\n")
	io.WriteString(newer, "from the newer\n")
	closed(t, older)
	eventually(t, has(s.stored("two.log"), "from the older\nfrom the newer\n"))
	if n := s.Stats().Replaced; n != 1 {
		t.Errorf("%d were replaced, want 1", n)
	}
}

// T8: several senders of one source fight for one name, and die at random: the copy is
// always a prefix of the source.
func TestT08ManyWriters(t *testing.T) {
	s := newStation(t)
	source := lines(0, 50_000)
	var wg sync.WaitGroup
	var full atomic.Bool
	for i := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for !full.Load() {
				conn, err := net.Dial("tcp", s.addr)
				if err != nil {
					t.Error(err)
					return
				}
				io.WriteString(conn, "fight.log\n")
				line, _, err := readLine(conn, maxDigits+1)
				if err == nil {
					off, err := parseLength(line)
					if err != nil || off > int64(len(source)) {
						t.Errorf("the answer is %q", line)
					}
					to := min(int(off)+random.IntN(len(source)/4), len(source))
					io.WriteString(conn, source[min(int(off), to):to])
					full.Store(full.Load() || int(off) == len(source))
				}
				if random.IntN(2) == 0 {
					conn.(*net.TCPConn).SetLinger(0)
				}
				conn.Close()
				got, err := os.ReadFile(s.stored("fight.log"))
				if err == nil && !strings.HasPrefix(source, string(got)) {
					t.Error("the copy is no prefix of the source")
					return
				}
			}
		})
	}
	wg.Wait()
	if wrong := has(s.stored("fight.log"), source)(); wrong != "" {
		t.Error(wrong)
	}
}

// A connection that ends before a name, or says none, is closed, and others go on.
func TestSeed06CloseBeforeHeader(t *testing.T) {
	s := newStation(t)
	for _, said := range []string{"", "half a nam"} {
		conn := s.dial()
		io.WriteString(conn, said)
		conn.CloseWrite()
		closed(t, conn)
	}
	conn := s.dial()
	io.WriteString(conn, strings.Repeat("x", maxHeader+1))
	closed(t, conn)
	if n := s.Stats().Refused["bad-header"]; n != 3 {
		t.Errorf("%d were refused, want 3:\n%s", n, s.said.String())
	}
	if _, n := s.begin("good.log"); n != 0 {
		t.Errorf("the answer is %d", n)
	}
}

// T9: who says no name in time is closed.
func TestT09LateHeader(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes ten seconds")
	}
	t.Parallel()
	s := newStation(t)
	conn := s.dial()
	io.WriteString(conn, "slow")
	closed(t, conn)
	if n := s.Stats().Refused["late-header"]; n != 1 {
		t.Errorf("%d were late, want 1", n)
	}
}

// What one address may have, and how many connections, is bounded; so is what is far.
func TestSeed11Limits(t *testing.T) {
	t.Run("bytes", func(t *testing.T) {
		s := newStation(t, func(r *Receiver) { r.Bytes = 100 })
		conn, _ := s.begin("a.log")
		io.WriteString(conn, lines(0, 100))
		closed(t, conn)
		conn = s.dial()
		io.WriteString(conn, "b.log\n")
		closed(t, conn)
		s.stop()
		must(t, os.Remove(s.stored("a.log")))
		s.up() // it counts again
		s.begin("b.log")
	})
	t.Run("files", func(t *testing.T) {
		s := newStation(t, func(r *Receiver) { r.Files = 2 })
		s.begin("a.log")
		s.begin("b.log")
		conn := s.dial()
		io.WriteString(conn, "c.log\n")
		closed(t, conn)
		s.begin("a.log")
	})
	t.Run("disk", func(t *testing.T) {
		s := newStation(t, func(r *Receiver) { r.HighWater = 1e-9 })
		conn := s.dial()
		io.WriteString(conn, "a.log\n")
		closed(t, conn)
		if n := s.Stats().Refused["no-room"]; n != 1 {
			t.Errorf("%d were refused for want of room, want 1", n)
		}
	})
	t.Run("connections", func(t *testing.T) {
		s := newStation(t, func(r *Receiver) { r.MaxPerAddress = 2 })
		s.begin("a.log")
		s.begin("b.log")
		if conn, err := net.Dial("tcp", s.addr); err == nil { // else it was reset before we knew
			closed(t, conn)
			conn.Close()
		}
	})
}

// Only who is on this machine may send, unless others were let in.
func TestSeed11Local(t *testing.T) {
	far := "" // an address of this machine that is no loopback
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			far = n.IP.String()
		}
	}
	if far == "" {
		t.Skip("this machine has no address but loopback")
	}
	for _, local := range []bool{true, false} {
		s := newStation(t, func(r *Receiver) { r.Local = local })
		s.stop()
		_, port, _ := net.SplitHostPort(s.addr)
		s.addr = net.JoinHostPort("0.0.0.0", port)
		s.up()
		conn, err := net.Dial("tcp", net.JoinHostPort(far, port))
		must(t, err)
		io.WriteString(conn, "a.log\n")
		if local {
			closed(t, conn)
		} else if answer(t, conn); has(filepath.Join(s.Dir, far+"_a.log"), "")() != "" {
			t.Error("its file is not there")
		}
		conn.Close()
	}
}

// An IPv6 address is written in full, with dashes.
func TestStoredAs(t *testing.T) {
	for _, c := range []struct {
		peer string
		bare bool
		want string
	}{
		{"192.0.2.1:1", false, "192.0.2.1_a.log"},
		{"[::ffff:192.0.2.1]:1", false, "192.0.2.1_a.log"},
		{"[2001:db8::1]:1", false, "2001-0db8-0000-0000-0000-0000-0000-0001_a.log"},
		{"[fe80::1%eth0]:1", false, "fe80-0000-0000-0000-0000-0000-0000-0001_a.log"},
		{"192.0.2.1:1", true, "a.log"},
	} {
		addr, err := net.ResolveTCPAddr("tcp", c.peer)
		if err != nil { // a zone that is not here
			addr = &net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"}
		}
		if got, _ := (&Receiver{Bare: c.bare}).storedAs(addr, "a.log"); got != c.want {
			t.Errorf("storedAs(%s) = %s, want %s", c.peer, got, c.want)
		}
	}
}

// A thousand connections that say nothing cost little, and hinder nobody.
func TestSeed13ThousandIdle(t *testing.T) {
	s := newStation(t)
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(entries)
	}
	before := descriptors()
	var conns []*net.TCPConn
	for i := range 1000 {
		conn, _ := s.begin(fmt.Sprintf("idle%d.log", i))
		conns = append(conns, conn)
	}
	conn, _ := s.begin("busy.log")
	io.WriteString(conn, lines(0, 10))
	eventually(t, has(s.stored("busy.log"), lines(0, 10)))
	for _, conn := range append(conns, conn) {
		conn.Close()
	}
	eventually(t, func() string {
		if n := descriptors(); s.Stats().Connections > 0 || n > before+2*keptPipesForTest {
			return fmt.Sprintf("%d connections, %d descriptors, %d before", s.Stats().Connections, n, before)
		}
		return ""
	})
}

// keptPipesForTest is how many pipes internal/tcp keeps.
const keptPipesForTest = 8

// A seamed station counts what is made durable, and lets it fail.
type seamed struct {
	*station
	syncs atomic.Int64
	fail  atomic.Bool
}

func newSeamed(t testing.TB) *seamed {
	s := &seamed{station: newStation(t)}
	s.disk.Around = func(op, _ string, do func() error) error {
		if op == "sync" {
			s.syncs.Add(1)
			if s.fail.Load() {
				return syscall.EIO
			}
		}
		return do()
	}
	return s
}

// What came is made durable after a second of silence, and at the end.
func TestSeed12Fsync(t *testing.T) {
	t.Parallel()
	s := newSeamed(t)
	conn, _ := s.begin("a.log")
	io.WriteString(conn, "one\n")
	eventually(t, has(s.stored("a.log"), "one\n"))
	before := s.syncs.Load()
	eventually(t, func() string {
		if s.syncs.Load() == before {
			return "nothing was made durable"
		}
		return ""
	})
	before = s.syncs.Load()
	io.WriteString(conn, "two\n")
	conn.CloseWrite()
	closed(t, conn)
	if s.syncs.Load() == before {
		t.Error("it was not made durable at the end")
	}
	// Who is told a length is told what is durable.
	before = s.syncs.Load()
	if _, n := s.begin("a.log"); n != 8 || s.syncs.Load() == before {
		t.Errorf("told %d after %d fsyncs, want 8 after one", n, s.syncs.Load()-before)
	}
}

// F27: after an fsync that failed the file is what was durable, and no more is offered.
func TestF27FailedFsync(t *testing.T) {
	t.Parallel()
	s := newSeamed(t)
	conn, _ := s.begin("a.log")
	io.WriteString(conn, "durable\n")
	eventually(t, func() string {
		if s.syncs.Load() == 0 {
			return "nothing was made durable"
		}
		return has(s.stored("a.log"), "durable\n")()
	})
	s.fail.Store(true)
	before := s.syncs.Load()
	io.WriteString(conn, "lost\n")
	closed(t, conn)
	if n := s.syncs.Load() - before; n != 2 { // it, and that of the file as it was cut
		t.Errorf("%d fsyncs, want 2", n)
	}
	if wrong := has(s.stored("a.log"), "durable\n")(); wrong != "" {
		t.Error(wrong)
	}
	refused := s.dial()
	io.WriteString(refused, "a.log\n")
	closed(t, refused)
	s.fail.Store(false)
	if _, n := s.begin("a.log"); n != 8 {
		t.Errorf("told %d, want 8", n)
	}
	if n := s.Stats().SyncErrors; n != 1 {
		t.Errorf("%d fsyncs failed by Stats, want 1", n)
	}
}

// What the older connection of a file has brought is written, and durable, before the
// newer one is answered.
func TestSeed05NewerWaits(t *testing.T) {
	s := newStation(t)
	syncing, goOn := make(chan struct{}), make(chan struct{})
	var slow atomic.Bool
	s.disk.Around = func(op, _ string, do func() error) error {
		if op == "sync" && slow.CompareAndSwap(false, true) {
			close(syncing)
			<-goOn
		}
		return do()
	}
	older, _ := s.begin("two.log")
	io.WriteString(older, "from the older\n")
	eventually(t, has(s.stored("two.log"), "from the older\n"))
	<-syncing // the older one makes durable what it has
	newer := s.dial()
	io.WriteString(newer, "two.log\n")
	newer.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := newer.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the newer one was answered before the older one was done: %d, %v", n, err)
	}
	close(goOn)
	newer.SetReadDeadline(time.Now().Add(patience))
	if n := answer(t, newer); n != 15 {
		t.Errorf("the newer one is told %d, want 15", n)
	}
}
