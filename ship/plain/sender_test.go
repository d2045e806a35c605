package plain

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A fake is a receiver whose every connection a test plays itself.
type fake struct {
	t     testing.TB
	addr  string
	conns atomic.Int64
	now   atomic.Int64 // connections that are open
}

// newFake has play called for each connection, with the name that was said.
func newFake(t testing.TB, play func(conn *net.TCPConn, name string)) *fake {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	f := &fake{t: t, addr: ln.Addr().String()}
	var wg sync.WaitGroup
	open := make(map[net.Conn]bool)
	var mu sync.Mutex
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			f.conns.Add(1)
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			wg.Go(func() {
				f.now.Add(1)
				defer f.now.Add(-1)
				defer conn.Close()
				line, rest, err := readLine(conn, maxHeader)
				if err != nil {
					return
				}
				if len(rest) > 0 {
					t.Errorf("%q came with the name, before it was answered", rest)
				}
				play(conn.(*net.TCPConn), string(line))
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for conn := range open {
			conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return f
}

// Nothing is sent before the length was read up to its LF, however it comes.
func TestSeed04SplitOffsetLine(t *testing.T) {
	text := lines(0, 100)
	got := make(chan string, 1)
	var first sync.Once
	f := newFake(t, func(conn *net.TCPConn, name string) {
		mine := false
		first.Do(func() { mine = true })
		if !mine {
			return
		}
		for _, part := range []string{"12", "34\n"} {
			// Whoever sends after "12" does so here.
			conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
			if n, err := conn.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("before the length was whole %d bytes came, %v", n, err)
			}
			io.WriteString(conn, part)
		}
		conn.SetReadDeadline(time.Now().Add(patience))
		all := make([]byte, len(text)-1234)
		io.ReadFull(conn, all)
		got <- string(all)
	})
	s := newShip(t, f.addr)
	s.append("a.log", text)
	s.up()
	if g := <-got; g != text[1234:] {
		t.Errorf("%.40q came, want %.40q", g, text[1234:])
	}
}

// What is no length ends the connection; it is tried again, not all the time, and said once.
func TestBadAnswers(t *testing.T) {
	for _, said := range []string{"", "\n", "12", "x\n", "-1\n", "+1\n", " 1\n", "1 \n", "9223372036854775808\n", strings.Repeat("9", 30), "0\nmore"} {
		f := newFake(t, func(conn *net.TCPConn, name string) {
			io.WriteString(conn, said)
			conn.CloseWrite()
			n, _ := io.Copy(io.Discard, conn)
			if n > 0 && said != "0\nmore" { // which may come in two pieces
				t.Errorf("after %q %d bytes were sent", said, n)
			}
		})
		s := newShip(t, f.addr)
		s.append("a.log", "text\n")
		s.up()
		eventually(t, func() string {
			if st := s.Status(); len(st) == 1 && st[0].Err == nil && f.conns.Load() < 2 {
				return fmt.Sprintf("%q: %+v", said, st)
			}
			return ""
		})
		s.stop()
	}
}

// A receiver that never answers, or never reads, does not hang us.
func TestReceiverThatHangs(t *testing.T) {
	t.Parallel()
	for _, answers := range []bool{false, true} {
		over := make(chan struct{})
		f := newFake(t, func(conn *net.TCPConn, name string) {
			if answers {
				conn.SetReadBuffer(4096)
				io.WriteString(conn, "0\n")
			}
			<-over
		})
		s := newShip(t, f.addr)
		s.append("a.log", strings.Repeat(lines(0, 10_000), 100)) // more than the buffers of both sides
		s.up(func(s *Sender) { s.Timeout = 300 * time.Millisecond })
		eventually(t, func() string {
			if n := f.conns.Load(); n < 2 {
				return fmt.Sprintf("answers %v: %d connections", answers, n)
			}
			return ""
		})
		s.stop()
		close(over)
	}
}

// A receiver that is not there is asked by one, less and less often, and told of once.
func TestBackoff(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(conn *net.TCPConn, name string) {}) // closes
	s := newShip(t, f.addr)
	for i := range 100 {
		s.append(fmt.Sprintf("%d.log", i), "text\n")
	}
	s.up()
	<-time.After(3 * time.Second)
	// At first all may ask; then one at a time: 250 ms, 500 ms, 1 s, ...
	if n := f.conns.Load(); n > 100+10 {
		t.Errorf("%d connections in 3 s for 100 files", n)
	}
	if n := strings.Count(s.said.String(), "the receiver is not there"); n != 1 {
		t.Errorf("it was said %d times:\n%s", n, s.said.String())
	}
}

// There are never two connections for one name.
func TestOneConnectionForAName(t *testing.T) {
	var mu sync.Mutex
	open := make(map[string]int)
	f := newFake(t, func(conn *net.TCPConn, name string) {
		mu.Lock()
		open[name]++
		if open[name] > 1 {
			t.Errorf("%d connections for %s", open[name], name)
		}
		mu.Unlock()
		io.WriteString(conn, "0\n")
		conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		io.Copy(io.Discard, conn)
		mu.Lock()
		open[name]--
		mu.Unlock()
	})
	s := newShip(t, f.addr)
	s.up()
	for i := range 300 {
		s.append(fmt.Sprintf("%d.log", i%5), lines(i, 10))
	}
	eventually(t, func() string {
		if n := f.conns.Load(); n < 20 {
			return fmt.Sprintf("%d connections", n)
		}
		return ""
	})
}

// The connection of a file that is quiet is given up for another.
func TestFewConnections(t *testing.T) {
	to := newStation(t)
	s := newShip(t, to.addr)
	want := make(map[string]string)
	for i := range 50 {
		name := fmt.Sprintf("%d.log", i)
		s.append(name, lines(i, 100))
		want[name] = lines(i, 100)
	}
	s.up(func(s *Sender) { s.MaxConns = 3 })
	for name, text := range want {
		eventually(t, has(to.stored(name), text))
	}
	for i := range 7 { // more than there are connections, all of which are idle
		name := fmt.Sprintf("%d.log", i)
		s.append(name, "more\n")
		eventually(t, has(to.stored(name), want[name]+"more\n"))
	}
	if n := to.Stats().Connections; n > 3 {
		t.Errorf("%d connections, want at most 3", n)
	}
}

// A connection is given up after a while of silence, and made again.
func TestIdle(t *testing.T) {
	to := newStation(t)
	s := newShip(t, to.addr)
	s.append("a.log", "one\n")
	s.up(func(s *Sender) { s.Idle = 50 * time.Millisecond })
	eventually(t, has(to.stored("a.log"), "one\n"))
	eventually(t, func() string {
		if to.Stats().Connections > 0 {
			return "the connection is still there"
		}
		return ""
	})
	s.append("a.log", "two\n")
	eventually(t, has(to.stored("a.log"), "one\ntwo\n"))
}

// copiesOf returns the names under which generations of a file are stored, the first one in
// front.
func copiesOf(t testing.TB, to *station, name string) (names []string) {
	t.Helper()
	all, err := filepath.Glob(to.stored(name) + "*")
	must(t, err)
	return all
}

// A rotated file is sent to its end, then the next generation under a name of its own.
func TestSeed07Rotation(t *testing.T) {
	to := newStation(t)
	s := newShip(t, to.addr)
	s.append("a.log", lines(0, 1000))
	s.up()
	eventually(t, has(to.stored("a.log"), lines(0, 1000)))
	must(t, os.Rename(s.path("a.log"), s.path("a.log.1")))
	f, err := os.OpenFile(s.path("a.log.1"), os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	io.WriteString(f, "late\n") // its writer reopens later
	must(t, f.Close())
	s.append("a.log", lines(5000, 10))
	eventually(t, has(to.stored("a.log"), lines(0, 1000)+"late\n"))
	eventually(t, func() string {
		names := copiesOf(t, to, "a.log")
		if len(names) != 2 || !strings.HasPrefix(names[1], to.stored("a.log-")) {
			return fmt.Sprintf("the store has %v", names)
		}
		return has(names[1], lines(5000, 10))()
	})
	eventually(t, func() string {
		if !strings.Contains(s.said.String(), "the receiver has all of a generation") {
			return "it is not known to be there"
		}
		return ""
	})
	// A restart goes on under the same names.
	s.stop()
	s.append("a.log", "more\n")
	s.up()
	eventually(t, func() string {
		names := copiesOf(t, to, "a.log")
		if len(names) != 2 {
			return fmt.Sprintf("the store has %v", names)
		}
		return has(names[1], lines(5000, 10)+"more\n")()
	})
}

// A truncated file is a new generation with a name of its own; the old copy stays.
func TestSeed07Truncation(t *testing.T) {
	to := newStation(t)
	s := newShip(t, to.addr)
	s.append("a.log", lines(0, 1000))
	s.up()
	eventually(t, has(to.stored("a.log"), lines(0, 1000)))
	must(t, os.Truncate(s.path("a.log"), 0))
	s.append("a.log", "short\n")
	eventually(t, func() string {
		names := copiesOf(t, to, "a.log")
		if len(names) != 2 {
			return fmt.Sprintf("the store has %v", names)
		}
		return has(names[1], "short\n")()
	})
	if wrong := has(to.stored("a.log"), lines(0, 1000))(); wrong != "" {
		t.Error(wrong)
	}
}

// A file that is deleted while it is sent is sent whole: it is kept until then.
func TestDeletedWhileSent(t *testing.T) {
	to := newStation(t)
	to.stop()
	s := newShip(t, to.addr)
	text := lines(0, 50_000)
	s.append("a.log", text)
	s.up()
	eventually(t, func() string {
		if st := s.Status(); len(st[0].Files) == 0 || st[0].Err == nil {
			return "it was not tried"
		}
		return ""
	})
	must(t, os.Remove(s.path("a.log")))
	to.up()
	eventually(t, has(to.stored("a.log"), text))
}

// A copy that is longer than the file is of something else: it is not added to.
func TestSeed07LongerCopy(t *testing.T) {
	to := newStation(t)
	must(t, os.WriteFile(to.stored("a.log"), []byte(lines(0, 1000)), 0o600))
	s := newShip(t, to.addr)
	s.append("a.log", "short\n")
	s.up()
	eventually(t, func() string {
		names := copiesOf(t, to, "a.log")
		if len(names) != 2 {
			return fmt.Sprintf("the store has %v", names)
		}
		return has(names[1], "short\n")()
	})
	if wrong := has(to.stored("a.log"), lines(0, 1000))(); wrong != "" {
		t.Error(wrong)
	}
	if !strings.Contains(s.said.String(), "what it has is of something else") {
		t.Errorf("it was not said:\n%s", s.said.String())
	}
	s.stop()
	s.append("a.log", "more\n")
	s.up()
	eventually(t, has(copiesOf(t, to, "a.log")[1], "short\nmore\n"))
}

// What is known of a generation is not put behind another, though it would fit.
func TestSeed08OtherGeneration(t *testing.T) {
	to := newStation(t)
	s := newShip(t, to.addr)
	s.append("a.log", lines(0, 10))
	s.up()
	eventually(t, has(to.stored("a.log"), lines(0, 10)))
	s.stop()
	must(t, os.Remove(s.path("a.log")))
	s.append("a.log", lines(7000, 100)) // longer than the copy
	s.up()
	eventually(t, func() string {
		names := copiesOf(t, to, "a.log")
		if len(names) != 2 {
			return fmt.Sprintf("the store has %v", names)
		}
		return has(names[1], lines(7000, 100))()
	})
	if wrong := has(to.stored("a.log"), lines(0, 10))(); wrong != "" {
		t.Error(wrong)
	}
}

// Of two files with one base name the second is refused, with both paths.
func TestSeed09BaseNames(t *testing.T) {
	to := newStation(t)
	s := newShip(t, to.addr)
	for _, dir := range []string{"x", "y"} {
		must(t, os.Mkdir(s.path(dir), 0o700))
		s.append(filepath.Join(dir, "a.log"), dir+"\n")
	}
	s.up(func(s *Sender) { s.Once = true })
	s.settled()
	refused := s.Refused()
	if len(refused) != 1 || !strings.Contains(refused[0].Why, s.path("x/a.log")) || !strings.Contains(refused[0].Why, s.path("y/a.log")) {
		t.Errorf("Refused() = %v", refused)
	}
	other := map[string]string{s.path("x/a.log"): "y\n", s.path("y/a.log"): "x\n"}[refused[0].Path]
	if wrong := has(to.stored("a.log"), other)(); wrong != "" {
		t.Error(wrong)
	}
	// Once the first is gone for good the second has a name of its own.
	s.stop()
	must(t, os.RemoveAll(filepath.Dir(map[string]string{"y\n": s.path("y/a.log"), "x\n": s.path("x/a.log")}[other])))
	s.up()
	eventually(t, func() string {
		names := copiesOf(t, to, "a.log")
		if len(names) != 2 {
			return fmt.Sprintf("the store has %v", names)
		}
		return ""
	})
}

// What the receiver lost is sent again, also when nothing is added: a connection that
// ends while its file is quiet is noticed.
func TestQuietWhenItEnded(t *testing.T) {
	to := newStation(t)
	s := newShip(t, to.addr)
	text := lines(0, 100)
	s.append("a.log", text)
	s.up()
	eventually(t, has(to.stored("a.log"), text))
	to.stop()
	must(t, os.Truncate(to.stored("a.log"), 50)) // as a kill of the older tool leaves it
	to.up()
	eventually(t, has(to.stored("a.log"), text))
}

// The receiver has what it was sent: it is asked.
func TestOnceWithAReceiverThatForgets(t *testing.T) {
	f := newFake(t, func(conn *net.TCPConn, name string) {
		io.WriteString(conn, "0\n")
		io.Copy(io.Discard, conn)
	})
	s := newShip(t, f.addr)
	s.append("a.log", "text\n")
	s.up(func(s *Sender) { s.Once = true })
	s.settled()
	if r := s.Refused(); len(r) != 1 || !strings.Contains(r[0].Why, "never what it was sent") {
		t.Errorf("Refused() = %v", r)
	}
}

// No name is chosen twice, and all that was chosen is there after a restart.
func TestNames(t *testing.T) {
	var n names
	path := filepath.Join(t.TempDir(), "names")
	now := time.Now()
	must(t, n.open(path, now))
	gens := []byte{1, 2, 3}
	seen := make(map[string]bool)
	for _, g := range gens {
		r, err := n.choose("h:1", "/log/a b.log", [16]byte{g}, func(string) bool { return true })
		must(t, err)
		if seen[r.name] {
			t.Errorf("%s was chosen twice", r.name)
		}
		seen[r.name] = true
	}
	again := n.another("h:1", "/log/a b.log", [16]byte{2})
	n.settle("h:1", [16]byte{3}, 17)
	must(t, n.save())
	var m names
	must(t, m.open(path, now))
	for _, g := range gens {
		was, _ := n.of("h:1", [16]byte{g})
		is, ok := m.of("h:1", [16]byte{g})
		if !ok || is != was {
			t.Errorf("the name of %d is %+v, want %+v", g, is, was)
		}
	}
	if r, _ := m.of("h:1", [16]byte{2}); r.name != again.name {
		t.Errorf("the name is %s, want %s", r.name, again.name)
	}
	var old names
	must(t, old.open(path, now.Add(keepNames+48*time.Hour)))
	if len(old.owners) != 0 {
		t.Errorf("after a month there are %d names", len(old.owners))
	}
	for _, bad := range []string{"/log/ a", "/log/-a", "/log/a\tb", "/log/" + strings.Repeat("x", 201)} {
		if r, err := n.choose("h:1", bad, [16]byte{9}, nil); err == nil {
			t.Errorf("choose(%q) = %+v, want an error", bad, r)
		}
	}
}
