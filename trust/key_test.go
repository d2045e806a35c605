package trust_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"fairlead/trust"
)

func newKey(t testing.TB) *trust.Key {
	t.Helper()
	k, err := trust.OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The key is made at first use, and stays; it is a user's nkey, to NATS and to us.
func TestKeyIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	first, err := trust.OpenKey(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := trust.OpenKey(path)
	if err != nil || again.Public() != first.Public() {
		t.Fatalf("OpenKey again = %v, %v, want %v", again.Public(), err, first.Public())
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the mode of the key is %v, %v, want 0600", fi.Mode(), err)
	}
	seed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := nkeys.FromSeed([]byte(strings.TrimSpace(string(seed))))
	if err != nil {
		t.Fatal(err)
	}
	if public, err := pair.PublicKey(); public != first.Public().String() || err != nil {
		t.Errorf("Public() = %v, NATS says %v, %v", first.Public(), public, err)
	}
	data := []byte("nonce")
	sig := first.Sign(data)
	if err := pair.Verify(data, sig); err != nil {
		t.Errorf("NATS about our signature: %v", err)
	}
	if k := first.Public(); !k.Verify(data, sig) || k.Verify([]byte("other"), sig) || newKey(t).Public().Verify(data, sig) {
		t.Error("Verify does not tell good from bad signatures")
	}
}

// Several processes that start at once have one key in the end.
func TestKeyOfManyProcesses(t *testing.T) {
	const child = "FAIRLEAD_TEST_KEY"
	if path := os.Getenv(child); path != "" {
		k, err := trust.OpenKey(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Log("KEY", k.Public())
		return
	}
	for range 5 {
		path := filepath.Join(t.TempDir(), "key")
		out := make([]strings.Builder, 4)
		cmds := make([]*exec.Cmd, len(out))
		for i := range cmds {
			cmds[i] = exec.Command(os.Args[0], "-test.run=^TestKeyOfManyProcesses$", "-test.v")
			cmds[i].Env = append(os.Environ(), child+"="+path)
			cmds[i].Stdout, cmds[i].Stderr = &out[i], &out[i]
			if err := cmds[i].Start(); err != nil {
				t.Fatal(err)
			}
		}
		for i, cmd := range cmds {
			if err := cmd.Wait(); err != nil {
				t.Fatalf("%v\n%s", err, out[i].String())
			}
		}
		k, err := trust.OpenKey(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range out {
			if !strings.Contains(out[i].String(), "KEY "+k.Public().String()) {
				t.Errorf("one process has another key than %v:\n%s", k.Public(), out[i].String())
			}
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); left != nil {
			t.Errorf("%v was left", left)
		}
	}
}

func TestKeyIsRefused(t *testing.T) {
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	other, err := account.Seed()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		content string
		want    string
	}{
		"empty":                {"", "holds no key"},
		"cut short":            {"SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3", "holds no key"},
		"an account's":         {string(other), "holds no key"},
		"a public key":         {"UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4", "holds no key"},
		"zeros of a lost page": {strings.Repeat("\x00", 59), "holds no key"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := trust.OpenKey(path); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("OpenKey = %v, want an error with %q", err, tt.want)
			}
			if after, err := os.ReadFile(path); string(after) != tt.content || err != nil {
				t.Errorf("the file has become %q, %v", after, err)
			}
		})
	}
}

func TestParsePublicKey(t *testing.T) {
	k := newKey(t).Public()
	text := k.String()
	if !regexp.MustCompile(`^U[A-Z2-7]{55}$`).MatchString(text) {
		t.Errorf("String() = %q, want U and 55 letters and digits", text)
	}
	if got, err := trust.ParsePublicKey(text); got != k || err != nil {
		t.Errorf("ParsePublicKey(%q) = %v, %v", text, got, err)
	}
	flipped := []byte(text)
	flipped[20] ^= 3
	for name, s := range map[string]string{
		"empty": "", "lower case": strings.ToLower(text), "cut": text[:55], "longer": text + "A", "blank": " " + text,
		"newline": text + "\n", "one letter wrong": string(flipped), "an account": "A" + text[1:], "long": strings.Repeat("U", 1<<20),
	} {
		if got, err := trust.ParsePublicKey(s); err == nil || len(err.Error()) > 1000 {
			t.Errorf("%s: ParsePublicKey = %v, want a short error", name, got)
		}
	}
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trust.ParsePublicKey(string(seed)); err == nil || strings.Contains(err.Error(), string(seed)) {
		t.Errorf("ParsePublicKey of a secret key = %v, want an error without it", err)
	}
}
