//go:build unix

package page_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// ends is what is left to do when all tests are over.
var ends struct {
	mu  sync.Mutex
	all []func()
}

func atEnd(f func()) {
	ends.mu.Lock()
	defer ends.mu.Unlock()
	ends.all = append(ends.all, f)
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, end := range ends.all {
		end()
	}
	os.Exit(code)
}

// program is fairlead, built once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "fairlead-page")
	if err != nil {
		return "", err
	}
	atEnd(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // it is run as another user, too
		return "", err
	}
	path := filepath.Join(dir, "fairlead")
	if out, err := exec.Command("go", "build", "-o", path, "fairlead/cmd/fairlead").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build fairlead: %w\n%s", err, out)
	}
	return path, nil
})

// A host is a machine with logs, and fairlead up over them.
type host struct {
	t     *testing.T
	dir   string // of the logs
	state string
	run   string
	url   string // of the page, with its last slash
	flags []string
	env   []string
	addr  string               // that it listens at
	as    *syscall.SysProcAttr // as which user it runs; nil: ours

	cmd  *exec.Cmd
	done chan struct{}
	errs output
}

// newHost returns one whose logs are there before fairlead is. Tests with one run
// side by side.
func newHost(t *testing.T, flags ...string) *host {
	t.Helper()
	needBrowser(t)
	t.Parallel()
	return newHostAlone(t, flags...)
}

// newHostAlone is for tests that measure.
func newHostAlone(t *testing.T, flags ...string) *host {
	t.Helper()
	needBrowser(t)
	run, err := os.MkdirTemp("", "flp") // short, as a socket's path has to be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	return &host{t: t, dir: t.TempDir(), state: t.TempDir(), run: run, flags: flags, addr: "127.0.0.1:0"}
}

// up starts a host with one log of these lines.
func up(t *testing.T, name string, text ...string) *host {
	t.Helper()
	h := newHost(t)
	h.write(name, text...)
	return h.start()
}

// start runs fairlead, at the same address as before.
func (h *host) start() *host {
	h.t.Helper()
	path, err := program()
	if err != nil {
		h.t.Fatal(err)
	}
	args := append([]string{"up", "--http", h.addr, "--state", h.state, "--name", "t"}, h.flags...)
	cmd := exec.Command(path, append(args, h.dir)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.run, "XDG_RUNTIME_DIR=" + h.run, "XDG_STATE_HOME=" + h.run, "XDG_CONFIG_HOME=" + h.run}
	cmd.Env = append(cmd.Env, h.env...)
	cmd.SysProcAttr = h.as
	h.errs = output{}
	cmd.Stderr = &h.errs
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		cmd.Wait()
		close(done)
	}()
	h.cmd, h.done = cmd, done
	h.t.Cleanup(func() {
		cmd.Process.Kill()
		<-done
		if h.t.Failed() {
			h.t.Logf("fairlead said:\n%.4000s", h.errs.String())
		}
	})
	h.url = h.errs.find(h.t, `"msg":"watching logs".*"url":"([^"]+)"`, done)
	h.addr = strings.TrimSuffix(strings.TrimPrefix(h.url, "http://"), "/")
	return h
}

// command runs fairlead, and returns what it prints.
func (h *host) command(args ...string) string {
	h.t.Helper()
	path, err := program()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.CommandContext(shortly(h.t), path, args...)
	cmd.Env = h.cmd.Env
	out, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("fairlead %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

// kill ends fairlead as the kernel does.
func (h *host) kill() {
	h.cmd.Process.Signal(syscall.SIGKILL)
	<-h.done
}

func (h *host) path(name string) string { return filepath.Join(h.dir, filepath.FromSlash(name)) }

// write appends lines to a log, in one write.
func (h *host) write(name string, text ...string) {
	h.t.Helper()
	h.append(name, strings.Join(text, "\n")+"\n")
}

func (h *host) append(name, bytes string) {
	h.t.Helper()
	err := os.MkdirAll(filepath.Dir(h.path(name)), 0o755)
	var f *os.File
	if err == nil {
		f, err = os.OpenFile(h.path(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	}
	if err == nil {
		_, err = io.WriteString(f, bytes)
		f.Close()
	}
	if err != nil {
		h.t.Fatalf("write a log: %v", err)
	}
}

// rotate renames a log, as logrotate does. Without to it is deleted.
func (h *host) rotate(name, to string) {
	h.t.Helper()
	var err error
	if to == "" {
		err = os.Remove(h.path(name))
	} else {
		err = os.Rename(h.path(name), h.path(to))
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// get asks the server.
func (h *host) get(path string) string {
	h.t.Helper()
	_, text := h.ask(path)
	return text
}

func (h *host) ask(path string) (status int, text string) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(shortly(h.t), "GET", h.url+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// forget waits until a generation can no longer be read. It does not ask for it:
// that would keep it.
func (h *host) forget(name, gen string) {
	h.t.Helper()
	until(h.t, gen+" is gone", func() bool { return !strings.Contains(fmt.Sprint(h.log(name)), gen) })
}

// A state is what GET /status says.
type state struct {
	Ready    bool
	Counters map[string]float64
	Sources  []struct {
		Name, State, Generation, Error string
		Size, Read                     int64
	}
}

func (h *host) status() (s state) {
	h.t.Helper()
	text := h.get("status")
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		h.t.Fatalf("GET /status: %v in %.300q", err, text)
	}
	return s
}

// streams is how many connections have the stream.
func (h *host) streams() int {
	h.t.Helper()
	for name, n := range h.status().Counters {
		if strings.Contains(name, "stream_clients") && strings.Contains(name, "sse") {
			return int(n)
		}
	}
	return 0
}

// logs are what GET /logs says of one log.
type logs struct {
	Name, Generation string
	Size             int64
	Older            []struct {
		Generation string
		Size       int64
	}
}

func (h *host) log(name string) (found logs) {
	h.t.Helper()
	var all []logs
	text := h.get("logs")
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		h.t.Fatalf("GET /logs: %v in %.300q", err, text)
	}
	for _, l := range all {
		if l.Name == h.path(name) {
			return l
		}
	}
	return logs{}
}

// until waits for a condition outside the browser.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("after %v not yet: %s", patience, what)
		}
	}
}

// streamed waits until all that is in a log is in the stream.
func (h *host) streamed(name string) {
	h.t.Helper()
	until(h.t, name+" is in the stream", func() bool {
		info, err := os.Stat(h.path(name))
		for _, s := range h.status().Sources {
			if s.Name == h.path(name) {
				return err == nil && s.Read == info.Size()
			}
		}
		return false
	})
}

// output is what a process writes, for those who wait for it.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// find returns the first group of a match, once there is one.
func (o *output) find(t *testing.T, expr string, done <-chan struct{}) (found string) {
	t.Helper()
	re := regexp.MustCompile(expr)
	until(t, "fairlead says "+expr, func() bool {
		m := re.FindStringSubmatch(o.String())
		if m != nil {
			found = m[1]
			return true
		}
		select {
		case <-done:
			t.Fatalf("fairlead ended:\n%s", o.String())
		default:
		}
		return false
	})
	return found
}
