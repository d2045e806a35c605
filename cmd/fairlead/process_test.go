//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
)

// These tests run the program as a process of its own: signals, descriptors and
// the service manager's sockets exist nowhere else.

// A process is the program, running.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  watched
	errs watched
	done chan struct{}
}

// newProcess prepares the program with directories of its own.
func newProcess(t *testing.T, program string, args ...string) *process {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(path, args...), done: make(chan struct{})}
	run, err := os.MkdirTemp("", "flr") // short, as a socket's path has to be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + run, "XDG_STATE_HOME=" + t.TempDir(),
		"HOME=/dev/null", "GORACE=" + raceOptions}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errs
	return p
}

func (p *process) start() *process {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	p.t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
	})
	return p
}

func (p *process) signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// wait returns how the process ended.
func (p *process) wait() *os.ProcessState {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("still running after %s; stderr:\n%s", patience, p.errs.String())
	}
	return p.cmd.ProcessState
}

// serving returns the address that the log says is served at.
func (p *process) serving() string {
	p.t.Helper()
	return p.errs.waitFor(p.t, `"serve":"([^"]+)"`)
}

// watched is what a process writes, for those who wait for it.
type watched struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{}
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
	return w.buf.Write(b)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// waitFor returns the first group of the first match.
func (w *watched) waitFor(t *testing.T, expr string) string {
	t.Helper()
	re := regexp.MustCompile(`(?ms)` + expr)
	limit := time.After(patience)
	for {
		w.mu.Lock()
		m := re.FindStringSubmatch(w.buf.String())
		if w.changed == nil {
			w.changed = make(chan struct{})
		}
		changed := w.changed
		w.mu.Unlock()
		if m != nil {
			return m[len(m)-1]
		}
		select {
		case <-changed:
		case <-limit:
			all := w.String()
			t.Fatalf("no match of %q after %s in %d bytes:\n%.500s\n...\n%s", expr, patience, len(all), all, all[max(0, len(all)-500):])
		}
	}
}

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func dial(t *testing.T, addr, header string) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, header); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// backlog is more than the buffers between a server and a client that does not
// read can take.
var backlog = strings.Repeat("a line that is long enough to fill buffers soon\n", 1<<19)

// A client that reads slowly gets all there is after TERM.
func TestDrain(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "a.log"), backlog)
	p := newProcess(t, "fairlead", "serve", "--listen", "127.0.0.1:0", "--http", "off", file).start()
	c := dial(t, p.serving(), "0\n")
	first := make([]byte, 1)
	if _, err := io.ReadFull(c, first); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM)
	p.errs.waitFor(t, `"msg":"stopping`)
	rest, err := io.ReadAll(c)
	c.Close() // a server waits for that a little
	if err != nil || string(first)+string(rest) != backlog {
		t.Errorf("after TERM the client got %d bytes, %v, want all %d", 1+len(rest), err, len(backlog))
	}
	if state := p.wait(); !state.Success() {
		t.Errorf("the process ended with %v, want 0", state)
	}
}

// A second signal does not wait for a client that never reads.
func TestSecondSignal(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		file := writeFile(t, filepath.Join(t.TempDir(), "a.log"), backlog)
		p := newProcess(t, "fairlead", "serve", "--listen", "127.0.0.1:0", "--http", "off", file).start()
		c := dial(t, p.serving(), "0\n")
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		p.signal(sig)
		p.errs.waitFor(t, `"msg":"stopping`)
		again := time.Now()
		p.signal(sig)
		state := p.wait()
		if ws := state.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != sig {
			t.Errorf("after two of %v the process ended with %v, want that signal", sig, state)
		}
		if took := time.Since(again); took > 2*time.Second {
			t.Errorf("after the second %v it took %v, want none to speak of", sig, took)
		}
	}
}

// QUIT stays the runtime's.
func TestQuitPrintsGoroutines(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "a.log"), "x\n")
	p := newProcess(t, "fairlead", "serve", "--listen", "127.0.0.1:0", "--http", "off", file).start()
	p.serving()
	p.signal(syscall.SIGQUIT)
	if state := p.wait(); state.ExitCode() != 2 || !strings.Contains(p.errs.String(), "\ngoroutine 1 ") {
		t.Errorf("QUIT: %v, stderr %.200q, want code 2 and the goroutines", state, p.errs.String())
	}
}

// The service manager hears READY once everything is bound, and STOPPING.
func TestNotify(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ name, program string }{{"serve", "fairlead"}, {"tailsrv", "tailsrv"}} {
		socket := filepath.Join(dir, c.name)
		manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer manager.Close()
		manager.SetDeadline(time.Now().Add(patience))
		missing := filepath.Join(dir, "not-yet.log")
		args := []string{"serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", missing}
		if c.name == "tailsrv" {
			args = []string{"-p", "0", missing}
		}
		p := newProcess(t, c.program, args...)
		p.cmd.Env = append(p.cmd.Env, "NOTIFY_SOCKET="+socket)
		p.start()

		ready := receive(t, manager)
		if !strings.Contains(ready, "READY=1\n") || !strings.Contains(ready, "STATUS=1 file on serve ") {
			t.Errorf("%s: first message %q, want READY=1 with a STATUS", c.name, ready)
		}
		_, port, _ := net.SplitHostPort(p.serving())
		dial(t, "127.0.0.1:"+port, "0\n").Close()
		p.signal(syscall.SIGTERM)
		if stopping := receive(t, manager); !strings.Contains(stopping, "STOPPING=1\n") || !strings.Contains(stopping, "EXTEND_TIMEOUT_USEC=") {
			t.Errorf("%s: last message %q, want STOPPING=1 with EXTEND_TIMEOUT_USEC", c.name, stopping)
		}
		if state := p.wait(); !state.Success() {
			t.Errorf("%s ended with %v, want 0", c.name, state)
		}
	}
}

func receive(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	buf := make([]byte, 4096)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatalf("wait for a message to the service manager: %v", err)
	}
	return string(buf[:n])
}

// Sockets that systemd opened are used, by the name of their descriptor.
func TestSocketActivation(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "a.log"), "passed\n")
	raw, web := listener(t), listener(t)
	p := newProcess(t, "fairlead-activated", "serve", file)
	p.cmd.ExtraFiles = []*os.File{listenerFile(t, raw), listenerFile(t, web)}
	p.cmd.Env = append(p.cmd.Env, "LISTEN_FDS=2", "LISTEN_FDNAMES=serve:http")
	p.start()
	if got := p.serving(); got != raw.Addr().String() {
		t.Errorf("serving at %s, want the socket that was passed, %s", got, raw.Addr())
	}
	c := dial(t, raw.Addr().String(), "0\n")
	line := make([]byte, 7)
	if _, err := io.ReadFull(c, line); err != nil || string(line) != "passed\n" {
		t.Errorf("over the passed socket: %q, %v, want the file", line, err)
	}
	h := dial(t, web.Addr().String(), "GET /logs/a.log HTTP/1.0\r\n\r\n")
	if answer, err := io.ReadAll(h); !bytes.HasSuffix(answer, []byte("\r\n\r\npassed\n")) {
		t.Errorf("over the passed HTTP socket: %q, %v, want the file", answer, err)
	}
	if strings.Contains(p.errs.String(), ":8080") {
		t.Errorf("beside the passed sockets the default port was opened:\n%s", p.errs.String())
	}
	c.Close()
	p.signal(syscall.SIGTERM)
	p.wait()
}

// A socket of another name is an error that names the cure.
func TestSocketActivationName(t *testing.T) {
	p := newProcess(t, "fairlead-activated", "serve", "a.log")
	p.cmd.ExtraFiles = []*os.File{listenerFile(t, listener(t))}
	p.cmd.Env = append(p.cmd.Env, "LISTEN_FDS=1", "LISTEN_FDNAMES=fairlead.socket")
	p.start()
	if state := p.wait(); state.ExitCode() != exitUsage || !strings.Contains(p.errs.String(), "FileDescriptorName= must be serve or http") {
		t.Errorf("socket of another name: %v, %q, want code 2 and the cure", state, p.errs.String())
	}
}

func listener(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func listenerFile(t *testing.T, ln net.Listener) *os.File {
	t.Helper()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// A reader that goes away ends tail quietly, also while the file is quiet.
func TestClosedStdout(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "a.log"), "one\n")
	for _, c := range []struct {
		name string
		more string
	}{{"quiet", ""}, {"growing", "two\n"}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p := newProcess(t, "fairlead", "tail", "-F", file)
		p.cmd.Stdout = w
		p.start()
		w.Close()
		if _, err := io.ReadFull(r, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		r.Close()
		if c.more != "" {
			if err := appendTo(file, c.more); err != nil {
				t.Fatal(err)
			}
		}
		if state := p.wait(); !state.Success() || p.errs.String() != "" {
			t.Errorf("%s: tail into a closed pipe ended with %v, %q, want 0 and nothing", c.name, state, p.errs.String())
		}
	}
}

// tailsrv --journald logs to the journal, or says that there is none.
func TestTailsrvJournald(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "a.log"), "x\n")
	p := newProcess(t, "tailsrv", "-p", "0", "--journald", file).start()
	if !journal.Enabled() {
		if state := p.wait(); state.ExitCode() != exitFailed || !strings.Contains(p.errs.String(), "--journald: there is no journal here") {
			t.Errorf("tailsrv --journald without a journal: %v, %q, want code 1 and the reason", state, p.errs.String())
		}
		return
	}
	run := strings.TrimPrefix(p.cmd.Env[1], "XDG_RUNTIME_DIR=") + "/fairlead"
	until(func() bool { return len(socketsIn(run)) == 1 }) // then it minds signals
	p.signal(syscall.SIGTERM)
	if state := p.wait(); !state.Success() || p.errs.String() != "" {
		t.Errorf("tailsrv --journald: %v, stderr %q, want 0 and nothing", state, p.errs.String())
	}
}

// status asks on behalf of the user whose process p is.
func (p *process) status() *process {
	q := newProcess(p.t, "fairlead", "status")
	q.cmd.Env = p.cmd.Env
	q.start()
	q.wait()
	return q
}

// A process that is there but does not answer is a problem, and not waited for.
func TestStatusOfStoppedProcess(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "a.log"), "x\n")
	p := newProcess(t, "fairlead", "serve", "--listen", "127.0.0.1:0", "--http", "off", file).start()
	p.serving()
	p.signal(syscall.SIGSTOP)
	q := p.status()
	if code := q.cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(q.out.String(), "no answer within") {
		t.Errorf("status of a stopped process: code %d, %q, want %d and that there is no answer", code, q.out.String(), exitFailed)
	}
	p.signal(syscall.SIGCONT)
	if q := p.status(); !q.cmd.ProcessState.Success() {
		t.Errorf("status once it goes on: %v, %q, want 0", q.cmd.ProcessState, q.out.String())
	}
}

// Where the user has no runtime directory the socket is in the state; where
// there is neither, and no home, the program runs all the same and says so.
func TestSocketPlaces(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "a.log"), "x\n")
	short, err := os.MkdirTemp("", "fls")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	service := filepath.Join(short, "service")
	if err := os.Mkdir(service, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		env  []string
		want string // directory of the socket; empty: none that others find
	}{
		{"runtime", []string{"XDG_RUNTIME_DIR=" + short}, short + "/fairlead"},
		{"no runtime", []string{"XDG_STATE_HOME=" + short}, short + "/fairlead/run"},
		{"runtime that is not there", []string{"XDG_RUNTIME_DIR=/dev/null", "XDG_STATE_HOME=" + short}, short + "/fairlead/run"},
		{"service", []string{"RUNTIME_DIRECTORY=" + service, "STATE_DIRECTORY=" + short}, service},
		{"home", []string{"HOME=" + short}, short + "/.local/state/fairlead/run"},
		{"nothing", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProcess(t, "fairlead", "serve", "--listen", "127.0.0.1:0", "--http", "off", file)
			p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "GORACE=" + raceOptions, "HOME=/dev/null", "TMPDIR=" + t.TempDir()}, c.env...)
			p.start()
			p.serving()
			if c.want == "" {
				p.errs.waitFor(t, "nothing is remembered after this run")
			} else if found := socketsIn(c.want); len(found) != 1 {
				t.Errorf("sockets in %s: %v, want one; stderr:\n%s", c.want, found, p.errs.String())
			}
			if c.want != "" {
				if q := p.status(); !q.cmd.ProcessState.Success() {
					t.Errorf("status = %v, %q", q.cmd.ProcessState, q.errs.String())
				}
			}
			p.signal(syscall.SIGTERM)
			p.wait()
			if found := socketsIn(c.want); len(found) != 0 {
				t.Errorf("after the end there is %v, want nothing", found)
			}
		})
	}
}

// Another user is turned away from the local socket.
func TestT33LocalSocketOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user")
	}
	file := writeFile(t, filepath.Join(t.TempDir(), "a.log"), "x\n")
	p := newProcess(t, "fairlead", "serve", "--listen", "127.0.0.1:0", "--http", "off", file).start()
	p.serving()
	run := strings.TrimPrefix(p.cmd.Env[1], "XDG_RUNTIME_DIR=") + "/fairlead"
	sockets := socketsIn(run)
	if len(sockets) != 1 {
		t.Fatalf("socketsIn(%s) = %v, want one", run, sockets)
	}
	for _, path := range []string{filepath.Dir(run), run, sockets[0]} {
		if err := os.Chmod(path, 0o777); err != nil { // so that only the uid keeps others out
			t.Fatal(err)
		}
	}
	program := filepath.Join(filepath.Dir(run), "fairlead-copy", "fairlead") // where others can run it
	copyProgram(t, program)
	status := func(uid uint32) *process {
		q := newProcess(t, program, "status")
		q.cmd.Env[1] = p.cmd.Env[1]
		q.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		q.start()
		q.wait()
		return q
	}
	if q := status(0); !strings.Contains(q.out.String(), "serve (pid ") {
		t.Errorf("status as ourselves: %q %q, want the process", q.out.String(), q.errs.String())
	}
	if q := status(65534); strings.Contains(q.out.String(), "a.log") {
		t.Errorf("status as another user: %q, want nothing of ours", q.out.String())
	}
	p.errs.waitFor(t, `another user was turned away.*"uid":65534`)
}

func copyProgram(t *testing.T, to string) {
	t.Helper()
	self, err := os.Executable()
	if err == nil {
		var b []byte
		if b, err = os.ReadFile(self); err == nil {
			os.Mkdir(filepath.Dir(to), 0o755)
			err = os.WriteFile(to, b, 0o755)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestCursorKill ends a tail again and again, also beside rotations. Nothing is
// missing in what all of them printed, and what is there twice is what came at a
// start after KILL; after TERM nothing is.
func TestCursorKill(t *testing.T) {
	dir, state := t.TempDir(), t.TempDir()
	file := filepath.Join(dir, "a.log")
	args := []string{"tail", "-F", "-q", "-o", "json", "--cursor-file", filepath.Join(dir, "cursor"), "--from", "start", "--state", state, file}
	const runs, perRun = 10, 300
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))

	var printed []string
	for n := range runs {
		p := newProcess(t, "fairlead", args...).start()
		for i := range perRun {
			if n%4 > 1 && i == perRun/2 {
				os.Rename(file, fmt.Sprintf("%s.%d", file, n))
			}
			if err := appendTo(file, fmt.Sprintf("line %d\n", n*perRun+i)); err != nil {
				t.Fatal(err)
			}
		}
		until := n*perRun + dice.IntN(perRun/2) // so a rotation need not have been noticed
		if n == runs-1 {
			until = runs*perRun - 1
		}
		p.out.waitFor(t, fmt.Sprintf(`"line %d"`, until))
		p.signal([]syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}[n%2])
		p.wait()
		printed = append(printed, p.out.String())
	}
	judgeRuns(t, printed, runs*perRun)
}

var reEntry = regexp.MustCompile(`"message":"line (\d+)","at":"([0-9a-f]{32}:\d+)","len":\d+}\n`)

// judgeRuns wants each line once, but for a batch that was printed again at the
// start of a run: then with the same place.
func judgeRuns(t *testing.T, runs []string, lines int) {
	t.Helper()
	place := make(map[string]string)
	next, repeated := 0, 0
	for n, out := range runs {
		begun := false
		for _, m := range reEntry.FindAllStringSubmatch(out, -1) {
			line, at := m[1], m[2]
			switch old, again := place[line]; {
			case again && old == at && !begun && n%2 == 0: // after KILL
				repeated++
			case again:
				t.Fatalf("run %d printed line %s at %s, and it was printed before at %s", n, line, at, old)
			case line != fmt.Sprint(next):
				t.Fatalf("run %d printed line %s, want line %d", n, line, next)
			default:
				begun = true
				place[line] = at
				next++
			}
		}
	}
	if next != lines {
		t.Errorf("%d lines were printed, want %d", next, lines)
	}
	t.Logf("%d runs, %d lines printed again after a kill", len(runs), repeated)
}
