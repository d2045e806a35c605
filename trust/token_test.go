package trust_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/trust"
)

// newTokens returns the tokens of a new directory, and a clock for them.
func newTokens(t testing.TB) (*trust.Tokens, *time.Time) {
	t.Helper()
	now := time.Date(2026, 3, 1, 12, 0, 0, 500, time.UTC)
	return &trust.Tokens{Path: filepath.Join(t.TempDir(), "tokens"), Now: func() time.Time { return now }}, &now
}

func newToken(t testing.TB, ts *trust.Tokens, name string, role trust.Role, ttl time.Duration) string {
	t.Helper()
	secret, err := ts.New(name, role, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func names(t *testing.T, ts *trust.Tokens) string {
	t.Helper()
	list, err := ts.List()
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, token := range list {
		s = append(s, fmt.Sprintf("%s:%s", token.Name, token.Role))
	}
	return strings.Join(s, " ")
}

func wantCheck(t *testing.T, ts *trust.Tokens, secret string, want error) {
	t.Helper()
	if token, err := ts.Check(secret); !errors.Is(err, want) || (err == nil) != (token.Name != "") {
		t.Errorf("Check(%q) = %v, %v, want error %v", secret, token, err, want)
	}
}

func TestTokens(t *testing.T) {
	ts, now := newTokens(t)
	wantCheck(t, ts, "fl_none", trust.ErrNoToken)
	wantCheck(t, ts, "", trust.ErrNoToken)
	bob := newToken(t, ts, "bob", trust.RoleAct, 0)
	alice := newToken(t, ts, "alice@work", trust.RoleView, time.Hour)
	if !regexp.MustCompile(`^fl_[a-z2-7]{32}$`).MatchString(alice) || alice == bob {
		t.Errorf("New() = %q and %q, want secrets of 160 random bits", bob, alice)
	}
	want := trust.Token{Name: "alice@work", Role: trust.RoleView, Created: now.Truncate(time.Second), Expires: now.Add(time.Hour + time.Second).Truncate(time.Second)}
	if got, err := ts.Check(alice); got != want || err != nil {
		t.Errorf("Check(alice's) = %v, %v, want %v", got, err, want)
	}
	if got, want := names(t, ts), "alice@work:view bob:act"; got != want {
		t.Errorf("List() = %q, want %q", got, want)
	}

	*now = now.Add(time.Hour + 2*time.Second)
	wantCheck(t, ts, alice, trust.ErrExpired)
	wantCheck(t, ts, bob, nil)
	if got, want := names(t, ts), "bob:act"; got != want {
		t.Errorf("List() after an hour = %q, want %q", got, want)
	}

	again := newToken(t, ts, "bob", trust.RoleView, 0)
	wantCheck(t, ts, bob, trust.ErrNoToken)
	wantCheck(t, ts, again, nil)
	if err := ts.Revoke("bob"); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, ts, again, trust.ErrNoToken)
	if err := ts.Revoke("bob"); !errors.Is(err, trust.ErrNoToken) {
		t.Errorf("Revoke(bob) a second time = %v, want %v", err, trust.ErrNoToken)
	}

	text, err := os.ReadFile(ts.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{alice, bob, again} {
		if bytes.Contains(text, []byte(secret)) || bytes.Contains(text, []byte(strings.TrimPrefix(secret, "fl_"))) {
			t.Errorf("the file has the secret %s:\n%s", secret, text)
		}
	}
	wantLine := fmt.Sprintf("token bob act %x 2026-03-01T12:00:00Z never\n", sha256.Sum256([]byte(bob)))
	if !bytes.HasPrefix(text, []byte(wantLine)) {
		t.Errorf("the file begins with\n%s, want\n%s", text, wantLine)
	}
	if fi, err := os.Stat(ts.Path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v, want 0600", fi.Mode(), err)
	}
}

func TestTokensRefused(t *testing.T) {
	ts, _ := newTokens(t)
	ts.Extra = func() []trust.Preset {
		return []trust.Preset{{Name: "preset", Role: trust.RoleView, Secret: "0123456789abcdef"}}
	}
	for _, tt := range []struct {
		name string
		role trust.Role
		ttl  time.Duration
	}{
		{"", trust.RoleView, 0}, {"a b", trust.RoleView, 0}, {"a\nb", trust.RoleView, 0}, {"ä", trust.RoleView, 0},
		{"a/b", trust.RoleView, 0}, {"..", trust.RoleView, 0}, {strings.Repeat("x", 65), trust.RoleView, 0},
		{"a", "", 0}, {"a", "root", 0}, {"a", trust.RoleView, -1}, {"a", trust.RoleView, time.Millisecond}, {"preset", trust.RoleAct, 0},
	} {
		if secret, err := ts.New(tt.name, tt.role, tt.ttl); err == nil {
			t.Errorf("New(%q, %q, %v) = %q, want an error", tt.name, tt.role, tt.ttl, secret)
		}
	}
	if _, err := os.Stat(ts.Path); err == nil {
		t.Error("there is a file, want none: nothing was to be written")
	}
	if err := ts.Revoke("preset"); err == nil || errors.Is(err, trust.ErrNoToken) {
		t.Errorf("Revoke(preset) = %v, want an error that says where it is", err)
	}
}

func TestTokensPreset(t *testing.T) {
	good := trust.Preset{Name: "ci", Role: trust.RoleAct, Secret: "correct horse battery"[:7] + "-long-enough"}
	ts := &trust.Tokens{Extra: func() []trust.Preset { return []trust.Preset{good} }}
	if got, err := ts.Check(good.Secret); got != (trust.Token{Name: "ci", Role: trust.RoleAct}) || err != nil {
		t.Errorf("Check(the preset's) = %v, %v", got, err)
	}
	if got, want := names(t, ts), "ci:act"; got != want {
		t.Errorf("List() = %q, want %q", got, want)
	}
	if _, err := ts.New("a", trust.RoleView, 0); err == nil {
		t.Error("New without a file = nil, want an error")
	}
	for _, bad := range []trust.Preset{
		{}, {Name: "ci", Role: trust.RoleAct}, {Name: "ci", Role: trust.RoleAct, Secret: "short"},
		{Name: "ci", Role: "root", Secret: good.Secret}, {Name: "c i", Role: trust.RoleAct, Secret: good.Secret},
		{Name: "ci", Role: trust.RoleAct, Secret: "with a blank, and more"},
	} {
		ts.Extra = func() []trust.Preset { return []trust.Preset{bad} }
		if bad.Valid() == nil {
			t.Errorf("Valid(%+v) = nil, want an error", bad)
		}
		wantCheck(t, ts, bad.Secret, trust.ErrNoToken)
	}
}

// What another process does to the file counts at once, and so does what a
// person does.
func TestTokensOfAnotherProcess(t *testing.T) {
	server, _ := newTokens(t)
	tool := &trust.Tokens{Path: server.Path}
	wantCheck(t, server, "fl_none", trust.ErrNoToken)
	secret := newToken(t, tool, "a", trust.RoleView, 0)
	wantCheck(t, server, secret, nil)
	if err := tool.Revoke("a"); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, server, secret, trust.ErrNoToken)

	secret = newToken(t, tool, "a", trust.RoleView, 0)
	wantCheck(t, server, secret, nil)
	text, err := os.ReadFile(server.Path)
	if err != nil {
		t.Fatal(err)
	}
	edited := bytes.Replace(text, []byte("token a view"), []byte("#oken a view"), -1) // as long as before
	if err := os.WriteFile(server.Path+".new", edited, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(server.Path+".new", server.Path); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, server, secret, trust.ErrNoToken)
	if err := os.WriteFile(server.Path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(server.Path, later, later); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, server, secret, nil)
	if err := tool.Revoke("a"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(server.Path, later, later); err != nil { // a clock that stands
		t.Fatal(err)
	}
	wantCheck(t, server, secret, trust.ErrNoToken)
	if err := os.WriteFile(server.Path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, server, secret, nil)
	if err := os.Remove(server.Path); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, server, secret, trust.ErrNoToken)
}

// A line that was torn by a power cut spoils no other, and neither does one of a
// version that is yet to come.
func TestTokensTornLine(t *testing.T) {
	ts, _ := newTokens(t)
	a := newToken(t, ts, "a", trust.RoleView, 0)
	whole, err := os.ReadFile(ts.Path)
	if err != nil {
		t.Fatal(err)
	}
	b := newToken(t, ts, "b", trust.RoleView, 0)
	both, err := os.ReadFile(ts.Path)
	if err != nil {
		t.Fatal(err)
	}
	for n := len(whole) + 1; n < len(both); n++ {
		if err := os.WriteFile(ts.Path, both[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		ts := &trust.Tokens{Path: ts.Path, Now: ts.Now}
		ignored := 1
		if n == len(both)-1 {
			ignored = 0 // all but the newline
			wantCheck(t, ts, b, nil)
		} else {
			wantCheck(t, ts, b, trust.ErrNoToken)
		}
		c := newToken(t, ts, "c", trust.RoleView, 0)
		wantCheck(t, ts, a, nil)
		wantCheck(t, ts, c, nil)
		if got, err := ts.Ignored(); got != ignored || err != nil {
			t.Errorf("Ignored() after a cut at byte %d = %d, %v, want %d", n, got, err, ignored)
		}
	}
}

func TestTokensUnknownLines(t *testing.T) {
	ts, _ := newTokens(t)
	secret := newToken(t, ts, "a", trust.RoleView, 0)
	hash := strings.Repeat("0", 64)
	for _, line := range []string{
		"", "# a comment", "  ",
	} {
		wantIgnored(t, ts, line, 0)
	}
	for _, line := range []string{
		"revoke a", "revoke a b c", "Revoke a 2026-03-01T12:00:00Z", "revoke a yesterday", "revoke a 2026-03-01T12:00:00Z now",
		"token a act " + hash + " 2026-03-01T12:00:00Z", "token a root " + hash + " 2026-03-01T12:00:00Z never",
		"token a act " + hash[1:] + " 2026-03-01T12:00:00Z never", "token a act " + hash + "00 2026-03-01T12:00:00Z never",
		"token a act " + hash + " 2026-03-01T12:00:00Z soon", "token a/ act " + hash + " 2026-03-01T12:00:00Z never",
		"token a act " + hash + " never never", strings.Repeat("x", 2000), "\x00\xff",
		"revoke a" + strings.Repeat(" ", 600) + "2026-03-01T12:00:00Z",
	} {
		wantIgnored(t, ts, line, 1)
	}
	wantCheck(t, ts, secret, nil)
}

func wantIgnored(t *testing.T, ts *trust.Tokens, line string, want int) {
	t.Helper()
	before, err := ts.Ignored()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(ts.Path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(line + "\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := ts.Ignored(); got-before != want || err != nil {
		t.Errorf("Ignored() after %q = %d more, %v, want %d", line, got-before, err, want)
	}
}

// A full file takes no new token, but one can still be revoked. One that is
// beyond the limits lets nobody in.
func TestTokensFull(t *testing.T) {
	ts, _ := newTokens(t)
	secret := newToken(t, ts, "a", trust.RoleView, 0)
	text, err := os.ReadFile(ts.Path)
	if err != nil {
		t.Fatal(err)
	}
	comments := func(n, length int) []byte {
		return append(bytes.Repeat([]byte(strings.Repeat("#", length-1)+"\n"), n), text...)
	}
	for what, b := range map[string][]byte{"lines": comments(9_950, 1), "bytes": comments(2000, 500)} {
		if err := os.WriteFile(ts.Path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		ts := &trust.Tokens{Path: ts.Path}
		if _, err := ts.New("b", trust.RoleView, 0); err == nil || !strings.Contains(err.Error(), "full") {
			t.Errorf("New in a file full of %s = %v, want an error that says so", what, err)
		}
		wantCheck(t, ts, secret, nil)
		if err := ts.Revoke("a"); err != nil {
			t.Errorf("Revoke in a file full of %s = %v, want room for it", what, err)
		}
		wantCheck(t, ts, secret, trust.ErrNoToken)
	}
	for what, b := range map[string][]byte{"lines": comments(10_001, 1), "larger": comments(3000, 500)} {
		if err := os.WriteFile(ts.Path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := (&trust.Tokens{Path: ts.Path}).Check(secret); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("Check of %d bytes = %v, want an error with %q", len(b), err, what)
		}
	}
}

func TestTokensAtOnce(t *testing.T) {
	ts, _ := newTokens(t)
	other := &trust.Tokens{Path: ts.Path, Now: ts.Now}
	const each = 20
	var wg sync.WaitGroup
	for i := range each {
		for _, of := range []*trust.Tokens{ts, other} {
			wg.Go(func() {
				name := fmt.Sprintf("n%d-%v", i, of == ts)
				secret, err := of.New(name, trust.RoleView, 0)
				if err != nil {
					t.Error(err)
					return
				}
				wantCheck(t, ts, secret, nil)
			})
		}
	}
	wg.Wait()
	if list, err := ts.List(); len(list) != 2*each || err != nil {
		t.Errorf("List() = %d tokens, %v, want %d", len(list), err, 2*each)
	}
}
