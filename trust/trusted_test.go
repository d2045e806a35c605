package trust_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"fairlead/trust"
)

func newTrusted(t testing.TB, text string) *trust.Trusted {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trusted")
	if text != "" {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &trust.Trusted{Path: path}
}

func wantFile(t testing.TB, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); string(got) != want || err != nil {
		t.Errorf("the file is\n%s%v, want\n%s", got, err, want)
	}
}

func add(t testing.TB, trusted *trust.Trusted, m trust.Machine) {
	t.Helper()
	if err := trusted.Add(m); err != nil {
		t.Fatal(err)
	}
}

func machine(name string, key trust.PublicKey, roles string, addrs ...string) trust.Machine {
	return trust.Machine{Name: name, Key: key, Roles: strings.Split(roles, ","), Addrs: addrs}
}

func wantKnown(t testing.TB, trusted *trust.Trusted, key trust.PublicKey, want string) {
	t.Helper()
	m, ok := trusted.Lookup(key)
	got := ""
	if ok {
		got = m.Name + " " + strings.Join(m.Roles, ",")
	}
	if got != want {
		t.Errorf("Lookup = %q, want %q", got, want)
	}
}

// Comments, order and what cannot be understood stay as they are; what is written
// by hand counts at once.
func TestTrustedFile(t *testing.T) {
	a, b, c := newKey(t).Public(), newKey(t).Public(), newKey(t).Public()
	trusted := newTrusted(t, "")
	wantKnown(t, trusted, a, "")
	text := fmt.Sprintf("# the web servers\nweb1 %s send\n\n  web2\t%s  send,hub \n# the end", a, b)
	if err := os.WriteFile(trusted.Path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	wantKnown(t, trusted, a, "web1 send")
	wantKnown(t, trusted, b, "web2 send,hub")
	if m, ok := trusted.Named("web2"); !ok || m.Key != b {
		t.Errorf("Named(web2) = %v, %v", m, ok)
	}

	add(t, trusted, machine("store", c, "receive", "store.example.com:7447", "[2001:db8::1]:7447"))
	add(t, trusted, machine("web1", a, "receive"))
	line := fmt.Sprintf("store %s receive store.example.com:7447 [2001:db8::1]:7447\n", c)
	wantFile(t, trusted.Path, strings.Replace(text, "web1 "+a.String()+" send", "web1 "+a.String()+" send,receive", 1)+"\n"+line)
	if fi, err := os.Stat(trusted.Path); err != nil || fi.Mode().Perm() != 0o640 {
		t.Errorf("the mode has become %v, %v, want 0640", fi.Mode(), err)
	}
	if gone, err := trusted.Remove("web1"); gone.Key != a || err != nil {
		t.Errorf("Remove(web1) = %v, %v", gone, err)
	}
	if gone, err := trusted.Remove(b.String()); gone.Name != "web2" || err != nil {
		t.Errorf("Remove(web2's key) = %v, %v", gone, err)
	}
	wantFile(t, trusted.Path, "# the web servers\n\n# the end\n"+line)
	wantKnown(t, trusted, a, "")
	for _, who := range []string{"web1", a.String(), "", "# the"} {
		if _, err := trusted.Remove(who); !errors.Is(err, trust.ErrNotTrusted) {
			t.Errorf("Remove(%q) = %v, want %v", who, err, trust.ErrNotTrusted)
		}
	}
	if err := os.Remove(trusted.Path); err != nil {
		t.Fatal(err)
	}
	wantKnown(t, trusted, c, "")
}

// A line with a slip in it gives nothing, is told with its number, and does nothing
// to the others.
func TestTrustedBadLines(t *testing.T) {
	a, b := newKey(t).Public(), newKey(t).Public()
	for name, tt := range map[string]struct{ line, want string }{
		"no roles":           {"x " + b.String(), "2 words"},
		"no key":             {"x send", "2 words"},
		"half a key":         {"x " + b.String()[:50] + " send", "no public key"},
		"small letters":      {"x " + strings.ToLower(b.String()) + " send", "no public key"},
		"a role too strange": {"x " + b.String() + " send,SEND", "no role"},
		"an empty role":      {"x " + b.String() + " send,,receive", "no role"},
		"a name too strange": {"Web.1 " + b.String() + " send", "no name for a machine"},
		"a name for flags":   {"-x " + b.String() + " send", "no name for a machine"},
		"a long name":        {strings.Repeat("a", 64) + " " + b.String() + " send", "no name for a machine"},
		"no port":            {"x " + b.String() + " receive host", "no address"},
		"a comment behind":   {"x " + b.String() + " receive # mine", "no address"},
		"an escape":          {"x " + b.String() + " receive \x1b[2J:1", "no address"},
		"the same name":      {"good " + b.String() + " send", "the name is that of line 1"},
		"a long line":        {"x " + b.String() + " receive" + strings.Repeat(" h:1", 2000), "longer than"},
		"many addresses":     {"x " + b.String() + " receive" + strings.Repeat(" h:1", 17), "17 addresses"},
	} {
		t.Run(name, func(t *testing.T) {
			trusted := newTrusted(t, fmt.Sprintf("good %s send\n%s\n", a, tt.line))
			wantKnown(t, trusted, a, "good send")
			wantKnown(t, trusted, b, "")
			_, bad, err := trusted.List()
			if err != nil || len(bad) != 1 || bad[0].Line != 2 || !strings.Contains(bad[0].Reason, tt.want) {
				t.Errorf("List = %v, %v, want line 2 with %q", bad, err, tt.want)
			}
		})
	}
}

// Who is removed is removed, also where the file has more lines of it, which did
// not count while the first did.
func TestTrustedRemoveLeavesNoHeir(t *testing.T) {
	a, b, c := newKey(t).Public(), newKey(t).Public(), newKey(t).Public()
	trusted := newTrusted(t, fmt.Sprintf("web %s send\nother %[1]s send,hub\nweb %s send\nkept %s send\n", a, b, c))
	if _, err := trusted.Remove("web"); err != nil {
		t.Fatal(err)
	}
	wantKnown(t, trusted, a, "")
	wantKnown(t, trusted, b, "")
	wantKnown(t, trusted, c, "kept send")
}

func TestTrustedClashes(t *testing.T) {
	a, b := newKey(t).Public(), newKey(t).Public()
	trusted := newTrusted(t, "")
	add(t, trusted, machine("web", a, "send"))
	if err := trusted.Add(machine("web", b, "send")); !errors.Is(err, trust.ErrNameTaken) {
		t.Errorf("Add of a name that is taken = %v, want %v", err, trust.ErrNameTaken)
	}
	if err := trusted.Add(machine("web2", a, "send")); err == nil || !strings.Contains(err.Error(), "by the name web") {
		t.Errorf("Add of a key that is known = %v, want an error with its name", err)
	}
	for _, bad := range []trust.Machine{machine("", a, "send"), machine("x", trust.PublicKey{}, "send"), machine("x", b, "a b"),
		machine("x", b, "send", "h:0"), machine("x", b, "send", "h:1 y:2"), machine("x\ny", b, "send")} {
		if err := trusted.Add(bad); err == nil {
			t.Errorf("Add(%v) = nil, want an error", bad)
		}
	}
	m, err := trusted.Admit(machine("web", b, "send"))
	if m.Name != "web-2" || err != nil {
		t.Errorf("Admit(web) = %v, %v, want web-2", m, err)
	}
	if m, err := trusted.Admit(machine("other", b, "receive")); m.Name != "web-2" || !slices.Equal(m.Roles, []string{"send", "receive"}) || err != nil {
		t.Errorf("Admit of a key that is known = %v, %v, want its name and both roles", m, err)
	}
	long := strings.Repeat("x", 63)
	add(t, trusted, machine(long, newKey(t).Public(), "send"))
	if m, err := trusted.Admit(machine(long, newKey(t).Public(), "send")); m.Name != long[:61]+"-2" || err != nil {
		t.Errorf("Admit of a long name = %v, %v", m.Name, err)
	}
}

// Many who write at once, as several processes would, lose nothing of each other.
func TestTrustedWrittenByMany(t *testing.T) {
	path := newTrusted(t, "# head\n").Path
	var wg sync.WaitGroup
	for range 20 {
		key := newKey(t).Public()
		wg.Go(func() {
			own := &trust.Trusted{Path: path}
			if _, err := own.Admit(machine("web", key, "send")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, bad, err := (&trust.Trusted{Path: path}).List()
	if len(list) != 20 || len(bad) != 0 || err != nil {
		t.Errorf("List = %d machines, %v, %v, want 20", len(list), bad, err)
	}
}

// Who depends on a machine's trust is told when it ends.
func TestTrustedHeld(t *testing.T) {
	key := newKey(t).Public()
	for name, change := range map[string]func(*trust.Trusted) error{
		"removed":      func(tr *trust.Trusted) error { _, err := tr.Remove("web"); return err },
		"other roles":  func(tr *trust.Trusted) error { return tr.Add(machine("web", key, "hub")) },
		"file deleted": func(tr *trust.Trusted) error { return os.Remove(tr.Path) },
	} {
		t.Run(name, func(t *testing.T) {
			trusted := newTrusted(t, "")
			add(t, trusted, machine("web", key, "send"))
			m, _ := trusted.Lookup(key)
			held, done := trusted.Held(context.Background(), m)
			defer done()
			add(t, trusted, machine("web", key, "send", "elsewhere:7447")) // only where it is
			add(t, trusted, machine("other", newKey(t).Public(), "send"))
			if held.Err() != nil {
				t.Error("it ended before anything was changed")
			}
			if err := change(trusted); err != nil {
				t.Fatal(err)
			}
			select {
			case <-held.Done():
			case <-within(t).Done():
				t.Error("it still holds")
			}
		})
	}
}
