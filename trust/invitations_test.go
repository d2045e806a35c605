package trust_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"fairlead/trust"
)

// newInvitations returns the invitations of a new directory, and a clock for them.
func newInvitations(t testing.TB) (*trust.Invitations, *time.Time) {
	t.Helper()
	dir := t.TempDir()
	now := time.Date(2026, 3, 1, 12, 0, 0, 500, time.UTC)
	trusted := &trust.Trusted{Path: filepath.Join(dir, "trusted")}
	return &trust.Invitations{Path: filepath.Join(dir, "invitations"), Trusted: trusted, Now: func() time.Time { return now }}, &now
}

func invite(t testing.TB, v *trust.Invitations, uses int, ttl time.Duration, roles ...string) string {
	t.Helper()
	secret, _, err := v.New(roles, uses, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func wantRedeem(t testing.TB, v *trust.Invitations, secret string, key trust.PublicKey, name, want string, wantErr error) {
	t.Helper()
	m, err := v.Redeem(secret, key, name)
	if m.Name != want || !errors.Is(err, wantErr) {
		t.Errorf("Redeem(%s) = %q, %v, want %q, %v", name, m.Name, err, want, wantErr)
	}
}

// An invitation lets in as many as it is for, as long as it lasts, and nobody else.
func TestInvitation(t *testing.T) {
	v, now := newInvitations(t)
	a, b, c := newKey(t).Public(), newKey(t).Public(), newKey(t).Public()
	wantRedeem(t, v, strings.Repeat("a", 32), a, "web", "", trust.ErrNoInvitation)
	secret := invite(t, v, 2, time.Hour, "send", "node")
	if !regexp.MustCompile(`^[a-z2-7]{32}$`).MatchString(secret) {
		t.Errorf("New() = %q, want 160 random bits", secret)
	}
	if text, err := os.ReadFile(v.Path); err != nil || strings.Contains(string(text), secret) {
		t.Errorf("the file has the secret in it: %s, %v", text, err)
	}
	wantRedeem(t, v, "", a, "web", "", trust.ErrNoInvitation)
	wantRedeem(t, v, secret[1:]+secret[:1], a, "web", "", trust.ErrNoInvitation)
	wantRedeem(t, v, secret, a, "web", "web", nil)
	wantKnown(t, v.Trusted, a, "web send,node")
	wantRedeem(t, v, secret, b, "web", "web-2", nil)
	wantRedeem(t, v, secret, c, "web", "", trust.ErrUsedUp)
	wantKnown(t, v.Trusted, c, "")

	last := invite(t, v, 1, time.Hour, "send")
	*now = now.Add(time.Hour + 2*time.Second)
	wantRedeem(t, v, last, c, "web", "", trust.ErrExpired)
	wantKnown(t, v.Trusted, c, "")

	// Whoever was in already keeps its name, and gets what is new.
	more := invite(t, v, 1, time.Hour, "receive")
	wantRedeem(t, v, more, a, "other", "web", nil)
	wantKnown(t, v.Trusted, a, "web send,node,receive")
	if n, err := v.Open(); n != 0 || err != nil {
		t.Errorf("Open() = %d, %v, want 0", n, err)
	}
}

// A lost answer: who asks again with the same secret gets the same, and uses
// nothing up, even when the time is over.
func TestInvitationAskedAgain(t *testing.T) {
	v, now := newInvitations(t)
	a, b := newKey(t).Public(), newKey(t).Public()
	secret := invite(t, v, 2, time.Hour, "send")
	for range 3 {
		wantRedeem(t, v, secret, a, "web", "web", nil)
	}
	wantRedeem(t, v, secret, a, "other", "web", nil)
	wantRedeem(t, v, secret, b, "web", "web-2", nil)
	*now = now.Add(2 * time.Hour)
	wantRedeem(t, v, secret, a, "web", "web", nil)
}

// Whoever is removed does not come back by the invitation it came by.
func TestInvitationAfterRemoval(t *testing.T) {
	v, _ := newInvitations(t)
	a := newKey(t).Public()
	secret := invite(t, v, 5, time.Hour, "send")
	wantRedeem(t, v, secret, a, "web", "web", nil)
	if _, err := v.Trusted.Remove("web"); err != nil {
		t.Fatal(err)
	}
	wantRedeem(t, v, secret, a, "web", "", trust.ErrRemoved)
	wantKnown(t, v.Trusted, a, "")
	wantRedeem(t, v, invite(t, v, 1, time.Hour, "send"), a, "web", "web", nil)
}

// A use counts from before the machine is trusted: killed between the two, the hub
// has given nothing away, and the machine gets in when it asks again.
func TestInvitationUseIsDurableFirst(t *testing.T) {
	v, _ := newInvitations(t)
	a, b := newKey(t).Public(), newKey(t).Public()
	secret := invite(t, v, 1, time.Hour, "send")
	if err := os.Mkdir(v.Trusted.Path, 0o700); err != nil { // so that nobody can be trusted
		t.Fatal(err)
	}
	if _, err := v.Redeem(secret, a, "web"); err == nil {
		t.Error("Redeem without a file of machines = nil, want an error")
	}
	if text, err := os.ReadFile(v.Path); err != nil || !strings.Contains(string(text), "\nuse ") || strings.Contains(string(text), "\nin ") {
		t.Errorf("the use is not written down: %s, %v", text, err)
	}
	if err := os.Remove(v.Trusted.Path); err != nil {
		t.Fatal(err)
	}
	wantRedeem(t, v, secret, b, "web", "", trust.ErrUsedUp)
	wantRedeem(t, v, secret, a, "web", "web", nil)
	wantKnown(t, v.Trusted, a, "web send")
}

// Of many who come at once by one invitation, as to several processes, as many get
// in as it is for.
func TestInvitationRace(t *testing.T) {
	keys := make([]trust.PublicKey, 8)
	for i := range keys {
		keys[i] = newKey(t).Public()
	}
	for range 20 {
		v, _ := newInvitations(t)
		secret := invite(t, v, 2, time.Hour, "send")
		start, results := make(chan struct{}), make(chan error, len(keys))
		for _, key := range keys {
			own := &trust.Invitations{Path: v.Path, Trusted: &trust.Trusted{Path: v.Trusted.Path}, Now: v.Now}
			go func() {
				<-start
				_, err := own.Redeem(secret, key, "web")
				results <- err
			}()
		}
		close(start)
		in := 0
		for range keys {
			if err := <-results; err == nil {
				in++
			} else if !errors.Is(err, trust.ErrUsedUp) {
				t.Errorf("Redeem = %v, want %v", err, trust.ErrUsedUp)
			}
		}
		list, _, err := v.Trusted.List()
		if in != 2 || len(list) != 2 || err != nil {
			t.Fatalf("%d got in, %d are trusted, %v; want 2", in, len(list), err)
		}
	}
}

// The file is bounded, and what was promised has room in it.
func TestInvitationsFull(t *testing.T) {
	v, _ := newInvitations(t)
	var secrets []string
	for {
		secret, _, err := v.New([]string{"send"}, 1000, time.Hour)
		if err != nil {
			if !strings.Contains(err.Error(), "is full") {
				t.Fatal(err)
			}
			break
		}
		if secrets = append(secrets, secret); len(secrets) > 100 {
			t.Fatal("100,000 machines are promised that they get in")
		}
	}
	wantRedeem(t, v, secrets[len(secrets)-1], newKey(t).Public(), "web", "web", nil)
}

func TestInvitationsRefuse(t *testing.T) {
	v, _ := newInvitations(t)
	for name, err := range map[string]error{
		"no roles":    second(v.New(nil, 1, time.Hour)),
		"a bad role":  second(v.New([]string{"a b"}, 1, time.Hour)),
		"no uses":     second(v.New([]string{"send"}, 0, time.Hour)),
		"many uses":   second(v.New([]string{"send"}, trust.MaxUses+1, time.Hour)),
		"no time":     second(v.New([]string{"send"}, 1, 0)),
		"a long time": second(v.New([]string{"send"}, 1, trust.MaxInvitation+1)),
	} {
		if err == nil {
			t.Errorf("%s: New = nil, want an error", name)
		}
	}
	secret := invite(t, v, 1, time.Hour, "send")
	for _, name := range []string{"", "Web", "a b", "../x", "-a", strings.Repeat("a", 64), "a\nb send"} {
		if m, err := v.Redeem(secret, newKey(t).Public(), name); err == nil {
			t.Errorf("Redeem(%q) = %v, want an error", name, m)
		}
	}
	if n, err := v.Open(); n != 1 || err != nil {
		t.Errorf("Open() = %d, %v, want 1: nothing was used", n, err)
	}
}

func second(_ string, _ time.Time, err error) error { return err }

// Lines that cannot be understood let nobody in.
func TestInvitationsBadLines(t *testing.T) {
	v, now := newInvitations(t)
	secret := invite(t, v, 1, time.Hour, "send")
	good, err := os.ReadFile(v.Path)
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(good))
	at := now.Format(time.RFC3339)
	for name, line := range map[string]string{
		"cut":         strings.Join(f[:5], " "),
		"half a hash": strings.Join([]string{"invite", f[1][:60], f[2], f[3], f[4], f[5]}, " "),
		"no uses":     strings.Join([]string{"invite", f[1], f[2], "0", f[4], f[5]}, " "),
		"more words":  string(good[:len(good)-1]) + " x",
		"another":     strings.Join([]string{"token", f[1], f[2], f[3], f[4], f[5]}, " "),
		"no time":     strings.Join([]string{"invite", f[1], f[2], f[3], at, "never"}, " "),
		"not hex":     strings.Join([]string{"invite", strings.Repeat("g", 64), f[2], f[3], f[4], f[5]}, " "),
	} {
		if err := os.WriteFile(v.Path, []byte("#\n\n"+line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if m, err := v.Redeem(secret, newKey(t).Public(), "web"); !errors.Is(err, trust.ErrNoInvitation) {
			t.Errorf("%s: Redeem = %v, %v, want %v", name, m, err, trust.ErrNoInvitation)
		}
	}
}
