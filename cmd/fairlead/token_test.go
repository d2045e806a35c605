package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/trust"
)

// keepTokens is `fairlead-tokens STATE [NAME]`: a process that says it is `up`, has
// tokens, and asks everyone for one.
func keepTokens() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	tokens := &trust.Tokens{Path: filepath.Join(os.Args[1], tokenFile)}
	l := &local{command: "up", bound: []endpoint{{room: roomHTTP, ln: ln}}, tokens: tokens, log: (&common{}).logger()}
	if len(os.Args) > 2 {
		l.name = os.Args[2]
	}
	defer l.start(ctx, os.Args[1])()
	access := &trust.Access{Tokens: tokens}
	web := &http.Server{Handler: access.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "role", trust.RoleOf(r.Context()))
	}))} // without trust.WithPeer nobody is known
	defer context.AfterFunc(ctx, func() { web.Close() })()
	fmt.Fprintln(os.Stderr, "ready at", ln.Addr())
	web.Serve(ln)
}

func TestParseTTL(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"never": 0, "1h": time.Hour, "90d": 90 * 24 * time.Hour, "2w": 14 * 24 * time.Hour, "36500d": maxTTL,
		"": -1, "0": -1, "0d": -1, "-1d": -1, "90": -1, "1.5h": -1, "1m": time.Minute, "59s": -1, "1d12h": 36 * time.Hour, "1d ": -1, "36501d": -1, "999999w": -1, "99999999999999999999h": -1,
	} {
		got, err := parseTTL(text)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("parseTTL(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestTokenSocketRefuses(t *testing.T) {
	tokens := &trust.Tokens{Path: filepath.Join(t.TempDir(), tokenFile)}
	l := &local{command: "up", tokens: tokens, log: (&common{quiet: true}).logger()}
	h := l.handler(nil)
	const good = `{"name":"a","role":"view","ttl_seconds":60}`
	for _, tt := range []struct {
		method, path, kind, body string
		want                     int
	}{
		{"POST", "/tokens", "application/json", good, 200},
		{"POST", "/tokens", "application/json; charset=utf-8", good, 200},
		{"POST", "/tokens", "text/plain", good, 400},
		{"POST", "/tokens", "", good, 400},
		{"POST", "/tokens", "application/json", "", 400},
		{"POST", "/tokens", "application/json", good + good, 400},
		{"POST", "/tokens", "application/json", good + strings.Repeat(" ", maxWish), 400},
		{"POST", "/tokens", "application/json", `{"name":"a","role":"view","uses":1}`, 400},
		{"POST", "/tokens", "application/json", `{"name":"a","role":"root"}`, 400},
		{"POST", "/tokens", "application/json", `{"name":"a b","role":"view"}`, 400},
		{"POST", "/tokens", "application/json", `{"name":"a","role":"view","ttl_seconds":-1}`, 400},
		{"POST", "/tokens", "application/json", `{"name":"a","role":"view","ttl_seconds":9223372036854775807}`, 400},
		{"PUT", "/tokens", "application/json", good, 405},
		{"GET", "/tokens", "", "", 200},
		{"DELETE", "/tokens/nobody", "", "", 404},
		{"DELETE", "/tokens/a", "", "", 204},
		{"DELETE", "/tokens/a", "", "", 404},
	} {
		r := httptest.NewRequest(tt.method, "http://fairlead"+tt.path, strings.NewReader(tt.body))
		r.Header.Set("Content-Type", tt.kind)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s %s %s %.60q = %d %q, want %d", tt.method, tt.path, tt.kind, tt.body, w.Code, w.Body, tt.want)
		}
	}
	if list, err := tokens.List(); len(list) != 0 || err != nil {
		t.Errorf("List() = %v, %v, want none: what was refused was not done", list, err)
	}
	l.tokens = nil
	w := httptest.NewRecorder()
	l.handler(nil).ServeHTTP(w, httptest.NewRequest("GET", "http://fairlead/tokens", nil))
	if w.Code != 404 {
		t.Errorf("GET /tokens of a process without = %d, want 404", w.Code)
	}
}
