package trust_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"fairlead/trust"
)

// A joinVector is one of testdata/jointokens.json, for those who write a reader of
// join tokens themselves.
type joinVector struct {
	Why    string   `json:"why"`
	Text   string   `json:"text"`
	Hub    string   `json:"hub,omitempty"` // missing: the text is to be refused
	Key    string   `json:"key,omitempty"`
	Addrs  []string `json:"addrs,omitempty"`
	Secret string   `json:"secret,omitempty"`
	Error  string   `json:"error,omitempty"` // part of ours
}

func joinVectors(t testing.TB) (vectors []joinVector) {
	t.Helper()
	b, err := os.ReadFile("testdata/jointokens.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors
}

func TestJoinTokenVectors(t *testing.T) {
	for _, v := range joinVectors(t) {
		t.Run(v.Why, func(t *testing.T) {
			token, err := trust.ParseJoinToken(v.Text)
			if v.Hub == "" {
				if err == nil || !strings.Contains(err.Error(), v.Error) {
					t.Errorf("ParseJoinToken(%q) = %v, %v, want an error with %q", v.Text, token, err, v.Error)
				}
				return
			}
			want := trust.JoinToken{Hub: v.Hub, Addrs: v.Addrs, Secret: v.Secret}
			if want.Key, err = trust.ParsePublicKey(v.Key); err != nil {
				t.Fatal(err)
			}
			if got, err := trust.ParseJoinToken(v.Text); !reflect.DeepEqual(got, want) || err != nil {
				t.Errorf("ParseJoinToken(%q) = %v, %v, want %v", v.Text, got, err, want)
			}
			text, err := want.Text()
			if plain := strings.ToLower(strings.Join(strings.Fields(v.Text), "")); text != plain || err != nil {
				t.Errorf("Text() = %q, %v, want %q", text, err, plain)
			}
		})
	}
}

// A paste that lost its end, wherever that is, or has a letter changed, is told as
// one that is not whole.
func TestJoinTokenDamaged(t *testing.T) {
	text := joinVectors(t)[0].Text
	for n := range len(text) {
		if _, err := trust.ParseJoinToken(text[:n]); err == nil || n > 0 && !strings.Contains(err.Error(), "not whole") {
			t.Errorf("ParseJoinToken of the first %d of %d characters = %v, want not whole", n, len(text), err)
		}
	}
	for i := len("fl1-"); i < len(text); i++ {
		for _, c := range "ab" {
			damaged := text[:i] + string(c) + text[i+1:]
			if _, err := trust.ParseJoinToken(damaged); damaged != text && err == nil {
				t.Errorf("ParseJoinToken with a letter changed at %d = nil", i)
			}
		}
	}
}

func TestJoinTokenText(t *testing.T) {
	good := trust.JoinToken{Hub: "hub", Key: newKey(t).Public(), Addrs: []string{"hub:7447"}, Secret: strings.Repeat("a", 32)}
	for name, edit := range map[string]func(*trust.JoinToken){
		"no address":       func(j *trust.JoinToken) { j.Addrs = nil },
		"nine addresses":   func(j *trust.JoinToken) { j.Addrs = strings.Fields(strings.Repeat("h:1 ", 9)) },
		"a bad address":    func(j *trust.JoinToken) { j.Addrs = []string{"hub"} },
		"no name":          func(j *trust.JoinToken) { j.Hub = "" },
		"no key":           func(j *trust.JoinToken) { j.Key = trust.PublicKey{} },
		"no secret":        func(j *trust.JoinToken) { j.Secret = "" },
		"a person's token": func(j *trust.JoinToken) { j.Secret = trust.NewSecret() },
	} {
		token := good
		edit(&token)
		if text, err := token.Text(); err == nil {
			t.Errorf("%s: Text() = %q, want an error", name, text)
		}
	}
}

func FuzzJoinToken(f *testing.F) {
	for _, v := range joinVectors(f) {
		f.Add(v.Text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := trust.ParseJoinToken(text)
		if err != nil {
			if len(err.Error()) > 2000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		again, err := token.Text()
		if err != nil || again != strings.ToLower(strings.Join(strings.Fields(text), "")) {
			t.Errorf("Text() = %q, %v, want what was read: %q", again, err, text)
		}
	})
}

func FuzzTrusted(f *testing.F) {
	a, b := newKey(f).Public().String(), newKey(f).Public().String()
	f.Add("# c\nweb " + a + " send\n\nx " + b + " send,hub h:1 [::1]:2\n")
	f.Add("web " + a + " send\nweb " + b + " send\ny " + a + " send")
	f.Add("web " + a)
	added, dir := newKey(f).Public(), f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := dir + "/trusted"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		trusted := &trust.Trusted{Path: path}
		before, _, err := trusted.List()
		if err != nil {
			return
		}
		for _, m := range before {
			if m.Valid() != nil || !strings.Contains(text, m.Key.String()) {
				t.Errorf("%v is trusted", m)
			}
		}
		// What is added counts, and what is removed does not, whatever else is there.
		m, err := trusted.Admit(machine("web", added, "send", "h:1"))
		if err != nil {
			return // full
		}
		if got, ok := trusted.Lookup(added); !ok || !reflect.DeepEqual(got, m) {
			t.Errorf("Lookup = %v, want %v", got, m)
		}
		if _, err := trusted.Remove(m.Name); err != nil {
			t.Fatal(err)
		}
		after, _, err := trusted.List()
		if err != nil || !reflect.DeepEqual(before, after) {
			t.Errorf("List = %v, %v, want %v", after, err, before)
		}
	})
}
