package plain

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/logfile"
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

// has says what is wrong if a file has not those bytes.
func has(path, want string) func() string {
	return func() string {
		got, err := os.ReadFile(path)
		if err != nil {
			return err.Error()
		}
		if string(got) != want {
			return fmt.Sprintf("%s has %d bytes, %.60q, want %d, %.60q", filepath.Base(path), len(got), got, len(want), want)
		}
		return ""
	}
}

// lines are n lines, each with its number.
func lines(first, n int) string {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "%08d a line of a log\n", first+i)
	}
	return b.String()
}

// A notes is a log that a test reads.
type notes struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

func (n *notes) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(n, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// A station is a receiver at one address for all its lives.
type station struct {
	*Receiver
	t    testing.TB
	addr string
	said notes
	stop func()
}

// newStation returns one that is up; change is done to its receiver before.
func newStation(t testing.TB, change ...func(*Receiver)) *station {
	t.Helper()
	s := &station{t: t, Receiver: &Receiver{Dir: filepath.Join(t.TempDir(), "store"), HighWater: 1}, stop: func() {}}
	for _, c := range change {
		c(s.Receiver)
	}
	t.Cleanup(func() { s.stop() })
	s.up()
	return s
}

func (s *station) up() {
	s.t.Helper()
	if s.addr == "" {
		s.addr = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", s.addr)
	must(s.t, err)
	s.addr = ln.Addr().String()
	old := s.Receiver
	s.Receiver = &Receiver{Dir: old.Dir, HighWater: old.HighWater, Bare: old.Bare, Local: old.Local, Bytes: old.Bytes, Files: old.Files,
		Max: old.Max, MaxPerAddress: old.MaxPerAddress, Log: s.said.log()}
	must(s.t, s.Open())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	r := s.Receiver
	go func() { done <- r.Serve(ctx, ln) }()
	s.stop = func() {
		s.stop = func() {}
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("Serve() = %v", err)
		}
		must(s.t, r.Close())
	}
}

// stored is where a file is that came from this machine.
func (s *station) stored(name string) string {
	if !s.Bare {
		name = "127.0.0.1_" + name
	}
	return filepath.Join(s.Dir, name)
}

func (s *station) dial() *net.TCPConn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	must(s.t, err)
	s.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn.(*net.TCPConn)
}

// begin says a name, and returns what the receiver has of it.
func (s *station) begin(name string) (*net.TCPConn, int64) {
	s.t.Helper()
	conn := s.dial()
	_, err := io.WriteString(conn, name+"\n")
	must(s.t, err)
	return conn, answer(s.t, conn)
}

// answer reads a length.
func answer(t testing.TB, conn net.Conn) int64 {
	t.Helper()
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := conn.Read(b); err != nil {
			t.Fatalf("the answer is %q, and then %v", line, err)
		}
		if b[0] == '\n' {
			break
		}
		line = append(line, b...)
	}
	n, err := strconv.ParseInt(string(line), 10, 64)
	must(t, err)
	return n
}

// closed waits until the receiver has closed a connection, without a byte.
func closed(t testing.TB, conn net.Conn) {
	t.Helper()
	if b, err := io.ReadAll(conn); len(b) > 0 || os.IsTimeout(err) {
		t.Errorf("the receiver said %q, %v, want the connection closed without a byte", b, err)
	}
}

// A ship is a sender of a directory's *.log, with a state that outlives it.
type aShip struct {
	*Sender
	t     testing.TB
	dir   string // of the files
	state string
	to    []string
	said  notes
	stop  func()
}

func newShip(t testing.TB, to ...string) *aShip {
	t.Helper()
	s := &aShip{t: t, dir: t.TempDir(), state: t.TempDir(), to: to, stop: func() {}}
	t.Cleanup(func() { s.stop() })
	return s
}

// up begins to send; change is done to the sender before.
func (s *aShip) up(change ...func(*Sender)) {
	s.t.Helper()
	set := &logfile.Set{State: s.state, Skip: []string{s.state}, Quiet: 20 * time.Millisecond, Active: 20 * time.Millisecond}
	s.Sender = &Sender{Files: set, State: filepath.Join(s.state, "ship"), To: s.to, Timeout: 5 * time.Second, Log: s.said.log()}
	for _, c := range change {
		c(s.Sender)
	}
	must(s.t, s.Open())
	must(s.t, set.Add(filepath.Join(s.dir, "**", "*.log")))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { set.Run(ctx) })
	sender := s.Sender
	wg.Go(func() {
		if err := sender.Run(ctx); err != nil {
			s.t.Errorf("Run() = %v", err)
		}
	})
	s.stop = func() {
		s.stop = func() {}
		cancel()
		wg.Wait()
	}
}

// settled waits until every receiver has all there is.
func (s *aShip) settled() {
	s.t.Helper()
	eventually(s.t, func() string {
		if s.Settled() {
			return ""
		}
		return fmt.Sprintf("not settled: %+v\n%s", s.Status(), s.said.String())
	})
}

func (s *aShip) path(name string) string { return filepath.Join(s.dir, name) }

func (s *aShip) append(name, text string) {
	s.t.Helper()
	f, err := os.OpenFile(s.path(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	must(s.t, err)
	_, err = f.WriteString(text)
	must(s.t, err)
	must(s.t, f.Close())
}
