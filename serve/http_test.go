package serve_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/serve"
)

const hundred = "0123456789abcdefghijABCDEFGHIJ-----.....0123456789abcdefghijABCDEFGHIJ-----.....01234567890123456789"

func TestHTTPLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, hundred)
	r := start(t, &serve.Server{}, path).web()
	etag := `"` + r.srv.Files.First().Stat().Current.ID.String() + `"`
	for _, name := range []string{"app.log", path, path[1:], strings.ReplaceAll(path, "/", "%2F"), filepath.Base(filepath.Dir(path)) + "/app.log"} {
		for _, method := range []string{"GET", "HEAD"} {
			got := r.do(method, "/logs/"+name, nil)
			if got.status != 200 || method == "GET" && got.body != hundred || method == "HEAD" && got.body != "" {
				t.Errorf("%s /logs/%s = %d %q, want 200 and the file", method, name, got.status, got.body)
			}
			for key, want := range map[string]string{
				"Etag": etag, "Accept-Ranges": "bytes", "Content-Length": "100", "Cache-Control": "no-store",
				"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff",
			} {
				if got := got.header.Get(key); got != want {
					t.Errorf("%s /logs/%s: %s = %q, want %q", method, name, key, got, want)
				}
			}
		}
	}
	if got := r.srv.Stats().SentBytes; got != 500 {
		t.Errorf("SentBytes = %d, want 500", got)
	}
}

func TestHTTPRange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, hundred)
	write(t, filepath.Join(filepath.Dir(path), "empty.log"), "")
	r := start(t, &serve.Server{}, path, filepath.Join(filepath.Dir(path), "empty.log")).web()
	etag := `"` + r.srv.Files.First().Stat().Current.ID.String() + `"`
	for _, tt := range []struct {
		file, header, ifRange string
		status                int
		body, contentRange    string
	}{
		{"app.log", "bytes=0-99", "", 206, hundred, "bytes 0-99/100"},
		{"app.log", "bytes=0-0", "", 206, "0", "bytes 0-0/100"},
		{"app.log", "bytes=5-9", "", 206, "56789", "bytes 5-9/100"},
		{"app.log", "BYTES=5-9", "", 206, "56789", "bytes 5-9/100"},
		{"app.log", "bytes=95-", "", 206, "56789", "bytes 95-99/100"},
		{"app.log", "bytes=95-1000", "", 206, "56789", "bytes 95-99/100"},
		{"app.log", "bytes=95-99999999999999999999999", "", 206, "56789", "bytes 95-99/100"},
		{"app.log", "bytes=-5", "", 206, "56789", "bytes 95-99/100"},
		{"app.log", "bytes=-1000", "", 206, hundred, "bytes 0-99/100"},
		{"app.log", "bytes=100-", "", 416, "", "bytes */100"},
		{"app.log", "bytes=100-200", "", 416, "", "bytes */100"},
		{"app.log", "bytes=99999999999999999999999-", "", 416, "", "bytes */100"},
		{"app.log", "bytes=-0", "", 416, "", "bytes */100"},
		{"empty.log", "bytes=0-", "", 416, "", "bytes */0"},
		{"empty.log", "bytes=-5", "", 200, "", ""},
		{"empty.log", "", "", 200, "", ""},

		{"app.log", "bytes=5-9", etag, 206, "56789", "bytes 5-9/100"},
		{"app.log", "bytes=5-9", `"another"`, 200, hundred, ""},
		{"app.log", "bytes=5-9", "W/" + etag, 200, hundred, ""},
		{"app.log", "bytes=5-9", "Fri, 20 Nov 2026 00:00:00 GMT", 200, hundred, ""},
		{"app.log", "bytes=500-", `"another"`, 200, hundred, ""},

		// What cannot be read, and several ranges: the whole file.
		{"app.log", "bytes=9-5", "", 200, hundred, ""},
		{"app.log", "bytes=", "", 200, hundred, ""},
		{"app.log", "bytes=-", "", 200, hundred, ""},
		{"app.log", "bytes=5", "", 200, hundred, ""},
		{"app.log", "bytes=a-b", "", 200, hundred, ""},
		{"app.log", "bytes=5-b", "", 200, hundred, ""},
		{"app.log", "bytes=--5", "", 200, hundred, ""},
		{"app.log", "bytes=+5-9", "", 200, hundred, ""},
		{"app.log", "bytes=0-4,10-14", "", 200, hundred, ""},
		{"app.log", "lines=5-9", "", 200, hundred, ""},
	} {
		header := http.Header{}
		if tt.header != "" {
			header.Set("Range", tt.header)
		}
		if tt.ifRange != "" {
			header.Set("If-Range", tt.ifRange)
		}
		got := r.get("/logs/"+tt.file, header)
		if got.status != tt.status || got.status != 416 && got.body != tt.body || got.header.Get("Content-Range") != tt.contentRange {
			t.Errorf("GET %s with %v = %d %q %q, want %d %q %q", tt.file, header,
				got.status, got.body, got.header.Get("Content-Range"), tt.status, tt.body, tt.contentRange)
		}
		if got.header.Get("ETag") == "" {
			t.Errorf("GET %s with %v has no ETag", tt.file, header)
		}
	}
	got := r.do("HEAD", "/logs/app.log", http.Header{"Range": {"bytes=5-9"}})
	if got.status != 200 || got.header.Get("Content-Length") != "100" {
		t.Errorf("HEAD with a Range = %d, length %s, want 200 and 100", got.status, got.header.Get("Content-Length"))
	}
	got = r.get("/logs/app.log", http.Header{"If-None-Match": {etag}})
	if got.status != 200 || got.body != hundred {
		t.Errorf("GET with If-None-Match = %d, want 200: the file grows under its ETag", got.status)
	}
}

func TestHTTPRefusals(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a", "app.log"), filepath.Join(dir, "b", "app.log")
	os.Mkdir(filepath.Dir(a), 0o755)
	os.Mkdir(filepath.Dir(b), 0o755)
	write(t, a, "in a\n")
	write(t, b, "in b\n")
	r := start(t, &serve.Server{}, a, b, filepath.Join(dir, "missing.log")).web()
	zero := strings.Repeat("0", 32)
	none := strings.Repeat("0", 31) + "1"
	for _, tt := range []struct {
		method, path string
		header       http.Header
		status       int
		says         string
	}{
		{"GET", "/logs/c.log", nil, 404, "GET /logs"},
		{"GET", "/logs/pp.log", nil, 404, "GET /logs"},
		{"GET", "/logs/missing.log", nil, 404, "follow"},
		{"GET", "/elsewhere", nil, 404, "/logs"},
		{"GET", "/logs/app.log", nil, 409, `"candidates"`},
		{"GET", "/logs/a/app.log?gen=" + none, nil, 410, "GET /logs"},
		{"GET", "/logs/a/app.log?from=" + none + ":0", nil, 410, "GET /logs"},
		{"GET", "/logs/a/app.log?gen=" + zero, nil, 410, "GET /logs"},
		{"GET", "/logs/a/app.log?from=" + zero + ":0", nil, 410, "GET /logs"},
		{"GET", "/logs/a/app.log?from=" + zero + ":-1", nil, 400, "from 0 on"},
		{"GET", "/logs/a/app.log?follow&gen=" + zero, nil, 410, "GET /logs"},
		{"GET", "/logs/missing.log?follow&gen=" + zero, nil, 410, "GET /logs"},
		{"GET", "/logs/a/app.log?gen=12", nil, 400, "32"},
		{"GET", "/logs/a/app.log?follow=maybe", nil, 400, "true or false"},
		{"POST", "/logs/a/app.log", nil, 405, "GET"},
		{"DELETE", "/logs/a/app.log", nil, 405, "GET"},
		{"PUT", "/logs", nil, 405, "GET"},
		{"GET", "/logs", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403, "other sites"},
		{"GET", "/logs/a/app.log", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403, "other sites"},
		{"GET", "/logs/a/app.log", http.Header{"Host": {"evil.example"}}, 403, "localhost"},
		{"GET", "/logs/a/app.log", http.Header{"Host": {"192.0.2.1:8080"}}, 403, "localhost"},
		{"GET", "/logs/a/app.log", http.Header{"Host": {"localhost.evil.example"}}, 403, "localhost"},
	} {
		got := r.do(tt.method, tt.path, tt.header)
		if got.status != tt.status || !strings.Contains(got.body, tt.says) {
			t.Errorf("%s %s %v = %d %q, want %d and %q", tt.method, tt.path, tt.header, got.status, got.body, tt.status, tt.says)
		}
		if got.header.Get("X-Content-Type-Options") != "nosniff" || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s %v: %v, want nosniff and no-store", tt.method, tt.path, tt.header, got.header)
		}
		if tt.status == 405 && got.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s: Allow = %q, want GET, HEAD", tt.method, tt.path, got.header.Get("Allow"))
		}
	}
	own, _ := os.Hostname()
	for _, host := range []string{"localhost", "localhost:9", "LOCALHOST.", "app.localhost:1", "127.0.0.1", "127.1.2.3:5", "[::1]:8080", "[::1]", own} {
		if got := r.get("/logs/a/app.log", http.Header{"Host": {host}}); got.status != 200 {
			t.Errorf("GET with Host %q = %d %q, want 200", host, got.status, got.body)
		}
	}
	var ambiguous struct{ Candidates []string }
	if err := json.Unmarshal([]byte(r.get("/logs/app.log", nil).body), &ambiguous); err != nil {
		t.Error(err)
	}
	if got, want := fmt.Sprint(ambiguous.Candidates), fmt.Sprint([]string{a, b}); got != want {
		t.Errorf("candidates = %s, want %s", got, want)
	}
}

func TestHTTPList(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log")
	write(t, a, "one\n")
	r := start(t, &serve.Server{}, a, b).web()
	c := r.dial("0\n")
	want(t, c, "one\n")
	rename(t, a, a+".1")
	write(t, a, "two two\n")
	r.sawEnd()
	c.Close()
	r.clients(0)
	lags := r.dialSlow("0\n", 4<<10)
	want(t, lags, "two two\n")
	r.sent(4 + 8)

	type older struct {
		Generation string
		Size       int64
	}
	type entry struct {
		Name, State, Generation string
		Size, Lag               int64
		Clients                 int
		Modified                time.Time
		Older                   []older
	}
	var got []entry
	res := r.get("/logs", nil)
	if err := json.Unmarshal([]byte(res.body), &got); err != nil || len(got) != 2 {
		t.Fatalf("GET /logs = %s, %v, want a list of 2", res.body, err)
	}
	st := r.srv.Files.First().Stat()
	if e := got[0]; e.Name != a || e.State != "ok" || e.Size != 8 || e.Clients != 1 || e.Lag != 0 ||
		e.Generation != st.Current.ID.String() || !e.Modified.Equal(st.Current.Modified) {
		t.Errorf("entry of a = %+v", e)
	}
	if o := got[0].Older; len(o) != 1 || o[0] != (older{st.Old[0].ID.String(), 4}) {
		t.Errorf("older generations of a = %+v", o)
	}
	if e := got[1]; e.Name != b || e.State != "missing" || e.Size != 0 || e.Generation != "" || !e.Modified.IsZero() {
		t.Errorf("entry of b = %+v", e)
	}

	appendTo(t, a, strings.Repeat("x", 8<<20))
	r.stuck()
	if err := json.Unmarshal([]byte(r.get("/logs", nil).body), &got); err != nil {
		t.Fatal(err)
	}
	if e := got[0]; e.Lag <= 0 || e.Lag >= 8<<20 {
		t.Errorf("lag of a client that is stuck = %d, want something of %d", e.Lag, 8<<20)
	}
}

// A rotated generation is read by its id, never another one in its place.
func TestHTTPGeneration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	set := newSet()
	set.Hold, set.Sweep = 10*time.Millisecond, 50*time.Millisecond // what is deleted and not needed is let go
	r := start(t, &serve.Server{Files: set}, path).web()
	first := r.get("/logs/app.log", nil).header.Get("ETag")
	gen := strings.Trim(first, `"`)
	rename(t, path, path+".1")
	write(t, path+".new", "two\n") // in place at once, with all that is in it
	rename(t, path+".new", path)
	await(t, func() bool { cur := r.srv.Files.First().Stat().Current; return cur != nil && cur.ID.String() != gen }, "the next generation")
	if got := r.get("/logs/app.log", nil); got.body != "two\n" || got.header.Get("ETag") == first {
		t.Errorf("GET = %q %s, want the next generation", got.body, got.header.Get("ETag"))
	}
	if got := r.get("/logs/app.log?gen="+gen, nil); got.status != 200 || got.body != "one\n" || got.header.Get("ETag") != first {
		t.Errorf("GET ?gen=%s = %d %q %s, want the first generation", gen, got.status, got.body, got.header.Get("ETag"))
	}
	if got := r.get("/logs/app.log?gen="+gen, http.Header{"Range": {"bytes=1-"}, "If-Range": {first}}); got.status != 206 || got.body != "ne\n" {
		t.Errorf("GET ?gen=%s from 1 = %d %q, want 206 and the rest", gen, got.status, got.body)
	}
	r.sawEnd()
	if got := r.get("/logs/app.log?follow&from="+gen+":2", nil); got.status != 200 || got.body != "e\n" {
		t.Errorf("GET ?follow&from=%s:2 = %d %q, want the rest of a generation that has ended, and its end", gen, got.status, got.body)
	}
	if err := os.Remove(path + ".1"); err != nil {
		t.Fatal(err)
	}
	id := r.srv.Files.First().Stat().Old[0].ID
	await(t, func() bool {
		g := r.srv.Files.First().Stat().Find(id)
		return g == nil || !g.Readable
	}, "the first generation to be gone")
	if got := r.get("/logs/app.log?gen="+gen, nil); got.status != 410 || strings.Contains(got.body, "two") {
		t.Errorf("GET ?gen=%s = %d %q, want 410", gen, got.status, got.body)
	}
}

// stream begins a GET and returns what comes.
func (r *rig) stream(path string) *http.Response {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	req, err := http.NewRequestWithContext(ctx, "GET", r.http+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		res.Body.Close()
		cancel()
	})
	return res
}

func TestHTTPFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	r := start(t, &serve.Server{}, path).web()
	res := r.stream("/logs/app.log?follow&offset=-2")
	want(t, res.Body, "e\n")
	if got, want := res.Header.Get("Fairlead-Position"), r.srv.Files.First().Stat().Current.ID.String()+":2"; got != want {
		t.Errorf("Fairlead-Position = %q, want %q", got, want)
	}
	idle := r.stream("/logs/app.log?follow&from=end") // the header comes at once
	for i := range 3 {
		line := fmt.Sprintf("line %d\n", i)
		appendTo(t, path, line)
		want(t, res.Body, line)
		want(t, idle.Body, line)
	}
	if got := r.srv.Stats().Clients; got != 2 {
		t.Errorf("Clients = %d, want 2", got)
	}
	rename(t, path, path+".1")
	wantEnd(t, res.Body)
	wantEnd(t, idle.Body)
	r.clients(0)
}

func TestHTTPFollowMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	r := start(t, &serve.Server{}, path).web()
	res := r.stream("/logs/app.log?follow")
	write(t, path, "one\n")
	want(t, res.Body, "one\n")
}

func TestHTTPFollowInto(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	r := start(t, &serve.Server{AtEnd: serve.AtEndFollow}, path).web()
	res := r.stream("/logs/app.log?follow")
	want(t, res.Body, "one\n")
	rename(t, path, path+".1")
	write(t, path, "two\n")
	want(t, res.Body, "two\n")
}

// A client that closes is noticed although the file is quiet.
func TestHTTPFollowLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	r := start(t, &serve.Server{}, path).web()
	res := r.stream("/logs/app.log?follow")
	want(t, res.Body, "one\n")
	res.Body.Close()
	r.clients(0)
}

// When we end, followers get what is there and an end that is complete.
func TestHTTPDrains(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	leakFree(t)
	srv := &serve.Server{Files: newSet()}
	if err := srv.Files.Add(path); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- srv.ServeWeb(ctx, ln, srv) }()
	r := &rig{t: t, srv: srv, http: "http://" + ln.Addr().String()}
	defer http.DefaultClient.CloseIdleConnections()
	res := r.stream("/logs/app.log?follow")
	want(t, res.Body, "one\n")
	stop()
	wantEnd(t, res.Body)
	if err := <-done; err != nil {
		t.Errorf("ServeWeb = %v, want nil", err)
	}
}

// The bytes of a range are of one generation, or the response is not complete.
func TestHTTPCutWhileSending(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	const size = 8 << 20
	if err := os.WriteFile(path, content(1, 0, size), 0o644); err != nil {
		t.Fatal(err)
	}
	r := start(t, &serve.Server{}, path).web()
	d := net.Dialer{Control: receiveBufferOf(4 << 10)}
	c, err := d.Dial("tcp", strings.TrimPrefix(r.http, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, "GET /logs/app.log HTTP/1.1\r\nHost: localhost\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReaderSize(c, 1024), nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, res.Body, record(1, 0))
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, string(content(2, 0, size)))
	n, err := io.Copy(io.Discard, res.Body)
	if err == nil || n >= size/2 {
		t.Errorf("read %d bytes, %v, want a response that is broken off soon", n, err)
	}
	await(t, func() bool { return r.resets("changed") == 1 }, "the response to be counted")
}

// A bug in a handler ends one response.
func TestHTTPPanicIsContained(t *testing.T) {
	leakFree(t)
	srv := &serve.Server{Files: newSet()}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- srv.ServeWeb(ctx, ln, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("planted") }))
	}()
	if res, err := http.Get("http://" + ln.Addr().String()); err == nil {
		res.Body.Close()
		t.Errorf("GET = %d, want a connection that is closed", res.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Errorf("ServeWeb = %v, want nil", err)
	}
	if got := srv.Stats().Resets["panic"]; got != 1 {
		t.Errorf("Resets[panic] = %d, want 1", got)
	}
}

// In another server nothing is known of the connection: loopback is not taken
// for us.
func TestHTTPElsewhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	os.Chmod(path, 0o600)
	r := start(t, &serve.Server{}, path)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: r.srv}
	done := make(chan error)
	go func() { done <- web.Serve(ln) }()
	defer func() {
		http.DefaultClient.CloseIdleConnections()
		web.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	r.http = "http://" + ln.Addr().String()
	if got := r.get("/logs/app.log", nil); got.status != 403 {
		t.Errorf("GET = %d %q, want 403", got.status, got.body)
	}
}
