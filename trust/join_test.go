package trust_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"fairlead/trust"
)

// A testHub is a port where machines can join.
type testHub struct {
	*testPort
	server *trust.JoinServer
	now    time.Time
}

func newHub(t testing.TB) *testHub {
	t.Helper()
	hub := &testHub{testPort: newPort(t, nil), now: time.Now()}
	hub.server = &trust.JoinServer{
		Name: "hub",
		Invitations: &trust.Invitations{
			Path: filepath.Join(t.TempDir(), "invitations"), Trusted: hub.Trusted, Now: func() time.Time { return hub.now },
		},
		Log: slog.New(slog.NewTextHandler(hub.log, nil)),
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	ln := hub.Listener(trust.ALPNJoin)
	go func() { ended <- hub.server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return hub
}

func (h *testHub) token(t testing.TB, uses int, roles ...string) trust.JoinToken {
	t.Helper()
	return trust.JoinToken{Hub: "hub", Key: h.Key.Public(), Addrs: []string{h.addr}, Secret: invite(t, h.server.Invitations, uses, time.Hour, roles...)}
}

// deadAddr is one where nobody listens.
func deadAddr(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// A machine joins by a token that went through its text, at the first address that
// answers, and each is then what the other knows it as.
func TestJoin(t *testing.T) {
	hub := newHub(t)
	token := hub.token(t, 2, "send")
	token.Addrs = []string{deadAddr(t), hub.addr}
	text, err := token.Text()
	if err != nil {
		t.Fatal(err)
	}
	if token, err = trust.ParseJoinToken(text); err != nil {
		t.Fatal(err)
	}
	k := newKey(t)
	want := trust.Joined{Hub: machine("hub", hub.Key.Public(), "receive", token.Addrs...), Name: "web", Roles: []string{"send"}}
	for range 2 { // as after an answer that was lost
		got, err := trust.Join(within(t), k, token, "web", "1.0")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Join = %+v, %v, want %+v", got, err, want)
		}
	}
	wantKnown(t, hub.Trusted, k.Public(), "web send")
	if got, err := trust.Join(within(t), newKey(t), token, "web", "1.0"); got.Name != "web-2" || err != nil {
		t.Errorf("Join of a second web = %+v, %v, want web-2", got, err)
	}
	if s := hub.server.Stats(); s.Joined != 3 || s.Refused != 0 {
		t.Errorf("Stats = %+v, want 3 joined", s)
	}
	if log := hub.log.String(); strings.Contains(log, token.Secret) || !strings.Contains(log, "machine joined") {
		t.Errorf("the log has the secret, or not the machine:\n%s", log)
	}
}

// Each no has its reason and its cure.
func TestJoinRefused(t *testing.T) {
	hub := newHub(t)
	k, gone := newKey(t), newKey(t)
	used := hub.token(t, 1, "send")
	if _, err := trust.Join(within(t), gone, used, "gone", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := hub.Trusted.Remove("gone"); err != nil {
		t.Fatal(err)
	}
	wrong := hub.token(t, 1, "send")
	wrong.Secret = strings.Repeat("a", 32)
	const invite = "`fairlead invite`"
	for name, tt := range map[string]struct {
		key          *trust.Key
		token        trust.JoinToken
		reason, cure string
		before       func()
	}{
		"wrong secret": {k, wrong, "no such invitation", invite, nil},
		"used up":      {k, used, "used up", invite, nil},
		"removed":      {gone, used, "was removed", invite, nil},
		"expired":      {k, hub.token(t, 1, "send"), "expired", invite, func() { hub.now = hub.now.Add(2 * time.Hour) }},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.before != nil {
				tt.before()
				defer func() { hub.now = hub.now.Add(-2 * time.Hour) }()
			}
			_, err := trust.Join(within(t), tt.key, tt.token, "web", "")
			no := (*trust.JoinRefusedError)(nil)
			if !errors.As(err, &no) || !strings.Contains(no.Reason, tt.reason) || !strings.Contains(no.Cure, tt.cure) {
				t.Errorf("Join = %v, want %q and %q", err, tt.reason, tt.cure)
			}
		})
	}
	wantKnown(t, hub.Trusted, k.Public(), "")
	if strings.Contains(hub.log.String(), wrong.Secret) {
		t.Errorf("the log has a secret:\n%s", hub.log)
	}
	// What the hub cannot do is its own business, and in its log.
	if err := os.Chmod(hub.server.Invitations.Path, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.Join(within(t), k, wrong, "web", ""); err == nil || !strings.Contains(err.Error(), "log of the hub") || strings.Contains(err.Error(), "/") {
		t.Errorf("Join at a hub with a broken file = %v, want what says nothing of the hub", err)
	}
}

// The token's key is the hub's, or the secret is not sent.
func TestJoinPins(t *testing.T) {
	hub, other := newHub(t), newKey(t)
	token := hub.token(t, 1, "send")
	token.Key = other.Public()
	wrong := (*trust.WrongKeyError)(nil)
	if _, err := trust.Join(within(t), newKey(t), token, "web", ""); !errors.As(err, &wrong) || wrong.Got != hub.Key.Public() {
		t.Errorf("Join = %v, want a WrongKeyError", err)
	}
	if s := hub.server.Stats(); s != (trust.JoinStats{}) {
		t.Errorf("Stats = %+v, want nothing to have come", s)
	}
	token = hub.token(t, 1, "send")
	token.Addrs = []string{deadAddr(t)}
	if _, err := trust.Join(within(t), newKey(t), token, "web", ""); !errors.Is(err, trust.ErrUnreachable) {
		t.Errorf("Join at nobody's address = %v, want %v", err, trust.ErrUnreachable)
	}
}

// What is no request is answered with what is wrong about it, and lets nobody in.
func TestJoinRequests(t *testing.T) {
	hub := newHub(t)
	secret := hub.token(t, 9, "send").Secret
	long := `{"secret":"` + secret + `","name":"web","version":"` + strings.Repeat("v", 5000) + `"}`
	for name, tt := range map[string]struct{ send, want string }{
		"empty line":       {"\n", "makes no sense"},
		"no JSON":          {"let me in\n", "makes no sense"},
		"cut":              {`{"secret":"` + secret, "unexpected EOF"},
		"no name":          {`{"secret":"` + secret + `"}` + "\n", "no name for a machine"},
		"a strange name":   {`{"secret":"` + secret + `","name":"web\nroot"}` + "\n", "no name for a machine"},
		"another type":     {`{"secret":1,"name":"web"}` + "\n", "makes no sense"},
		"longer than 4 KB": {long + "\n", "more than 4096"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := hub.dial(t, newKey(t), trust.ALPNJoin)
			io.WriteString(conn, tt.send)
			conn.(interface{ CloseWrite() error }).CloseWrite()
			b, err := io.ReadAll(conn)
			var answer struct{ Name, Error, Cure string }
			if err != nil || json.Unmarshal(b, &answer) != nil || !strings.Contains(answer.Error, tt.want) || answer.Cure == "" {
				t.Errorf("answer %q, %v, want an error with %q and a cure", b, err, tt.want)
			}
		})
	}
	if n, err := hub.server.Invitations.Open(); n != 9 || err != nil {
		t.Errorf("Open() = %d, %v, want 9: nobody got in", n, err)
	}
}

// Whoever connects and says nothing looks whether we are here: that is no news.
func TestJoinSilent(t *testing.T) {
	hub := newHub(t)
	conn := hub.dial(t, newKey(t), trust.ALPNJoin)
	conn.(interface{ CloseWrite() error }).CloseWrite()
	if b, _ := io.ReadAll(conn); len(b) > 0 {
		t.Errorf("answer %q, want none", b)
	}
	if st := hub.server.Stats(); st.Refused != 0 || strings.Contains(hub.log.String(), "not let in") {
		t.Errorf("%+v, and the log is %s", st, hub.log.String())
	}
}

// Fields of a later version do not matter.
func TestJoinLaterVersion(t *testing.T) {
	hub := newHub(t)
	conn := hub.dial(t, newKey(t), trust.ALPNJoin)
	io.WriteString(conn, `{"secret":"`+hub.token(t, 1, "send").Secret+`","name":"web","version":"99","later":{"a":[1]}}`+"\n")
	if b, err := io.ReadAll(conn); string(b) != `{"name":"web","roles":["send"],"hub":"hub"}`+"\n" || err != nil {
		t.Errorf("answer %q, %v", b, err)
	}
}

// Of many wrong secrets few are answered and logged, and a right one is not held
// up by them.
func TestJoinWrongSecrets(t *testing.T) {
	hub := newHub(t)
	good, wrong := hub.token(t, 1, "send"), hub.token(t, 1, "send")
	wrong.Secret = strings.Repeat("a", 32)
	k := newKey(t)
	const guesses = 50
	start := time.Now()
	for range guesses {
		if _, err := trust.Join(within(t), k, wrong, "web", ""); err == nil {
			t.Fatal("a wrong secret let somebody in")
		}
	}
	if _, err := trust.Join(within(t), newKey(t), good, "web", ""); err != nil {
		t.Errorf("Join with the right one = %v", err)
	}
	allowed := 5 + 5*(1+int64(time.Since(start)/time.Second))
	if s := hub.server.Stats(); s.Refused > allowed || s.Refused+s.Unanswered != guesses {
		t.Errorf("Stats = %+v, want at most %d of %d answered", s, allowed, guesses)
	}
	if n := int64(strings.Count(hub.log.String(), "was not let in")); n > allowed {
		t.Errorf("%d lines in the log, want at most %d", n, allowed)
	}
}

// A hub that lies or stalls leaves the machine as it was.
func TestJoinBadAnswers(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":           "",
		"no JSON":           "welcome\n",
		"cut":               `{"name":"web","roles":["send"],"hub":"hub"}`,
		"a name for flags":  `{"name":"-rf","roles":["send"],"hub":"hub"}` + "\n",
		"a hub with a line": `{"name":"web","roles":["send"],"hub":"hub U send\nx"}` + "\n",
		"strange roles":     `{"name":"web","roles":["a b"],"hub":"hub"}` + "\n",
		"no roles":          `{"name":"web","hub":"hub"}` + "\n",
		"too long":          strings.Repeat("x", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			p := newPort(t, nil)
			ln := p.Listener(trust.ALPNJoin)
			done := make(chan struct{})
			go func() {
				defer close(done)
				if conn, err := ln.Accept(); err == nil {
					io.ReadFull(conn, make([]byte, 1))
					io.WriteString(conn, answer)
					conn.Close()
				}
			}()
			token := trust.JoinToken{Hub: "hub", Key: p.Key.Public(), Addrs: []string{p.addr}, Secret: strings.Repeat("a", 32)}
			if got, err := trust.Join(within(t), newKey(t), token, "web", ""); err == nil {
				t.Errorf("Join = %+v, want an error", got)
			}
			ln.Close()
			<-done
		})
	}
}
