package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience bounds everything a script waits for.
const patience = 20 * time.Second

// What scripts can do beyond testscript's own commands:
//
//	start NAME PROGRAM ARG...     run in the background; NAME.out, NAME.err grow
//	end [-SIGNAL] NAME [CODE]     send TERM or the signal, wait, want the code (0)
//	ended NAME [CODE]             wait without a signal
//	waitfor FILE REGEXP [VAR]     until FILE matches; VAR becomes the first group
//	nc ADDR HEADER [REGEXP]       send HEADER and a newline, half-close, print what
//	                              comes until it matches, or until the end
//	signal -SIGNAL NAME           send it, and go on
//	curl [-r RANGE] [-token SECRET] [-X METHOD] [-until REGEXP] URL
//	waitstatus URL REGEXP         until what URL answers matches
//	append FILE TEXT              TEXT may have \n, \x1b and so on
//	flip FILE OFFSET              make one byte another, in place; again: as it was
//	repeat FILE N TEXT            the same N times, numbered where TEXT has %d
//	freeport VAR                  a port that nobody has
//	certificate CERT KEY          for localhost, signed by itself; curl trusts all
//	columns N                     no line of the last output is longer
var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	"start": scriptStart, "signal": scriptSignal, "end": scriptEnd, "ended": scriptEnded, "waitfor": scriptWaitFor,
	"nc": scriptNC, "curl": scriptCurl, "waitstatus": scriptWaitStatus, "append": scriptAppend, "repeat": scriptRepeat,
	"flip": scriptFlip, "freeport": scriptFreePort, "columns": scriptColumns,
	"certificate": scriptCertificate,
}

type childrenKey struct{}

type children struct{ running map[string]*child }

// A child is a program in the background.
type child struct {
	cmd  *exec.Cmd
	done chan struct{}
}

func scriptStart(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME PROGRAM ARG...")
	}
	name := args[0]
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	cmd := exec.Command(path, args[2:]...)
	cmd.Args[0] = args[1]
	cmd.Dir, cmd.Env = ts.MkAbs("."), scriptEnv(ts)
	out, err := os.Create(ts.MkAbs(name + ".out"))
	ts.Check(err)
	errs, err := os.Create(ts.MkAbs(name + ".err"))
	ts.Check(err)
	cmd.Stdout, cmd.Stderr = out, errs
	ts.Check(cmd.Start())
	out.Close()
	errs.Close()
	c := &child{cmd, make(chan struct{})}
	go func() {
		cmd.Wait()
		close(c.done)
	}()
	ts.Value(childrenKey{}).(*children).running[name] = c
	ts.Defer(func() {
		cmd.Process.Kill()
		<-c.done
	})
}

func scriptEnv(ts *testscript.TestScript) []string {
	env := []string{"WORK=" + ts.MkAbs(".")}
	for _, name := range []string{"PATH", "HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "STATE_DIRECTORY",
		"RUNTIME_DIRECTORY", "NO_COLOR", "FAIRLEAD_STANDIN_QUIET", "RUST_LOG", "TMPDIR", "GORACE", "TZ",
		"LOGWISP_TCPSERVER_PORT", "LOGWISP_TCPSERVER_ENABLED", "LOGWISP_HTTPSERVER_PORT", "LOGWISP_MONITOR_TARGETS",
		"LOGWISP_TCPSERVER_HEARTBEAT_ENABLED", "LOGWISP_TCPSERVER_HEARTBEAT_INTERVAL_SECONDS",
		"LOGWISP_TCPSERVER_HEARTBEAT_INCLUDE_STATS", "FAIRLEAD_STREAM_SPOOL", "FAIRLEAD_STREAM_BUDGET",
		"FAIRLEAD_CONFIG", "FAIRLEAD_JOIN_TOKEN_FILE", "FAIRLEAD_HTTP_LISTEN", "FAIRLEAD_HTTP_TOKEN_FILE"} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

var scriptSignals = map[string]os.Signal{
	"-HUP": syscall.SIGHUP, "-TERM": syscall.SIGTERM, "-INT": os.Interrupt, "-KILL": os.Kill, "-QUIT": syscall.SIGQUIT,
}

func scriptEnd(ts *testscript.TestScript, neg bool, args []string) {
	sig := os.Signal(syscall.SIGTERM)
	if len(args) > 0 && scriptSignals[args[0]] != nil {
		sig, args = scriptSignals[args[0]], args[1:]
	}
	c := findChild(ts, args)
	ts.Check(c.cmd.Process.Signal(sig))
	finish(ts, c, neg, args)
}

func scriptSignal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || scriptSignals[args[0]] == nil {
		ts.Fatalf("usage: signal -SIGNAL NAME")
	}
	ts.Check(findChild(ts, args[1:]).cmd.Process.Signal(scriptSignals[args[0]]))
}

func scriptEnded(ts *testscript.TestScript, neg bool, args []string) {
	finish(ts, findChild(ts, args), neg, args)
}

func findChild(ts *testscript.TestScript, args []string) *child {
	if len(args) == 0 {
		ts.Fatalf("the name of a program is missing")
	}
	c := ts.Value(childrenKey{}).(*children).running[args[0]]
	if c == nil {
		ts.Fatalf("no program %q was started", args[0])
	}
	return c
}

// finish waits for the end. Negated, any end but a good one will do.
func finish(ts *testscript.TestScript, c *child, neg bool, args []string) {
	select {
	case <-c.done:
	case <-time.After(patience):
		ts.Fatalf("%s still runs after %s\n%s", args[0], patience, ts.ReadFile(args[0]+".err"))
	}
	want := 0
	if len(args) > 1 {
		var err error
		want, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	code := c.cmd.ProcessState.ExitCode()
	if (code == want) == neg {
		ts.Fatalf("%s ended with %v, want code %d (negated: %v)\n%s", args[0], c.cmd.ProcessState, want, neg, ts.ReadFile(args[0]+".err"))
	}
}

func scriptWaitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: waitfor FILE REGEXP [VAR]")
	}
	re, err := regexp.Compile(`(?ms)` + args[1])
	ts.Check(err)
	var m []string
	until(func() bool {
		b, _ := os.ReadFile(ts.MkAbs(args[0]))
		m = re.FindStringSubmatch(string(b))
		return m != nil
	})
	if m == nil {
		b, _ := os.ReadFile(ts.MkAbs(args[0]))
		ts.Fatalf("%s has no match of %q after %s:\n%s", args[0], args[1], patience, b)
	}
	if len(args) > 2 {
		ts.Setenv(args[2], m[len(m)-1])
	}
}

// until asks again and again whether cond holds, as long as patience lasts:
// what another process writes into a file wakes nobody here.
func until(cond func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-limit:
			return cond()
		}
	}
	return true
}

func scriptNC(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: nc ADDR HEADER [REGEXP]")
	}
	conn, err := net.DialTimeout("tcp", args[0], patience)
	ts.Check(err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	_, err = fmt.Fprintf(conn, "%s\n", args[1])
	ts.Check(err)
	ts.Check(conn.(*net.TCPConn).CloseWrite())
	copyUntil(ts, conn, neg, args[2:])
}

// copyUntil prints what comes until it matches; without an expression, or
// negated, until the other side closes, and then it must not match.
func copyUntil(ts *testscript.TestScript, r io.Reader, neg bool, res []string) {
	var re *regexp.Regexp
	if len(res) > 0 {
		re = regexp.MustCompile(`(?ms)` + res[0])
	}
	var got strings.Builder
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		got.Write(buf[:n])
		ts.Stdout().Write(buf[:n])
		if re != nil && !neg && re.MatchString(got.String()) {
			return
		}
		if err == io.EOF || err != nil && got.Len() == 0 && strings.Contains(err.Error(), "reset") {
			break
		}
		ts.Check(err)
	}
	if re != nil && re.MatchString(got.String()) == neg {
		ts.Fatalf("got %q, want a match of %q: %v", got.String(), res[0], !neg)
	}
}

func scriptCurl(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, args[len(args)-1], nil)
	ts.Check(err)
	var res []string
	for i := 0; i+1 < len(args); i++ {
		switch args[i] {
		case "-r":
			req.Header.Set("Range", "bytes="+args[i+1])
		case "-token":
			req.Header.Set("Authorization", "Bearer "+args[i+1])
		case "-X":
			req.Method = args[i+1]
		case "-until":
			res = args[i+1 : i+2]
		}
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: true,
	}}
	resp, err := client.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	if failed := resp.StatusCode >= 400; failed != neg {
		ts.Fatalf("%s: %s, want an error: %v", req.URL, resp.Status, neg)
	}
	fmt.Fprintln(ts.Stderr(), resp.Status)
	copyUntil(ts, resp.Body, false, res)
}

func scriptWaitStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitstatus URL REGEXP")
	}
	re := regexp.MustCompile(args[1])
	var body []byte
	if !until(func() bool {
		resp, err := http.Get(args[0])
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, err = io.ReadAll(resp.Body)
		return err == nil && re.Match(body)
	}) {
		ts.Fatalf("%s answers %s, want a match of %s", args[0], body, args[1])
	}
}

func scriptAppend(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: append FILE TEXT")
	}
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(args[1], `"`, `\"`) + `"`)
	ts.Check(err)
	ts.Check(appendTo(ts.MkAbs(args[0]), text))
}

func scriptRepeat(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: repeat FILE N TEXT")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	var b strings.Builder
	for i := 1; i <= n; i++ {
		b.WriteString(strings.ReplaceAll(args[2], "%d", strconv.Itoa(i)) + "\n")
	}
	ts.Check(appendTo(ts.MkAbs(args[0]), b.String()))
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func scriptFlip(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: flip FILE OFFSET")
	}
	off, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_RDWR, 0)
	ts.Check(err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], off)
	ts.Check(err)
	b[0] ^= 1
	_, err = f.WriteAt(b[:], off)
	ts.Check(err)
}

func scriptFreePort(ts *testscript.TestScript, _ bool, args []string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(ln.Addr().(*net.TCPAddr).Port))
	ln.Close()
}

func scriptColumns(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		if line = strings.TrimSuffix(line, "\n"); len([]rune(line)) > n {
			ts.Fatalf("%d columns, want at most %d: %s", len([]rune(line)), n, line)
		}
	}
}

func scriptCertificate(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: certificate CERT KEY")
	}
	cert, key, err := makeCertificate(1)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), cert, 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), key, 0o600))
}

// makeCertificate makes one for localhost, signed by itself, and its key.
func makeCertificate(serial int64) (cert, key []byte, err error) {
	_, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err = x509.CreateCertificate(rand.Reader, template, template, secret.Public(), secret)
	if err != nil {
		return nil, nil, err
	}
	key, err = x509.MarshalPKCS8PrivateKey(secret)
	inPEM := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	return inPEM("CERTIFICATE", cert), inPEM("PRIVATE KEY", key), err
}
