package trust_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/trust"
)

// A site is an http.Server behind an Access, with tokens of each kind.
type site struct {
	*trust.Access
	now                         *time.Time
	view, act, expired, revoked string
}

const preset = "preset-secret-of-ci"

func newSite(t testing.TB) *site {
	t.Helper()
	ts, now := newTokens(t)
	ts.Extra = func() []trust.Preset { return []trust.Preset{{Name: "ci", Role: trust.RoleView, Secret: preset}} }
	s := &site{Access: &trust.Access{Tokens: ts}, now: now}
	s.Open = func(r *http.Request) bool { return r.URL.Path == "/healthz" }
	s.expired = newToken(t, ts, "expired", trust.RoleAct, time.Second)
	*now = now.Add(time.Minute)
	s.view, s.act = newToken(t, ts, "v", trust.RoleView, 0), newToken(t, ts, "a", trust.RoleAct, time.Hour)
	s.revoked = newToken(t, ts, "r", trust.RoleAct, 0)
	if err := ts.Revoke("r"); err != nil {
		t.Fatal(err)
	}
	return s
}

// echoRole answers with the role of the request.
var echoRole = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "role %q", trust.RoleOf(r.Context()))
})

// serve returns a server at the listener, and its port.
func (s *site) serve(t testing.TB, ln net.Listener) (port int) {
	t.Helper()
	srv := &http.Server{Handler: s.Handler(echoRole), ConnContext: trust.WithPeer}
	done := make(chan error)
	go func() { done <- srv.Serve(ln) }()
	t.Cleanup(func() {
		srv.Close()
		<-done
	})
	if a, ok := ln.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// ask returns the status and the body of the answer. The header is given as
// "NAME: VALUE".
func ask(t *testing.T, h http.Handler, method, path, host string, ctx context.Context, header ...string) (int, string, http.Header) {
	t.Helper()
	r := httptest.NewRequestWithContext(ctx, method, "http://localhost"+path, nil)
	r.Host = host
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	b, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(b), w.Result().Header
}

// local is the context of a request whose peer is ours.
func local(t testing.TB) context.Context {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		conn.Close()
	})
	return trust.WithPeer(context.WithValue(t.Context(), http.LocalAddrContextKey, conn.LocalAddr()), conn)
}

func TestAccessByToken(t *testing.T) {
	s := newSite(t)
	h := s.Handler(echoRole)
	far := t.Context()
	type answer struct {
		get, post int
		role      string
	}
	for header, want := range map[string]answer{
		"":                                       {401, 401, ""},
		"Authorization: Bearer " + s.view:        {200, 403, "view"},
		"Authorization: Bearer " + s.act:         {200, 200, "act"},
		"Authorization: Bearer " + preset:        {200, 403, "view"},
		"Authorization: bearer  " + s.view + " ": {200, 403, "view"},
		"Authorization: Bearer " + s.expired:     {401, 401, ""},
		"Authorization: Bearer " + s.revoked:     {401, 401, ""},
		"Authorization: Bearer garbage":          {401, 401, ""},
		"Authorization: Bearer ":                 {401, 401, ""},
		"Authorization: Bearer":                  {401, 401, ""},
		"Authorization: ":                        {401, 401, ""},
		"Authorization: " + s.act:                {401, 401, ""},
		"Authorization: Basic " + s.act:          {401, 401, ""},
		"Authorization: Bearer " + s.act + ",x":  {401, 401, ""},
		"Authorization: Bearer " + s.act + " x":  {401, 401, ""},
		"Authorization: Bearer\t" + s.act:        {401, 401, ""},
		"Cookie: token=" + s.act:                 {401, 401, ""},
	} {
		for peer, ctx := range map[string]context.Context{"far": far, "ours": local(t)} {
			for _, path := range []string{"/stream", "/", "/logs/a?token=" + s.act + "&access_token=" + s.act} {
				get := want
				if header == "" || strings.HasPrefix(header, "Cookie") {
					if peer == "ours" {
						get.get, get.role = 200, "view"
					}
				}
				var headers []string
				if header != "" {
					headers = []string{header}
				}
				for method, status := range map[string]int{"GET": get.get, "HEAD": get.get, "POST": get.post, "DELETE": get.post, "OPTIONS": get.post, "PROPFIND": get.post} {
					got, body, answered := ask(t, h, method, path, "localhost:8080", ctx, headers...)
					if got != status {
						t.Errorf("%s: %s %s with %q = %d %q, want %d", peer, method, path, header, got, body, status)
					}
					if want := fmt.Sprintf("role %q", get.role); got == 200 && method != "HEAD" && body != want {
						t.Errorf("%s: %s %s with %q: %s, want %s", peer, method, path, header, body, want)
					}
					if got != 200 {
						wantRefusal(t, got, body, answered)
					}
				}
			}
		}
	}
	if got, _, _ := ask(t, h, "GET", "/", "localhost", far, "Authorization: Bearer "+s.act, "Authorization: Bearer "+s.act); got != 401 {
		t.Errorf("GET with two Authorization headers = %d, want 401", got)
	}
}

func wantRefusal(t *testing.T, status int, body string, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Type": "text/plain; charset=utf-8",
		"WWW-Authenticate": map[int]string{401: `Bearer realm="fairlead"`}[status],
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%d: %s is %q, want %q", status, name, got, want)
		}
	}
	if strings.Count(body, "\n") > 1 || status == 401 && body != "" && !strings.Contains(body, "fairlead token new NAME") {
		t.Errorf("%d: %q, want one line with the cure", status, body)
	}
}

func TestAccessOpen(t *testing.T) {
	h := newSite(t).Handler(echoRole)
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 401, "DELETE": 401} {
		got, body, _ := ask(t, h, method, "/healthz", "localhost", t.Context())
		if got != want {
			t.Errorf("%s /healthz = %d, want %d", method, got, want)
		}
		if method == "GET" && body != `role ""` {
			t.Errorf("%s /healthz: %s, want no role", method, body)
		}
	}
	if got, _, _ := ask(t, h, "GET", "/healthz", "localhost", t.Context(), "Sec-Fetch-Site: cross-site"); got != 403 {
		t.Errorf("GET /healthz by another site = %d, want 403", got)
	}
}

// The zero Access lets in ours alone, to read.
func TestAccessZero(t *testing.T) {
	h := (&trust.Access{}).Handler(echoRole)
	ctxs := map[string]context.Context{"ours": local(t), "far": t.Context()}
	for _, tt := range []struct {
		peer, method, header string
		want                 int
	}{
		{"ours", "GET", "Accept: x", 200}, {"ours", "POST", "Accept: x", 401}, {"far", "GET", "Accept: x", 401},
		{"ours", "GET", "Authorization: Bearer x", 401}, {"far", "POST", "Authorization: Bearer x", 401},
	} {
		if got, _, _ := ask(t, h, tt.method, "/", "localhost", ctxs[tt.peer], tt.header); got != tt.want {
			t.Errorf("%s: %s with %q = %d, want %d", tt.peer, tt.method, tt.header, got, tt.want)
		}
	}
}

// T13 at the door: which page, by which name, may make a browser ask, and how.
func TestT13Access(t *testing.T) {
	s := newSite(t)
	s.Hosts = []string{"logs.example", "proxy.example:8443"}
	h := s.Handler(echoRole)
	ctx := local(t)
	hosts := map[string]bool{ // ours by any means; true: we are at home there
		"localhost:8080": true, "127.0.0.1:8080": true, "[::1]:8080": true,
		"logs.example": false, "LOGS.example:8080": false, "proxy.example:8443": false,
	}
	named := map[string]bool{"https://logs.example": true, "http://logs.example": true, "https://proxy.example:8443": true, "http://proxy.example:8443": true}
	for host, home := range hosts {
		for origin, ownOrigin := range map[string]bool{"": true, "same": true, "https://logs.example": true, "https://proxy.example:8443": true,
			"https://logs.example:9999": false, "https://proxy.example": false, "http://evil.example": false,
			"http://localhost:3000": false, "null": false} {
			for site, ownSite := range map[string]bool{"": true, "same-origin": true, "none": true, "same-site": true, "cross-site": false} {
				for _, method := range []string{"GET", "HEAD", "POST"} {
					for _, token := range []string{"", s.act} {
						from := origin
						if origin == "same" {
							from = "http://" + host
						}
						header := []string{"Sec-Fetch-Site: " + site, "Origin: " + from}
						if token != "" {
							header = append(header, "Authorization: Bearer "+token)
						}
						acts := method == "POST"
						want := 200
						switch {
						case !ownOrigin || !ownSite:
							want = 403
						case token == "" && (acts || !home):
							want = 401
						case acts && site == "same-site" && !named[from]:
							want = 403 // another page of this machine, say
						}
						if got, body, _ := ask(t, h, method, "/x", host, ctx, header...); got != want {
							t.Errorf("%s Host %s Origin %s Sec-Fetch-Site %s token %v = %d %q, want %d", method, host, origin, site, token != "", got, body, want)
						}
					}
				}
			}
		}
	}
	for _, host := range []string{"evil.example", "proxy.example", "localhost.evil.example", "192.0.2.1"} {
		for _, token := range []string{"", s.act} {
			if got, _, _ := ask(t, h, "GET", "/x", host, ctx, "Authorization: Bearer "+token); got != 403 {
				t.Errorf("GET Host %s with token %v = %d, want 403", host, token != "", got)
			}
		}
	}
}

// What an Access let in by another name of ours is not sent away by a room
// behind it.
func TestAccessAskedOnce(t *testing.T) {
	a := &trust.Access{Hosts: []string{"logs.example"}, Open: func(*http.Request) bool { return true }}
	ctx := local(t)
	h := a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := trust.OtherSite(r, ""); err != nil {
			t.Errorf("OtherSite behind an Access = %v, want nil", err)
		}
	}))
	if got, _, _ := ask(t, h, "GET", "/", "logs.example", ctx); got != 200 {
		t.Errorf("GET Host logs.example = %d, want 200", got)
	}
}

// Whoever came by way of a proxy is not at home, whatever the proxy is.
func TestT33Proxied(t *testing.T) {
	h := newSite(t).Handler(echoRole)
	for _, header := range []string{"Forwarded: for=192.0.2.1", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https",
		"X-Forwarded-Host: x", "x-forwarded-anything: ", "X-Real-IP: 192.0.2.1", "Via: 1.1 proxy", "via: "} {
		if got, _, _ := ask(t, h, "GET", "/stream", "localhost", local(t), header); got != 401 {
			t.Errorf("GET with %q = %d, want 401", header, got)
		}
	}
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	a := &trust.Access{Hosts: []string{"logs.example", "proxy.localhost"}}
	for host, want := range map[string]int{"localhost": 200, "x.localhost:1": 200, "": 200, "127.0.0.1": 200,
		"logs.example": 401, "proxy.localhost:8080": 401, own: 401} {
		if got, _, _ := ask(t, a.Handler(echoRole), "GET", "/stream", host, local(t)); got != want {
			t.Errorf("GET Host %q = %d, want %d", host, got, want)
		}
	}
}

// Tokens that cannot be read let nobody in, and are no reason to say that a token
// is wrong.
func TestAccessUnreadableTokens(t *testing.T) {
	h := (&trust.Access{Tokens: &trust.Tokens{Path: t.TempDir()}}).Handler(echoRole)
	if got, body, _ := ask(t, h, "GET", "/", "localhost", t.Context(), "Authorization: Bearer x"); got != 503 {
		t.Errorf("GET = %d %q, want 503", got, body)
	}
	if got, _, _ := ask(t, h, "GET", "/", "localhost", local(t)); got != 200 {
		t.Errorf("GET of ours without a token = %d, want 200", got)
	}
}

func FuzzAuthorization(f *testing.F) {
	s := newSite(f)
	h := s.Handler(echoRole)
	for _, v := range []string{"Bearer " + s.view, "bearer " + s.act, "Bearer  x", "Basic eDp5", "Bearer", "", "Bearer a,b", "\x00", "Bearer fl_ä"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest(http.MethodPost, "http://localhost/", nil)
		r.Header["Authorization"] = []string{value}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		want := 401
		scheme, secret, _ := strings.Cut(value, " ")
		if strings.EqualFold(scheme, "bearer") {
			switch strings.Trim(secret, " ") {
			case s.act:
				want = 200
			case s.view, preset:
				want = 403
			}
		}
		if w.Code != want {
			t.Errorf("POST with %q = %d, want %d", value, w.Code, want)
		}
	})
}

// A stream does not outlive the token that it was asked for with.
func TestAccessEndsWithItsToken(t *testing.T) {
	for _, end := range []string{"revoked", "expired"} {
		t.Run(end, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tokens := &trust.Tokens{Path: filepath.Join(t.TempDir(), "tokens")}
				secret, err := tokens.New("ann", trust.RoleView, time.Hour)
				if err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				h := (&trust.Access{Tokens: tokens}).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					<-r.Context().Done()
					ended <- r.Context().Err()
				}))
				r := httptest.NewRequestWithContext(t.Context(), "GET", "/stream", nil)
				r.Header.Set("Authorization", "Bearer "+secret)
				go h.ServeHTTP(httptest.NewRecorder(), r)
				<-time.After(30 * time.Minute) // in the bubble's time
				select {
				case <-ended:
					t.Fatal("the request ended while its token held")
				default:
				}
				if end == "revoked" {
					if err := tokens.Revoke("ann"); err != nil {
						t.Fatal(err)
					}
				} else {
					<-time.After(30 * time.Minute)
				}
				<-time.After(10 * time.Second)
				select {
				case <-ended:
				default:
					t.Errorf("the request goes on 10 s after its token was %s", end)
				}
			})
		})
	}
}
