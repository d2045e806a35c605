package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const nobody = 65534

// startUp starts `fairlead up` and returns where its page is, without a slash.
func startUp(t *testing.T, args ...string) (p *process, url string) {
	t.Helper()
	p = newProcess(t, "fairlead", append([]string{"up", "--http", "127.0.0.1:0"}, args...)...).start()
	return p, p.url()
}

func (p *process) url() string {
	p.t.Helper()
	return p.errs.waitFor(p.t, `"url":"(https?://[^"]+)/[#"]`)
}

// asked asks as a user, and returns the answers.
func asked(t *testing.T, program string, uid uint32, requests ...string) []string {
	t.Helper()
	q := newProcess(t, program, requests...)
	q.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	q.cmd.Dir = "/"
	q.start()
	q.wait()
	answers := strings.Split(strings.TrimSuffix(q.out.String(), "\n"), "\n")
	if len(answers) != len(requests) {
		t.Fatalf("%d requests, and the answers %q; stderr %s", len(requests), answers, q.errs.String())
	}
	return answers
}

// openDir is a directory that every user may enter.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "flo")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// routes are all that tell something of a log, and what they begin with.
var routes = []string{"/logs", "/logs/app.log", "/entries/app.log", "/stream?tail=1", "/status", "/metrics", "/why?path=app.log", "/tokens", "/nothing"}

// Any local account reaches loopback. Without a token it sees that there is a
// page, and nothing of a log; with one it sees what everybody who has one sees.
func TestT33UpOtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user")
	}
	dir := openDir(t)
	program := filepath.Join(dir, "bin", "fairlead-ask")
	copyProgram(t, program)
	logs := filepath.Join(dir, "logs")
	if err := os.Mkdir(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "::1"} {
		if ln, err := net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
			t.Logf("%s cannot be tested here: %v", host, err)
			continue
		} else {
			ln.Close()
		}
		file := writeFile(t, filepath.Join(logs, "app.log"), "secret line\n")
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
		any := net.JoinHostPort(host, "0")
		p := newProcess(t, "fairlead", "up", "--http", any, "--tcp", any, "--serve", any, logs)
		p.start()
		url := p.url()
		q := newProcess(t, "fairlead", "token", "new", "guest", "-q")
		q.cmd.Env = p.cmd.Env
		q.start()
		if state := q.wait(); !state.Success() {
			t.Fatalf("token new: %v, %s", state, q.errs.String())
		}
		secret := strings.TrimSpace(q.out.String())

		var requests, want []string
		ask := func(code, request string) { requests, want = append(requests, request), append(want, code) }
		for _, route := range routes {
			ask("401", "GET "+url+route)
			ask("401", "HEAD "+url+route)
			ask("401", "GET "+url+route+" Authorization=Bearer+nonsense")
			ask("401", "POST "+url+route)
			ask("401", "DELETE "+url+route)
			ask("403", "POST "+url+route+" Authorization=Bearer+"+secret)
		}
		for _, route := range []string{"/", "/healthz", "/readyz"} {
			ask("200", "GET "+url+route)
			ask("401", "POST "+url+route)
		}
		for _, route := range routes[:6] {
			ask("200", "GET "+url+route+" Authorization=Bearer+"+secret)
		}
		for i, got := range asked(t, program, nobody, requests...) {
			if !strings.HasPrefix(got, want[i]+" ") || want[i] != "200" && strings.Contains(got, "secret line") {
				t.Errorf("%s as nobody = %s, want %s", strings.ReplaceAll(requests[i], secret, "SECRET"), got, want[i])
			}
		}
		if got := asked(t, program, nobody, "GET "+url+"/logs/app.log Authorization=Bearer+"+secret)[0]; got != `200 "secret line\n"` {
			t.Errorf("GET /logs/app.log with a token = %s, want the file", got)
		}
		for i, got := range asked(t, program, 0, requests[0], requests[6], requests[12], requests[18], requests[24], requests[30]) {
			if !strings.HasPrefix(got, "200 ") {
				t.Errorf("GET %s as ourselves = %s, want 200", routes[i], got)
			}
		}
		strangersAtPorts(t, p, dir, file)
		p.signal(syscall.SIGTERM)
		p.wait()
	}
}

// strangersAtPorts connects to the ports that know no tokens, as nobody.
func strangersAtPorts(t *testing.T, p *process, dir, file string) {
	t.Helper()
	program := filepath.Join(dir, "bin", "fairlead-nc")
	copyProgram(t, program)
	lines, raw := p.errs.waitFor(t, `"tcp":"([^"]+)"`), p.errs.waitFor(t, `"serve":"([^"]+)"`)
	read := func(uid uint32, args ...string) *process {
		q := newProcess(t, program, args...)
		q.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		q.cmd.Dir = "/"
		return q.start()
	}
	ours, strange, bare := read(0, lines), read(nobody, lines), read(nobody, raw, "0")
	if strange.wait(); strange.out.String() != "" {
		t.Errorf("nobody at %s got %q, want nothing", lines, strange.out.String())
	}
	if bare.wait(); bare.out.String() != "" {
		t.Errorf("nobody at %s got %q, want nothing", raw, bare.out.String())
	}
	p.errs.waitFor(t, `"client refused".*not for other users`)
	until(func() bool { // it is sent what comes once it is there
		if err := appendTo(file, "another secret\n"); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(ours.out.String(), "another secret")
	})
	if !strings.Contains(ours.out.String(), "another secret") {
		t.Errorf("we ourselves at %s got %q, want the lines", lines, ours.out.String())
	}
}

// T33 with share_local: what the operator opens to all users is open.
func TestT33UpShareLocal(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user")
	}
	dir := openDir(t)
	program := filepath.Join(dir, "bin", "fairlead-nc")
	copyProgram(t, program)
	file := writeFile(t, filepath.Join(dir, "app.log"), "first\n")
	conf := writeFile(t, filepath.Join(dir, "fairlead.toml"), "[tcp]\nlisten = \"127.0.0.1:0\"\nshare_local = true\n")
	p, _ := startUp(t, "--config", conf, file)
	q := newProcess(t, program, p.errs.waitFor(t, `"tcp":"([^"]+)"`))
	q.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	q.cmd.Dir = "/"
	q.start()
	until(func() bool {
		if err := appendTo(file, "again\n"); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(q.out.String(), "again")
	})
	if !strings.Contains(q.out.String(), `"message":"again"`) {
		t.Errorf("nobody got %q, want the lines", q.out.String())
	}
}

// What a browser may be made to send, and what a proxy sends, on the real routes.
func TestUpHostAndOrigin(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "app.log"), "line\n")
	conf := writeFile(t, filepath.Join(dir, "fairlead.toml"), "[http]\nhosts = [\"logs.example\"]\ntoken = \"a-secret-of-some-length\"\n")
	_, url := startUp(t, "--config", conf, file)
	port := url[strings.LastIndex(url, ":"):]
	const token = " Authorization=Bearer+a-secret-of-some-length"
	all := append([]string{"/", "/healthz", "/readyz"}, routes[:7]...)
	for _, c := range []struct {
		headers      string
		open, closed string // status of what is open to all, and of the rest
	}{
		{"", "200", "200"},
		{"Host=localhost" + port, "200", "200"},
		{"Host=LOCALHOST.", "200", "200"},
		{"Host=[::1]" + port, "200", "200"},
		{"Host=evil.example", "403", "403"},
		{"Host=evil.example" + port + token, "403", "403"},
		{"Host=localhost.evil.example", "403", "403"},
		{"Host=127.0.0.1.nip.io", "403", "403"},
		{"Origin=http://evil.example", "403", "403"},
		{"Origin=null", "403", "403"},
		{"Origin=http://evil.example" + token, "403", "403"},
		{"Origin=http://127.0.0.1" + port, "200", "200"},
		{"Origin=http://127.0.0.1:1", "403", "403"},
		{"Sec-Fetch-Site=cross-site", "403", "403"},
		{"Sec-Fetch-Site=same-origin", "200", "200"},
		{"X-Forwarded-For=192.0.2.1", "200", "401"},
		{"Forwarded=for=192.0.2.1", "200", "401"},
		{"Via=1.1+proxy", "200", "401"},
		{"X-Forwarded-For=192.0.2.1" + token, "200", "200"},
		{"Host=logs.example", "200", "401"},
		{"Host=logs.example" + token, "200", "200"},
		{"Host=logs.example Origin=https://logs.example" + token, "200", "200"},
		{"Host=logs.example Origin=https://evil.example" + token, "403", "403"},
		{"Authorization=Bearer+wrong", "200", "401"},
		{"Authorization=Basic+eDp5", "200", "401"},
	} {
		var requests []string
		for _, route := range all {
			requests = append(requests, "GET "+url+route+" "+c.headers)
		}
		q := newProcess(t, "fairlead-ask", requests...).start()
		q.wait()
		for i, got := range strings.Split(strings.TrimSuffix(q.out.String(), "\n"), "\n") {
			want := c.closed
			if i < 3 {
				want = c.open
			}
			if all[i] == "/why?path=app.log" && want == "200" {
				want = "404" // it wants a whole path
			}
			if !strings.HasPrefix(got, want+" ") {
				t.Errorf("GET %s with %q = %s, want %s", all[i], c.headers, got, want)
			}
		}
	}
}

// Over TLS, too, a user of this machine is known, with HTTP/2 and without.
func TestT33UpOverTLS(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user")
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("there is no curl here")
	}
	dir := openDir(t)
	cert, key := writeCertificate(t, dir, 1)
	file := writeFile(t, filepath.Join(dir, "app.log"), "secret line\n")
	p := newProcess(t, "fairlead", "up", "--http", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, file).start()
	url := p.url()
	for _, version := range []string{"--http1.1", "--http2"} {
		for uid, want := range map[uint32]string{0: "200", nobody: "401"} {
			q := newProcess(t, curl, "-sk", version, "-o", "/dev/null", "-w", "%{http_code}", url+"/logs")
			q.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
			q.cmd.Dir = "/"
			q.start()
			if q.wait(); q.out.String() != want {
				t.Errorf("curl %s as %d = %q %s, want %s", version, uid, q.out.String(), q.errs.String(), want)
			}
		}
	}
}

// writeCertificate makes a certificate for localhost, or replaces it.
func writeCertificate(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	certPEM, keyPEM, err := makeCertificate(serial)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, filepath.Join(dir, "cert.pem"), string(certPEM)), writeFile(t, filepath.Join(dir, "key.pem"), string(keyPEM))
}
