package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"

	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fairlead/internal/config"
	"fairlead/trust"
)

// A section of the file is enough for its room, and flags may move it.
func TestListenings(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "http=127.0.0.1:8080 tcp=off serve=off",
		"[tcp]":                            "http=127.0.0.1:8080 tcp=127.0.0.1:7448 serve=off",
		"[serve]":                          "http=127.0.0.1:8080 tcp=off serve=127.0.0.1:4321",
		"[serve]\nlisten=[\":1\", \":2\"]": "http=127.0.0.1:8080 tcp=off serve=:1 serve=:2",
		"[http]\nlisten=\"off\"\n[tcp]":    "http=off tcp=127.0.0.1:7448 serve=off",
	} {
		s, loaded := settingsIn(t, text)
		p := &upProcess{settings: s, loaded: loaded}
		var got []string
		for _, w := range p.listenings().wants {
			got = append(got, w.room+"="+w.addr)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("listenings of %q = %v, want %s", text, got, want)
		}
	}
}

// Where the system does not tell whose process asks, the page's address has a token
// that holds for this run.
func TestUpWhereNobodyIsKnown(t *testing.T) {
	s := defaultSettings()
	loaded, err := config.Load(s, config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	for _, knows := range []bool{true, false} {
		u := &upCommand{common: &common{quiet: true}, targets: []string{t.TempDir()}, knowsPeers: knows}
		p := u.process(s, loaded, t.TempDir())
		p.wants = []want{{room: roomHTTP, flag: "http", addr: "127.0.0.1:0"}}
		if err := p.openEntries(); err != nil {
			t.Fatal(err)
		}
		if p.bound, err = p.bind(p.log); err != nil {
			t.Fatal(err)
		}
		p.openDoors()
		_, secret, given := strings.Cut(p.entrance(), "/#token=")
		if given == knows {
			t.Errorf("peers are known: %v; the page is at %s", knows, p.entrance())
		}
		status := func(secret string) int {
			r := httptest.NewRequest("GET", "http://localhost/logs", nil) // as from a peer that nobody knows
			if secret != "" {
				r.Header.Set("Authorization", "Bearer "+secret)
			}
			w := httptest.NewRecorder()
			p.ServeHTTP(w, r)
			return w.Code
		}
		if got := status(""); got != 401 {
			t.Errorf("peers are known: %v; a stranger without a token gets %d, want 401", knows, got)
		}
		if got := status(secret); !knows && got != 200 {
			t.Errorf("with the token of the address: %d, want 200", got)
		}
		if (p.welcome(p.survey()) == "") || !knows && !strings.Contains(p.welcome(p.survey()), "Bearer "+secret) {
			t.Errorf("peers are known: %v; the welcome is %q, want its curl line to work", knows, p.welcome(p.survey()))
		}
		if p.hasToken() == knows {
			t.Errorf("peers are known: %v; hasToken() = %v", knows, p.hasToken())
		}
		closeAll(p.bound)
		if err := p.close(); err != nil {
			t.Error(err)
		}
	}
	if !trust.KnowsPeers {
		t.Error("trust.KnowsPeers = false on Linux")
	}
}

// A certificate is renewed under a client that streams, and one that cannot be
// used is not taken.
func TestReloadCertificate(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "app.log"), "one\n")
	cert, key := writeCertificate(t, dir, 1)
	p, url := startUp(t, "--tls-cert", cert, "--tls-key", key, file)
	addr := strings.TrimPrefix(url, "https://")
	serial := func() int64 {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	events := openStream(t, client, url+"/stream")
	if got := serial(); got != 1 {
		t.Fatalf("the certificate has the serial number %d, want 1", got)
	}
	writeCertificate(t, dir, 2)
	p.signal(syscall.SIGHUP)
	p.errs.waitFor(t, "read again")
	if got := serial(); got != 2 {
		t.Errorf("after the renewal the serial number is %d, want 2", got)
	}
	writeFile(t, cert, "nonsense")
	p.signal(syscall.SIGHUP)
	p.errs.waitFor(t, `going on as before","err":"load the certificate`)
	if got := serial(); got != 2 {
		t.Errorf("after nonsense the serial number is %d, want 2", got)
	}
	if err := appendTo(file, "two\n"); err != nil {
		t.Fatal(err)
	}
	events.until(`"message":"two"`)
	client.CloseIdleConnections()
}

// An eventStream is what comes of GET /stream.
type eventStream struct {
	t     *testing.T
	lines *bufio.Reader
	last  string // id
	close context.CancelFunc
}

func openStream(t *testing.T, client *http.Client, url string) *eventStream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 {
		t.Fatalf("GET %s = %s", url, resp.Status)
	}
	return &eventStream{t, bufio.NewReaderSize(resp.Body, 1<<20), "", cancel}
}

// next returns one event: its name, empty for an entry, and its data.
func (s *eventStream) next() (event, data string, err error) {
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return "", "", err
		}
		switch key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); key {
		case "event":
			event = value
		case "data":
			data = value
		case "id":
			s.last = value
		case "":
			if data != "" {
				return event, data, nil
			}
		}
	}
}

// until reads up to data that contains text.
func (s *eventStream) until(text string) {
	s.t.Helper()
	for {
		_, data, err := s.next()
		if err != nil {
			s.t.Fatalf("wait for %s: %v", text, err)
		}
		if strings.Contains(data, text) {
			return
		}
	}
}

// The service manager hears READY once all is bound and searched, RELOADING and
// READY for a HUP, and that we are alive also while clients are served to their
// end. Its sockets are used by their names.
func TestUpService(t *testing.T) {
	manager := fakeManager(t)
	manager.SetDeadline(time.Now().Add(patience))
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "app.log"), backlog)
	conf := writeFile(t, filepath.Join(dir, "fairlead.toml"), "[watch]\ntargets=["+fmt.Sprintf("%q", file)+"]\n")
	web, raw, lines := listener(t), listener(t), listener(t)
	p := newProcess(t, "fairlead-activated", "up", "--config", conf)
	p.cmd.ExtraFiles = []*os.File{listenerFile(t, web), listenerFile(t, raw), listenerFile(t, lines)}
	p.cmd.Env = append(p.cmd.Env, "LISTEN_FDS=3", "LISTEN_FDNAMES=http:serve:tcp", "NOTIFY_SOCKET="+os.Getenv("NOTIFY_SOCKET"), "WATCHDOG_USEC=200000")
	p.start()
	next := func() string {
		for {
			if m := receive(t, manager); m != "WATCHDOG=1" && !strings.HasPrefix(m, "STATUS=") {
				return m
			}
		}
	}
	want := fmt.Sprintf("READY=1\nSTATUS=1 file on http %s, tcp %s, serve %s", web.Addr(), lines.Addr(), raw.Addr())
	if got := next(); got != want {
		t.Errorf("first message %q, want %q", got, want)
	}
	if url := p.url(); url != "http://"+web.Addr().String() || strings.Contains(p.errs.String(), ":8080") {
		t.Errorf("the page is at %s, want the socket that was passed; stderr\n%s", url, p.errs.String())
	}
	for _, text := range []string{"", "nonsense"} {
		if text != "" {
			writeFile(t, conf, text)
		}
		p.signal(syscall.SIGHUP)
		if got := next(); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
			t.Errorf("HUP: %q, want RELOADING=1 with the time", got)
		}
		if got := next(); got != want {
			t.Errorf("HUP: %q, want %q", got, want)
		}
	}
	c := dial(t, raw.Addr().String(), "0\n")
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM)
	if got := next(); !strings.HasPrefix(got, "STOPPING=1\n") {
		t.Errorf("TERM: %q, want STOPPING=1", got)
	}
	for range 3 { // the drain lasts as long as this client does not read
		if got := receive(t, manager); got != "WATCHDOG=1" {
			t.Errorf("while a client is served to its end: %q, want WATCHDOG=1", got)
		}
	}
	io.Copy(io.Discard, c)
	c.Close()
	if state := p.wait(); !state.Success() {
		t.Errorf("the process ended with %v, want 0; stderr\n%s", state, p.errs.String())
	}
}

// What nobody may read is no reason not to begin, and is said with the cure; so is
// a state that cannot be written.
func TestUpWithoutRights(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user")
	}
	dir := openDir(t)
	program := filepath.Join(dir, "bin", "fairlead")
	copyProgram(t, program)
	mkdir := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(path, "app.log"), "line\n")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	closed, open, state := mkdir("closed", 0o700), mkdir("open", 0o755), mkdir("state", 0o755)
	if err := os.Chmod(writeFile(t, filepath.Join(open, "secret.log"), "secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := filepath.Join(dir, "run")
	home := filepath.Join(dir, "home")
	for _, own := range []string{run, home} {
		if err := os.Mkdir(own, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(own, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	as := func(args ...string) *process {
		p := newProcess(t, program, args...)
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		p.cmd.Dir = "/"
		p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_RUNTIME_DIR=" + run, "GORACE=" + raceOptions, "TMPDIR=" + run}
		return p
	}
	p := as("up", "--http", "127.0.0.1:0", closed, open).start()
	p.url()
	p.errs.waitFor(t, `WARN.*"not everything can be read","files":1,"path":"`+open+`/secret.log".*"cure":"run as a user or group that may read it: often group adm"`)
	p.errs.waitFor(t, `WARN.*`+closed+`.*permission denied`)
	q := as("status").start()
	if q.wait(); !q.cmd.ProcessState.Success() || !strings.Contains(q.out.String(), "cure: run as a user") {
		t.Errorf("status: %v %q %q, want 0 and the cure", q.cmd.ProcessState, q.out.String(), q.errs.String())
	}
	p.signal(syscall.SIGTERM)
	if !p.wait().Success() {
		t.Errorf("the process ended with %v", p.cmd.ProcessState)
	}

	p = as("up", "--http", "127.0.0.1:0", closed).start()
	p.errs.waitFor(t, `WARN.*"no target matches a log yet; new files join".*"cure":".fairlead why FILE`)
	p.signal(syscall.SIGTERM)
	p.wait()

	p = as("up", "--http", "127.0.0.1:0", "--state", state, open).start()
	if state := p.wait(); state.ExitCode() != exitUsage || !strings.Contains(p.errs.String(), "the state directory that --state names cannot be used") {
		t.Errorf("a state that cannot be written: %v, %s, want code 2 and the reason", state, p.errs.String())
	}
	p = as("up", "--http", "127.0.0.1:0", open)
	p.cmd.Env = append(p.cmd.Env, "HOME="+closed, "FAIRLEAD_CONFIG=/dev/null") // whose configuration cannot be read either
	p.start()
	p.url()
	p.errs.waitFor(t, `WARN.*"nothing is remembered after this run: no state directory can be written".*"cure":"name one with --state`)
	p.signal(syscall.SIGTERM)
	p.wait()
	if left, err := filepath.Glob(filepath.Join(run, "fairlead-state-*")); err != nil || len(left) > 0 {
		t.Errorf("after the end there is %v, want nothing", left)
	}
}

// A directory of logs that goes and comes back is followed as before.
func TestUpDirectoryGoes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	file := filepath.Join(dir, "app.log")
	make := func(text string) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, file, text)
	}
	make("one\n")
	p, url := startUp(t, dir)
	events := openStream(t, http.DefaultClient, url+"/stream?tail=10")
	events.until(`"message":"one"`)
	for n := range 3 {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		until(func() bool {
			q := p.status()
			return !strings.Contains(q.out.String(), "app.log") || strings.Contains(q.out.String(), "missing")
		})
		make(fmt.Sprintf("back %d\n", n))
		events.until(fmt.Sprintf(`"message":"back %d"`, n))
	}
	p.signal(syscall.SIGTERM)
	if state := p.wait(); !state.Success() {
		t.Errorf("the process ended with %v; stderr\n%s", state, p.errs.String())
	}
}

// A full disk under the state stops the entries and nothing else; it is said, with
// the cure, and what was written meanwhile comes once there is room.
func TestUpFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount a small disk")
	}
	disk := t.TempDir()
	if err := unix.Mount("none", disk, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(disk, unix.MNT_DETACH) })
	file := writeFile(t, filepath.Join(t.TempDir(), "app.log"), "one\n")
	p, url := startUp(t, "--state", disk, file)
	events := openStream(t, http.DefaultClient, url+"/stream?tail=10")
	events.until(`"message":"one"`)
	ballast := filepath.Join(disk, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	f.Close()
	const lines = 1000
	var text strings.Builder
	for n := range lines {
		fmt.Fprintf(&text, "line %d %s\n", n, strings.Repeat("x", 500))
	}
	if err := appendTo(file, text.String()); err != nil {
		t.Fatal(err)
	}
	var report []processReport
	if !until(func() bool {
		q := newProcess(t, "fairlead", "status", "-o", "json")
		q.cmd.Env = p.cmd.Env
		q.start()
		q.wait()
		report = nil
		return json.Unmarshal([]byte(q.out.String()), &report) == nil && len(report) == 1 && !report[0].Ready
	}) {
		t.Fatalf("with a full disk the status is %+v, want not ready", report)
	}
	if got := report[0].Problems; len(got) == 0 || got[0].Cure != "make room on the disk of the state directory" {
		t.Errorf("with a full disk the problems are %v, want the cure", got)
	}
	if resp, err := http.Get(url + "/readyz"); err != nil || resp.StatusCode != 503 {
		t.Errorf("GET /readyz = %v, %v, want 503", resp, err)
	}
	if resp, err := http.Get(url + "/logs/app.log"); err != nil || resp.StatusCode != 200 {
		t.Errorf("GET /logs/app.log = %v, %v, want 200: raw bytes need no disk of ours", resp, err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for n := range lines {
		event, data, err := events.next()
		for event == "rotate" || event == "connected" {
			event, data, err = events.next()
		}
		if err != nil || !strings.Contains(data, fmt.Sprintf(`"message":"line %d x`, n)) {
			t.Fatalf("event %q %.80s, %v, want line %d", event, data, err, n)
		}
	}
	if !until(func() bool { return p.status().cmd.ProcessState.Success() }) {
		t.Error("status does not say that all is well again")
	}
}

// VmRSS of a process, in bytes.
func residentOf(t *testing.T, pid int) (bytes int64) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	if _, err := fmt.Sscan(rest, &bytes); err != nil {
		t.Fatal(err)
	}
	return bytes << 10
}
