package logfile_test

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"fairlead/logfile"
)

// tree makes files with a content each; a name that ends in / is a directory,
// a content that begins with -> a symlink.
func tree(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		to, link := strings.CutPrefix(content, "->")
		switch {
		case strings.HasSuffix(name, "/"):
			must(t, os.MkdirAll(path, 0o755))
		case link:
			must(t, os.Symlink(to, path))
		default:
			must(t, os.WriteFile(path, []byte(content), 0o644))
		}
	}
	return dir
}

// varLog is a directory as they are.
var varLog = map[string]string{
	"syslog":                    "a line\n",
	"syslog.1":                  "an older line\n",
	"syslog.2.gz":               "\x1f\x8b",
	"auth.log":                  "a line\n",
	"auth.log-20261113":         "an older line\n",
	"kept.log.1":                "an older line of what is no more\n",
	"dpkg.log.zst":              "x",
	"wtmp":                      "\x00\x01",
	"btmp":                      "",
	"lastlog":                   "\x00",
	"journal/0a/system.journal": "LPKSHHRH",
	"nginx/access.log":          "a line\n",
	"nginx/access.log.1":        "an older line\n",
	"nginx/deep/er/x.log":       "a line\n",
	"core.dump":                 "\x7fELF\x00\x00",
	"utf16.log":                 "\xff\xfea\x00\n\x00",
	"notes~":                    "a line\n",
	".hidden":                   "a line\n",
	".git/config":               "a line\n",
	"empty.log":                 "",
	"link.log":                  "->syslog",
	"dangling.log":              "->nothing",
	"dir.log/":                  "",
}

// What targets cover.
func TestAdd(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symlinks need a privilege on Windows")
	}
	dir := tree(t, varLog)
	tests := map[string][]string{
		"":      {"auth.log", "empty.log", "kept.log.1", "nginx/access.log", "nginx/deep/er/x.log", "syslog", "utf16.log"},
		"nginx": {"nginx/access.log", "nginx/deep/er/x.log"},
		"*": {
			".hidden", "auth.log", "btmp", "core.dump", "dangling.log", "empty.log", "kept.log.1", "lastlog", "link.log", "notes~",
			"syslog", "utf16.log", "wtmp",
		},
		"*.log":             {"auth.log", "dangling.log", "empty.log", "link.log", "utf16.log"},
		"**/*.log":          {"auth.log", "dangling.log", "empty.log", "link.log", "nginx/access.log", "nginx/deep/er/x.log", "utf16.log"},
		"nginx/*":           {"nginx/access.log"},
		"nginx/**":          {"nginx/access.log", "nginx/deep/er/x.log"},
		"{syslog,auth.log}": {"auth.log", "syslog"},
		"sys?og":            {"syslog"},
		"[sw]*":             {"syslog", "wtmp"},
		"*.gz":              nil, // it is older than syslog, beside it
		"*.zst":             {"dpkg.log.zst"},
		"no/such/*.log":     nil,
		"wtmp":              {"wtmp"}, // what is named is followed, whatever it is
		"syslog.1":          {"syslog.1"},
		"syslog.2.gz":       {"syslog.2.gz"},
		"link.log":          {"link.log"},
		"not/yet/there.log": {"not/yet/there.log"},
	}
	for target, want := range tests {
		t.Run("target="+target, func(t *testing.T) {
			set := new(logfile.Set)
			must(t, set.Add(filepath.Join(dir, target)))
			if got := below(dir, set); !slices.Equal(got, want) {
				t.Errorf("Add(%q): logs %q, want %q", target, got, want)
			}
		})
	}
}

func below(dir string, set *logfile.Set) (names []string) {
	for _, l := range set.Logs() {
		names = append(names, strings.TrimPrefix(l.Name(), dir+"/"))
	}
	return names
}

// A name that could be a glob is one only if there is no file of that name and
// no backslash says otherwise.
func TestAddLiteral(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a backslash separates on Windows")
	}
	dir := tree(t, map[string]string{"there[1].log": "", "there1.log": "", "d[1]/x.log": "", "link*": "->nothing"})
	tests := map[string][]string{
		"there[1].log":                             {"there[1].log"},
		"there[12].log":                            {"there1.log"},
		"link*":                                    {"link*"},
		`d\[1]/*.log`:                              {"d[1]/x.log"},
		`a\b.log`:                                  {`a\b.log`},
		`not-yet\[1\].log`:                         {"not-yet[1].log"},
		logfile.Literal("there[1].log"):            {"there[1].log"},
		logfile.Literal("app[1]*{?}.log"):          {"app[1]*{?}.log"},
		logfile.Literal(`back\slash[`):             {`back\slash[`},
		logfile.Literal(`back\slash`):              {`back\slash`},
		logfile.Literal("d[2]/not/yet/there*.log"): {"d[2]/not/yet/there*.log"},
	}
	for target, want := range tests {
		set := new(logfile.Set)
		must(t, set.Add(dir+"/"+target))
		if got := below(dir, set); !slices.Equal(got, want) {
			t.Errorf("Add(%q): logs %q, want %q", target, got, want)
		}
	}
	t.Chdir(filepath.Join(dir, "d[1]")) // what the directory is called makes no glob of a name
	for _, name := range []string{"y.log", "y[.log"} {
		set := new(logfile.Set)
		must(t, set.Add(logfile.Literal(name)))
		if got, want := below(dir, set), []string{"d[1]/" + name}; !slices.Equal(got, want) {
			t.Errorf("Add(%q) in d[1]: logs %q, want %q", name, got, want)
		}
	}
}

// Targets that overlap give each log once.
func TestAddOverlapping(t *testing.T) {
	dir := tree(t, map[string]string{"a.log": "", "b.log": "", "b.log.1": "", "deep/c.log": ""})
	set := new(logfile.Set)
	for _, target := range []string{"a.log", "", "*.log", "b.log.1", "deep/*", "a.log"} {
		must(t, set.Add(filepath.Join(dir, target)))
	}
	if got, want := below(dir, set), []string{"a.log", "b.log", "b.log.1", "deep/c.log"}; !slices.Equal(got, want) {
		t.Errorf("logs %q, want %q", got, want)
	}
}

func TestAddErrors(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no devices and sockets in the file system")
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "socket")
	ln, err := net.Listen("unix", socket)
	must(t, err)
	defer ln.Close()
	tests := map[string]string{
		os.DevNull:                  "is a device, not a file that grows",
		socket:                      "is a socket, not a file that grows",
		filepath.Join(dir, "[a-"):   "not a valid pattern",
		filepath.Join(dir, "{a,b"):  "not a valid pattern",
		filepath.Join(dir, "x[]y*"): "not a valid pattern",
	}
	for target, want := range tests {
		set := new(logfile.Set)
		if err := set.Add(target); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), target) {
			t.Errorf("Add(%q) = %v, want %q", target, err, want)
		}
		if logs := set.Logs(); len(logs) != 0 {
			t.Errorf("Add(%q): %d logs, want none", target, len(logs))
		}
	}
}

// Why says of each file why it is, or is not, collected.
func TestWhy(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symlinks need a privilege on Windows")
	}
	dir := tree(t, varLog)
	set := &logfile.Set{Skip: []string{filepath.Join(dir, "journal")}}
	must(t, set.Add(dir))
	must(t, set.Add(filepath.Join(dir, "not-yet.log")))
	elsewhere := tree(t, map[string]string{"x.log": "", "x.txt": "", "x.gz": ""})
	must(t, set.Add(filepath.Join(elsewhere, "*.log")))
	tests := []struct {
		path      string
		collected bool
		rule      string
		cure      bool
	}{
		{dir + "/syslog", true, "it is in the directory", false},
		{dir + "/nginx/deep/er/x.log", true, "it is in the directory", false},
		{dir + "/nginx/../syslog", true, "it is in the directory", false},
		{dir + "/not-yet.log", true, "does not exist yet", false},
		{elsewhere + "/x.log", true, "it matches the glob", false},
		{elsewhere + "/x.txt", false, "does not match the glob", false},
		{dir + "/syslog.1", false, "an older generation of syslog beside it", true},
		{dir + "/nginx/access.log.1", false, "an older generation of access.log beside it", true},
		{dir + "/syslog.2.gz", false, "it is compressed", true},
		{dir + "/wtmp", false, "a binary log of another program", true},
		{dir + "/core.dump", false, "it is binary", true},
		{dir + "/notes~", false, "an editor's backup", true},
		{dir + "/.hidden", false, "it is hidden", true},
		{dir + "/.git/config", false, "it is hidden", true},
		{dir + "/link.log", false, "a symlink in a directory target", true},
		{dir + "/journal/0a/system.journal", false, "Fairlead itself writes to", false},
		{dir + "/nginx", false, "it is a directory", true},
		{dir + "/no-such.log", false, "there is no such file", true},
		{"/no/such/file", false, "there is no such file", true},
		{os.Args[0], false, "no target covers it", true},
	}
	for _, tt := range tests {
		w := set.Why(tt.path)
		if w.Collected != tt.collected || !strings.Contains(w.Rule, tt.rule) || (w.Cure != "") != tt.cure {
			t.Errorf("Why(%s) = %+v, want collected %v, rule %q, a cure: %v", tt.path, w, tt.collected, tt.rule, tt.cure)
		}
		if (w.Log != nil) != tt.collected {
			t.Errorf("Why(%s).Log = %v, want one if it is collected", tt.path, w.Log)
		}
	}
	if w := set.Why(dir + "/syslog.1"); w.OlderOf == nil || w.OlderOf.Name() != dir+"/syslog" || w.Target != dir {
		t.Errorf("Why(syslog.1) = %+v, want the log that it is older of, by target %s", w, dir)
	}
}
