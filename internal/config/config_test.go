package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

type settings struct {
	Watch struct {
		Targets []string `config:"targets" flag:"watch"`
		Poll    bool     `config:"poll" flag:"poll"`
	} `config:"watch"`
	HTTP struct {
		Listen string        `config:"listen" flag:"http" short:"l" arg:"ADDR:PORT" help:"where"`
		Plain  bool          `config:"plain" flag:"plain"`
		Token  string        `config:"token" secret:"true"`
		Wait   time.Duration `config:"wait" flag:"wait"`
		Budget Size          `config:"budget" flag:"budget"`
		Max    int           `config:"max" flag:"max"`
	} `config:"http"`
	TCP struct {
		Listen string `config:"listen"`
	} `config:"tcp"`
}

func defaults() *settings {
	s := new(settings)
	s.Watch.Targets = []string{"/var/log"}
	s.HTTP.Listen = "127.0.0.1:8080"
	s.HTTP.Wait = 90 * time.Second
	s.HTTP.Budget = 1 << 30
	return s
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// loadText loads what a file says, from a directory of its own, so that its path
// is its name.
func loadText(t *testing.T, text string) (*settings, *Loaded, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	s := defaults()
	l, err := Load(s, Sources{File: writeFile(t, "fairlead.toml", text)})
	return s, l, err
}

func TestKeys(t *testing.T) {
	var names []string
	for _, k := range Keys(defaults()) {
		names = append(names, k.Name)
	}
	want := "watch.targets watch.poll http.listen http.plain http.token http.wait http.budget http.max tcp.listen"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("Keys() = %s, want %s", got, want)
	}
	k := Keys(defaults())[2]
	k.field, k.kind = [2]int{}, none
	listen := Key{Name: "http.listen", Section: "http", Last: "listen", Env: "FAIRLEAD_HTTP_LISTEN", Flag: "http", Short: "l",
		Arg: "ADDR:PORT", Help: "where", Default: "127.0.0.1:8080", Text: true}
	if k != listen {
		t.Errorf("Keys()[2] = %+v, want %+v", k, listen)
	}
}

func TestKeysOfWhatAreNoSettings(t *testing.T) {
	type dup struct {
		A struct {
			X string `config:"x"`
			Y string `config:"x_file"`
		} `config:"a"`
	}
	type flagged struct {
		A struct {
			X string `config:"x" secret:"true" flag:"x"`
		} `config:"a"`
	}
	type odd struct {
		A struct {
			X []int `config:"x"`
		} `config:"a"`
	}
	for _, s := range []any{dup{}, flagged{}, odd{}, struct{ A string }{}, struct{ A struct{} }{}, 5} {
		func() {
			defer func() {
				if r, _ := recover().(string); !strings.HasPrefix(r, "bug: ") {
					t.Errorf("Keys(%T) panics with %q, want a bug", s, r)
				}
			}()
			Keys(s)
		}()
	}
}

func TestLayers(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "fairlead.toml", `# what we watch
watch = { targets = ["/a", "/b c"] }
tcp.listen = ":1"

[http]
listen = ":2"
wait = "1h"
max = 0x10
budget = "64MiB"
`)
	writeFile(t, "secret", "s3cret\n")
	s := defaults()
	l, err := Load(s, Sources{
		File: "fairlead.toml",
		Environ: []string{"FAIRLEAD_HTTP_LISTEN=:3", "FAIRLEAD_HTTP_TOKEN_FILE=secret", "FAIRLEAD_HTTP_WAIT=2h",
			"FAIRLEAD_HTTP_WAIT=9h", "PATH=/bin", "FAIRLEAD_TCP_LISTEN="},
		Flags: map[string][]string{"http.wait": {"1s", "3h"}, "watch.poll": {"1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Watch.Targets, want.Watch.Poll = []string{"/a", "/b c"}, true
	want.HTTP.Listen, want.HTTP.Token, want.HTTP.Wait = ":3", "s3cret", 3*time.Hour
	want.HTTP.Max, want.HTTP.Budget = 16, 64<<20
	if !reflect.DeepEqual(s, want) {
		t.Errorf("Load: %+v, want %+v", s, want)
	}
	for key, origin := range map[string]Origin{
		"watch.targets": {File, "fairlead.toml:2"},
		"watch.poll":    {Flag, "--poll"},
		"http.listen":   {Environment, "FAIRLEAD_HTTP_LISTEN"},
		"http.token":    {Environment, "FAIRLEAD_HTTP_TOKEN_FILE (secret)"},
		"http.wait":     {Flag, "--wait"},
		"http.max":      {File, "fairlead.toml:8"},
		"http.plain":    {Default, "default"},
		"tcp.listen":    {Environment, "FAIRLEAD_TCP_LISTEN"},
	} {
		if got := l.Origin(key); got != origin {
			t.Errorf("Origin(%s) = %v, want %v", key, got, origin)
		}
	}
	if path, keys, sections := l.File(); path != "fairlead.toml" || keys != 6 || sections != 3 {
		t.Errorf("File() = %s, %d, %d, want fairlead.toml, 6, 3", path, keys, sections)
	}
}

func TestPresent(t *testing.T) {
	s := defaults()
	t.Chdir(t.TempDir())
	l, err := Load(s, Sources{
		File:    writeFile(t, "f", "[http]\n"),
		Environ: []string{"FAIRLEAD_TCP_LISTEN=:1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for section, want := range map[string]bool{"http": true, "tcp": true, "watch": false} {
		if got := l.Present(section); got != want {
			t.Errorf("Present(%s) = %v, want %v", section, got, want)
		}
	}
}

func TestWrongLeavesSettings(t *testing.T) {
	s, l, err := loadText(t, "[http]\nlisten = \":9\"\nmax = true\n")
	if err == nil || l != nil || !reflect.DeepEqual(s, defaults()) {
		t.Errorf("Load = %v, %v and settings %+v, want an error and the defaults", l, err, s)
	}
}

func TestEnvironment(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "big", strings.Repeat("x", maxValue+1))
	writeFile(t, "list", "/a b\n\n/c\n")
	writeFile(t, "line", "/a b\n")
	writeFile(t, "two", "x\n\n")
	for _, c := range []struct {
		environ string // with | between
		want    string // what the error begins with, or nothing
		got     func(*settings) any
		value   any
	}{
		{environ: "FAIRLEAD_SERVICE_HOST=10.0.0.1|FAIRLEAD_PORT=tcp://10.0.0.1:80|FAIRLEAD_CONFIG=x|FAIRLEAD_STANDIN_QUIET=1"},
		{environ: "FAIRLEAD_HTTP_SERVICE_HOST=10.0.0.1|FAIRLEAD_HTTP_PORT=tcp://10.0.0.1:80|FAIRLEAD_HTTP_PORT_80_TCP_ADDR=1"},
		{environ: "FAIRLEAD_HTTP_PORT=8080", want: `FAIRLEAD_HTTP_PORT: there is no key "port" in [http]`},
		{environ: "FAIRLEAD_HTTP_LISEN=:1", want: "FAIRLEAD_HTTP_LISEN: there is no such variable: did you mean FAIRLEAD_HTTP_LISTEN?"},
		{environ: "FAIRLEAD_HTTP_TOKN_FILE=x", want: "FAIRLEAD_HTTP_TOKN_FILE: there is no such variable: did you mean FAIRLEAD_HTTP_TOKEN_FILE?"},
		{environ: "FAIRLEAD_TCP_POLL=1", want: `FAIRLEAD_TCP_POLL: there is no key "poll" in [tcp]: it belongs to [watch]`},
		{environ: "FAIRLEAD_HTTP_PLAIN=yes", want: "FAIRLEAD_HTTP_PLAIN=yes: want true, false, 1 or 0"},
		{environ: "FAIRLEAD_HTTP_PLAIN=", want: "FAIRLEAD_HTTP_PLAIN=: want true, false, 1 or 0"},
		{environ: "FAIRLEAD_HTTP_PLAIN=TRUE", want: "FAIRLEAD_HTTP_PLAIN=TRUE: want true, false, 1 or 0"},
		{environ: "FAIRLEAD_HTTP_MAX=0x10", want: "FAIRLEAD_HTTP_MAX=0x10: want a whole number"},
		{environ: "FAIRLEAD_HTTP_WAIT=a\x1bb", want: `FAIRLEAD_HTTP_WAIT="a\x1bb": want a number with its unit`},
		{environ: "FAIRLEAD_HTTP_TOKEN=a|FAIRLEAD_HTTP_TOKEN_FILE=two", want: "FAIRLEAD_HTTP_TOKEN: FAIRLEAD_HTTP_TOKEN_FILE is set too"},
		{environ: "FAIRLEAD_HTTP_TOKEN_FILE=", want: "FAIRLEAD_HTTP_TOKEN_FILE=: want the path of a file"},
		{environ: "FAIRLEAD_HTTP_TOKEN_FILE=none", want: "FAIRLEAD_HTTP_TOKEN_FILE=none: no such file"},
		{environ: "FAIRLEAD_HTTP_TOKEN_FILE=.", want: "FAIRLEAD_HTTP_TOKEN_FILE=.: this is a directory"},
		{environ: "FAIRLEAD_HTTP_TOKEN_FILE=/dev/zero", want: "FAIRLEAD_HTTP_TOKEN_FILE=/dev/zero: this is not a regular file"},
		{environ: "FAIRLEAD_HTTP_TOKEN_FILE=big", want: "FAIRLEAD_HTTP_TOKEN_FILE=big: this file is larger than 64KiB"},
		{environ: "FAIRLEAD_HTTP_TOKEN_FILE=two", got: func(s *settings) any { return s.HTTP.Token }, value: "x\n"},
		{environ: "FAIRLEAD_HTTP_LISTEN=", got: func(s *settings) any { return s.HTTP.Listen }, value: ""},
		{environ: "FAIRLEAD_HTTP_LISTEN=a|FAIRLEAD_HTTP_LISTEN=b", got: func(s *settings) any { return s.HTTP.Listen }, value: "a"},
		{environ: "FAIRLEAD_WATCH_TARGETS= /a  /b:c,d", got: func(s *settings) any { return s.Watch.Targets }, value: []string{"/a", "/b:c,d"}},
		{environ: "FAIRLEAD_WATCH_TARGETS=/a b\n", got: func(s *settings) any { return s.Watch.Targets }, value: []string{"/a b"}},
		{environ: "FAIRLEAD_WATCH_TARGETS=", got: func(s *settings) any { return s.Watch.Targets }, value: []string{}},
		{environ: "FAIRLEAD_WATCH_TARGETS_FILE=list", got: func(s *settings) any { return s.Watch.Targets }, value: []string{"/a b", "/c"}},
		{environ: "FAIRLEAD_WATCH_TARGETS_FILE=line", got: func(s *settings) any { return s.Watch.Targets }, value: []string{"/a b"}},
	} {
		s := defaults()
		_, err := Load(s, Sources{Environ: strings.Split(c.environ, "|")})
		switch {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)):
			t.Errorf("Load(%q) = %v, want %q", c.environ, err, c.want)
		case c.got != nil && !reflect.DeepEqual(c.got(s), c.value):
			t.Errorf("Load(%q): %#v, want %#v", c.environ, c.got(s), c.value)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		key, value, want string
	}{
		{"http.plain", "maybe", "--plain=maybe: want true, false, 1 or 0"},
		{"http.wait", "5", "--wait 5: want a number with its unit"},
		{"http.budget", "5M", "--budget 5M: want MiB, where 1 KiB is 1024 bytes, or MB"},
		{"http.max", "99999999999999999999", "--max 99999999999999999999: this number is too large"},
	} {
		_, err := Load(defaults(), Sources{Flags: map[string][]string{c.key: {c.value}}})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("Load(%s %s) = %v, want %s", c.key, c.value, err, c.want)
		}
	}
	s := defaults()
	if _, err := Load(s, Sources{Flags: map[string][]string{"watch.targets": {"/a b", "/c"}}}); err != nil || len(s.Watch.Targets) != 2 {
		t.Errorf("Load of two --watch: %q, %v, want two targets", s.Watch.Targets, err)
	}
}

func TestErrorf(t *testing.T) {
	t.Chdir(t.TempDir())
	s := defaults()
	l, err := Load(s, Sources{
		File:    writeFile(t, "f.toml", "[http]\nlisten = \":2\" # here\ntoken = \"hush\"\n"),
		Environ: []string{"FAIRLEAD_HTTP_MAX=7", "FAIRLEAD_TCP_LISTEN_FILE=" + writeFile(t, "l", ":3")},
		Flags:   map[string][]string{"http.plain": {"true"}, "http.wait": {"2s"}, "watch.targets": {"/a", "/b"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"http.listen":   "f.toml:2: taken by 5\n  2 | listen = \":2\" # here\n    |          ^^^^",
		"http.token":    "f.toml:3: taken by 5\n  3 | token = (secret)\n    |         ^^^^^^^^",
		"http.max":      "FAIRLEAD_HTTP_MAX=7: taken by 5",
		"tcp.listen":    "FAIRLEAD_TCP_LISTEN_FILE=l: taken by 5",
		"http.plain":    "--plain: taken by 5",
		"http.wait":     "--wait 2s: taken by 5",
		"watch.targets": "--watch /a --watch /b: taken by 5",
		"watch.poll":    "watch.poll = false (default): taken by 5",
	} {
		if got := l.Errorf(key, "taken by %d", 5); got.Error() != want {
			t.Errorf("Errorf(%s) = %v, want %s", key, got, want)
		}
	}
}

func TestErrorfOfASecretVariable(t *testing.T) {
	l, err := Load(defaults(), Sources{Environ: []string{"FAIRLEAD_HTTP_TOKEN=hush"}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := l.Errorf("http.token", "too short").Error(), "FAIRLEAD_HTTP_TOKEN: too short"; got != want {
		t.Errorf("Errorf(http.token) = %s, want %s", got, want)
	}
}

func TestValues(t *testing.T) {
	_, l, err := loadText(t, "[http]\ntoken = \"hush\"\nlisten = \"a\\\"\\u007f\\n\"\nbudget = 1000001\nwait = \"36h\"\n[watch]\ntargets = []")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"watch.targets": "[]", "watch.poll": "false", "http.listen": `"a\"\u007f\n"`, "http.plain": "false", "http.token": "(secret)",
		"http.wait": `"1d12h"`, "http.budget": "1000001", "http.max": "0", "tcp.listen": `""`,
	}
	for _, v := range l.Values() {
		if v.Text != want[v.Name] || v.Exact == v.Secret {
			t.Errorf("Values: %s is %s, exact: %v; want %s", v.Name, v.Text, v.Exact, want[v.Name])
		}
	}
}

func TestFind(t *testing.T) {
	home := t.TempDir()
	t.Chdir(home)
	for _, dir := range []string{"xdg/fairlead", ".config/fairlead", "unit"} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file := func(name string) string { return writeFile(t, filepath.Join(home, name), "") }
	xdg, user := file("xdg/fairlead/fairlead.toml"), file(".config/fairlead/fairlead.toml")
	unit, other := file("unit/fairlead.toml"), file("other.toml")
	environ := func(vars ...string) []string { return append(vars, "HOME="+home) }
	for _, c := range []struct {
		named   string
		environ []string
		want    string
	}{
		{other, environ("FAIRLEAD_CONFIG=" + unit), other},
		{"", environ("FAIRLEAD_CONFIG="+other, "CONFIGURATION_DIRECTORY="+home+"/unit"), other},
		{"", environ("CONFIGURATION_DIRECTORY=" + home + ":" + home + "/unit"), unit},
		{"", environ("CONFIGURATION_DIRECTORY="+home, "XDG_CONFIG_HOME="+home+"/xdg"), xdg},
		{"", environ("XDG_CONFIG_HOME=xdg"), user},
		{"", environ("FAIRLEAD_CONFIG="), user},
		{"/dev/null", environ("FAIRLEAD_CONFIG=" + unit), ""},
	} {
		if got, err := Find(c.named, c.environ); err != nil || got != c.want {
			t.Errorf("Find(%q, %q) = %q, %v, want %q", c.named, c.environ, got, err, c.want)
		}
	}
	for named, want := range map[string]string{
		"none": "none: there is no such file",
		"":     "FAIRLEAD_CONFIG=none: there is no such file",
	} {
		var e *Error
		if _, err := Find(named, environ("FAIRLEAD_CONFIG=none")); !errors.As(err, &e) || err.Error() != want {
			t.Errorf("Find(%q) = %v, want %s", named, err, want)
		}
	}
}
