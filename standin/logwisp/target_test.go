package logwisp_test

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/bmatcuk/doublestar/v4"

	"fairlead/logfile"
	"fairlead/standin/logwisp"
)

// TestTargets reads each form from the command line and from the environment.
func TestTargets(t *testing.T) {
	files := map[string]string{dir + "/here/": "", dir + "/here/sub/": "", dir + "/here.log": "", dir + "/here/a": "", "/var/log/syslog": ""}
	all := func(path, pattern string) logwisp.Target { return logwisp.Target{Path: path, Pattern: pattern} }
	file := func(path string) logwisp.Target { return logwisp.Target{Path: path, File: true} }
	for _, c := range []struct {
		text string
		want logwisp.Target
	}{
		{"here", all(dir+"/here", "*.log")},
		{"here/", all(dir+"/here", "*.log")},
		{"./", all(dir, "*.log")},
		{".", all(dir, "*.log")},
		{"/", all("/", "*.log")},
		{"/var/log", all("/var/log", "*.log")},
		{"here.log", file(dir + "/here.log")},
		{"/var/log/syslog", file("/var/log/syslog")},
		{"gone", file(dir + "/gone")},
		{"gone.log", file(dir + "/gone.log")},
		{"gone/", all(dir+"/gone", "*.log")},
		{"here:", all(dir+"/here", "*.log")},
		{"here:app-*.txt", all(dir+"/here", "app-*.txt")},
		{"here:*.log:false", all(dir+"/here", "*.log")},
		{"here::false", all(dir+"/here", "*.log")},
		{"here:*:TRUE", all(dir+"/here", "*")},
		{"here:*:1", all(dir+"/here", "*")},
		{"here:*:", all(dir+"/here", "*")},
		{"here.log::true", file(dir + "/here.log")},
		{"gone/::true", file(dir + "/gone")},
		{"here.log:*.x:true", file(dir + "/here.log")},
		{"here:a", all(dir+"/here", "a")},
		{"here.log:*", all(dir+"/here.log", "*")}, // a file given as a directory: nothing is in it
	} {
		want := []logwisp.Target{c.want}
		if got := load(t, world(nil, files), c.text).Targets; !slices.Equal(got, want) {
			t.Errorf("Load(%q) has targets %+v, want %+v", c.text, got, want)
		}
		vars := map[string]string{"LOGWISP_MONITOR_TARGETS": c.text}
		if got := load(t, world(vars, files)).Targets; !slices.Equal(got, want) {
			t.Errorf("LOGWISP_MONITOR_TARGETS=%s: Load has targets %+v, want %+v", c.text, got, want)
		}
	}
	for text, want := range map[string]string{
		"here::true": "target 0: a directory, not a file: " + dir + "/here",
		"here:sub":   "target 0: a directory, not a file: " + dir + "/here/sub",
	} {
		refuses(t, text, world(nil, files), want, text)
	}
	refuses(t, "empty argument", world(nil, files), "target 0: empty path", "")
}

// TestLists: a list replaces a whole list; in a file an empty pattern is every name.
func TestLists(t *testing.T) {
	const inFile = `
[[monitor.targets]]
path = "f"
[[monitor.targets]]
path = "/f/x.log"
pattern = "*"
is_file = true
[[monitor.targets]]
path = "f"
pattern = "*.txt"`
	vars := map[string]string{}
	env := world(vars, map[string]string{homeFile: inFile})
	expect := func(who string, want []logwisp.Target, args ...string) {
		t.Helper()
		if got := load(t, env, args...).Targets; !slices.Equal(got, want) {
			t.Errorf("%s: Load has targets %+v, want %+v", who, got, want)
		}
	}
	expect("file", []logwisp.Target{{Path: dir + "/f"}, {Path: "/f/x.log", File: true}, {Path: dir + "/f", Pattern: "*.txt"}})
	vars["LOGWISP_MONITOR_TARGETS"] = "/e1:*.txt:false, /e2::true,,"
	expect("environment", []logwisp.Target{{Path: "/e1", Pattern: "*.txt"}, {Path: "/e2", File: true}})
	expect("command line", []logwisp.Target{{Path: "/a", Pattern: "*.log"}, {Path: "/a", Pattern: "*.log"}}, "/a:*.log", "--port=1", "/a:")
	delete(vars, "LOGWISP_MONITOR_TARGETS")
	env = inHome("[monitor.targets]\npath = 'one'")
	expect("one table", []logwisp.Target{{Path: dir + "/one"}})
	env = world(nil, map[string]string{"/var/log/": "", "/app/logs/": ""})
	expect("README", []logwisp.Target{{Path: "/var/log", Pattern: "*.log"}, {Path: "/app/logs", Pattern: "error*.log"}},
		"/var/log:*.log", "/app/logs:error*.log")
}

func TestSpec(t *testing.T) {
	for _, c := range []struct{ path, pattern, want string }{
		{"/var/log", "*.log", "/var/log/*.log"},
		{"/var/log", "", "/var/log/*"},
		{"/var/log", "**", "/var/log/*"},
		{"/var/log", "a***?", "/var/log/a*?"},
		{"/var/log", "syslog", "/var/log/syslog"},
		{"/", "*", "/*"},
		{"/a*b/[c]", "{d,e}[!f]*", `/a\*b/\[c\]/\{d,e\}\[!f\]*`},
		{`/a\b`, `c\*`, `/a[\\]b/c\\*`},
		{"/a", "[b]", `/a/\[b]`},
	} {
		if got := (logwisp.Target{Path: c.path, Pattern: c.pattern}).Spec(); got != c.want {
			t.Errorf("Spec of %s:%s = %s, want %s", c.path, c.pattern, got, c.want)
		}
	}
	if got := (logwisp.Target{Path: "/a/{b}.log", File: true}).Spec(); got != `/a/\{b}.log` {
		t.Errorf(`Spec of a file = %s, want /a/\{b}.log`, got)
	}
}

// oldMatch is LogWisp's own idea of a pattern, the slow way.
func oldMatch(pattern, name string) bool {
	switch {
	case pattern == "":
		return name == ""
	case pattern[0] == '*':
		return oldMatch(pattern[1:], name) || name != "" && oldMatch(pattern, name[1:])
	}
	return name != "" && (pattern[0] == '?' || pattern[0] == name[0]) && oldMatch(pattern[1:], name[1:])
}

// TestSpecMatches compares, over real files in directories of odd names, what
// LogWisp matched with what doublestar and a logfile.Set make of the spec.
func TestSpecMatches(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no such names")
	}
	names := []string{
		"a.log", "b.log", "app.log.txt", ".log", ".hidden", ".hidden.log", "a", "ab", "a]b", "[a].log", "[a-z]", "{a,b}.log",
		"{", "}", "]", "[", "!", `a\b.log`, `\`, `\\`, `\*`, "*.txt", "**", "?", "a b", "é.log", "^a", "[!a]", "a,b",
	}
	patterns := append([]string{
		"", "*", "**", "*.log", "?", "??", ".*", "[a].log", "[a]*", "[a-z]*", "{a,b}.log", "{a,b}*", "{*", "*}", "*]", "[*", "!*",
		`\*`, `*\*`, `?\b*`, `\?`, "a*b", "a**b", "**b", "*a*", "[!a]?", "*,*", "nothing*", "^*",
	}, names...)
	for _, parent := range []string{"plain", "[d]", "{d,e}", "*", "?d", `d\e`, "d]}", ".d"} {
		dir := filepath.Join(t.TempDir(), parent)
		for _, name := range names {
			writeFile(t, filepath.Join(dir, name))
		}
		writeFile(t, filepath.Join(dir, "sub", "a.log"))
		writeFile(t, filepath.Join(dir, "sub.log", "b.log"))
		for _, pattern := range patterns {
			var want []string
			for _, name := range names {
				if oldMatch(pattern, name) || pattern == "" {
					want = append(want, filepath.Join(dir, name))
				}
			}
			slices.Sort(want)
			target := logwisp.Target{Path: dir, Pattern: pattern}
			if strings.ContainsAny(pattern, "*?") || pattern == "" {
				if got := matches(t, target.Spec()); !slices.Equal(got, want) {
					t.Errorf("doublestar: %s:%s (%s) matches %q, want %q", dir, pattern, target.Spec(), got, want)
				}
			}
			if spec := filepath.Base(target.Spec()); strings.ContainsAny(spec, "*?") && slices.Contains(names, spec) {
				continue // logfile takes the file of that very name
			}
			if got := follows(t, target.Spec()); !slices.Equal(got, want) {
				t.Errorf("logfile: %s:%s (%s) follows %q, want %q", dir, pattern, target.Spec(), got, want)
			}
		}
		for _, name := range names {
			target := logwisp.Target{Path: filepath.Join(dir, name), File: true}
			if got := follows(t, target.Spec()); !slices.Equal(got, []string{target.Path}) {
				t.Errorf("logfile: the file %s (%s) is %q", target.Path, target.Spec(), got)
			}
		}
	}
}

func writeFile(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("line\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func matches(t *testing.T, spec string) []string {
	t.Helper()
	found, err := doublestar.FilepathGlob(spec, doublestar.WithFilesOnly())
	if err != nil {
		t.Fatalf("%s: %v", spec, err)
	}
	slices.Sort(found)
	return found
}

func follows(t *testing.T, spec string) []string {
	t.Helper()
	set := new(logfile.Set)
	if err := set.Add(spec); err != nil {
		t.Fatalf("Add(%s): %v", spec, err)
	}
	var found []string
	for _, l := range set.Logs() {
		found = append(found, l.Name())
	}
	slices.Sort(found)
	return found
}
