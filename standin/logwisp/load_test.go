package logwisp_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"fairlead/standin/logwisp"
)

// TestMessages has each message, word for word, from the file and, where there
// is a variable for it, from the environment.
func TestMessages(t *testing.T) {
	const on = "[tcpserver]\nenabled = true\n"
	for _, c := range []struct{ file, vars, want string }{
		{"monitor.check_interval_ms = 5", "LOGWISP_MONITOR_CHECK_INTERVAL_MS=5", "check interval too small: 5 ms"},
		{"monitor.check_interval_ms = -1", "LOGWISP_MONITOR_CHECK_INTERVAL_MS=-1", "check interval too small: -1 ms"},
		{"monitor.targets = []", "LOGWISP_MONITOR_TARGETS=,", "no monitor targets specified"},
		{"[[monitor.targets]]\n", "LOGWISP_MONITOR_TARGETS=:*.log", "target 0: empty path"},
		{"[[monitor.targets]]\npath = 'a'\n[[monitor.targets]]\npattern = '*'", "LOGWISP_MONITOR_TARGETS=a,:b", "target 1: empty path"},
		{"[[monitor.targets]]\npath = '../a'", "LOGWISP_MONITOR_TARGETS=../a", "target 0: path contains directory traversal"},
		{"[[monitor.targets]]\npath = 'a..b'", "LOGWISP_MONITOR_TARGETS=a..b", "target 0: path contains directory traversal"},
		{"[[monitor.targets]]\npath = 'a'\npattern = 'b/*'", "LOGWISP_MONITOR_TARGETS=a:b/*", "target 0: no file has a name that matches: b/*"},
		{"[[monitor.targets]]\npath = 'a'\npattern = '..'", "LOGWISP_MONITOR_TARGETS=a:..", "target 0: no file has a name that matches: .."},
		{"", "LOGWISP_MONITOR_TARGETS=a:b:true:d:e", "target 0: more than path:pattern:isfile: d:e"},
		{on + "port = 0", "LOGWISP_TCPSERVER_ENABLED=1 LOGWISP_TCPSERVER_PORT=0", "invalid TCP port: 0"},
		{on + "port = 65536", "LOGWISP_TCPSERVER_ENABLED=1 LOGWISP_TCPSERVER_PORT=65536", "invalid TCP port: 65536"},
		{"httpserver.port = 70000", "LOGWISP_HTTPSERVER_PORT=70000", "invalid HTTP port: 70000"},
		{on + "buffer_size = 0", "LOGWISP_TCPSERVER_ENABLED=1 LOGWISP_TCPSERVER_BUFFER_SIZE=0", "TCP buffer size must be positive: 0"},
		{"httpserver.buffer_size = 0", "LOGWISP_HTTPSERVER_BUFFER_SIZE=0", "HTTP buffer size must be positive: 0"},
		{
			on + "heartbeat = {enabled = true, interval_seconds = 0}",
			"LOGWISP_TCPSERVER_ENABLED=1 LOGWISP_TCPSERVER_HEARTBEAT_ENABLED=1 LOGWISP_TCPSERVER_HEARTBEAT_INTERVAL_SECONDS=0",
			"TCP heartbeat interval must be positive: 0",
		},
		{"httpserver.heartbeat.interval_seconds = 0", "LOGWISP_HTTPSERVER_HEARTBEAT_INTERVAL_SECONDS=0", "HTTP heartbeat interval must be positive: 0"},
		{
			on + "heartbeat = {enabled = true, format = 'x'}",
			"LOGWISP_TCPSERVER_ENABLED=1 LOGWISP_TCPSERVER_HEARTBEAT_ENABLED=1 LOGWISP_TCPSERVER_HEARTBEAT_FORMAT=x",
			"TCP heartbeat format must be 'json' or 'comment': x",
		},
		{"httpserver.heartbeat.format = 'JSON'", "LOGWISP_HTTPSERVER_HEARTBEAT_FORMAT=JSON", "HTTP heartbeat format must be 'json' or 'comment': JSON"},
		{
			"httpserver.ssl_enabled = true\nhttpserver.ssl_cert_file = 'c'",
			"LOGWISP_HTTPSERVER_SSL_ENABLED=1 LOGWISP_HTTPSERVER_SSL_CERT_FILE=c",
			"HTTP TLS (httpserver.ssl_enabled) needs both httpserver.ssl_cert_file and httpserver.ssl_key_file",
		},
		{
			on + "ssl_enabled = true\nssl_key_file = 'k'",
			"LOGWISP_TCPSERVER_ENABLED=1 LOGWISP_TCPSERVER_SSL_ENABLED=1 LOGWISP_TCPSERVER_SSL_KEY_FILE=k",
			"TCP TLS (tcpserver.ssl_enabled) needs both tcpserver.ssl_cert_file and tcpserver.ssl_key_file",
		},
		{"httpserver.enabled = false", "LOGWISP_HTTPSERVER_ENABLED=0", "No servers enabled. Enable at least one server in config."},
	} {
		vars := make(map[string]string)
		for _, pair := range strings.Fields(c.vars) {
			name, value, _ := strings.Cut(pair, "=")
			vars[name] = value
		}
		if c.file != "" {
			refuses(t, c.file, inHome(c.file), c.want)
		}
		refuses(t, c.vars, world(vars, nil), c.want)
	}
}

func refuses(t *testing.T, what string, env logwisp.Environment, want string, args ...string) {
	t.Helper()
	got, err := logwisp.Load(args, env)
	if err == nil || err.Error() != want || !same(got, logwisp.Options{}) {
		t.Errorf("%s: Load = %+v, %v, want nothing and %s", what, got, err, want)
	}
	if usage := (*logwisp.UsageError)(nil); errors.As(err, &usage) {
		t.Errorf("%s: Load = %v, a usage error, want one of the configuration", what, err)
	}
}

func TestNoServers(t *testing.T) {
	if _, err := logwisp.Load([]string{"--enable-http=false"}, world(nil, nil)); !errors.Is(err, logwisp.ErrNoServers) {
		t.Errorf("Load(--enable-http=false) = %v, want ErrNoServers", err)
	}
}

// TestLimits: what is just within is taken, also where it is written in another way.
func TestLimits(t *testing.T) {
	o := load(t, inHome(`
monitor.check_interval_ms = "10"
[tcpserver]
enabled = 1
port = 1
buffer_size = 1
heartbeat = {enabled = "t", interval_seconds = 1}
[httpserver]
port = 65535.0
heartbeat = {interval_seconds = 1e6}`))
	want := plain()
	want.CheckInterval, want.ConfigFile, want.Ignored = 10*time.Millisecond, homeFile, o.Ignored
	want.TCP = logwisp.Server{Enabled: true, Port: 1, BufferSize: 1}
	want.TCP.Heartbeat = logwisp.Heartbeat{Enabled: true, Interval: time.Second, Timestamp: true, JSON: true}
	want.HTTP.Port, want.HTTP.Heartbeat.Interval = 65535, 1e6*time.Second
	if !same(o, want) {
		t.Errorf("Load = %+v, want %+v", o, want)
	}
}

// TestUncheckedWhenOff: what is wrong with a server or a heartbeat that is off does no harm.
func TestUncheckedWhenOff(t *testing.T) {
	o := load(t, inHome(`
[tcpserver]
port = 0
buffer_size = -1
ssl_enabled = true
heartbeat = {enabled = true, interval_seconds = 0, format = "x"}
[httpserver.heartbeat]
enabled = false
interval_seconds = 0
format = "x"`))
	want := plain()
	want.ConfigFile, want.HTTP.Heartbeat = homeFile, logwisp.Heartbeat{}
	if !same(o, want) {
		t.Errorf("Load = %+v, want %+v", o, want)
	}
}

func TestBadFiles(t *testing.T) {
	parse := "failed to load config: failed to parse TOML config file '" + homeFile + "': "
	scan := "failed to scan config: " + homeFile + ": "
	for _, c := range []struct{ file, want string }{
		{"x", parse + "toml: line 1 (column 1): expected '=' after key"},
		{"\xef\xbb\xbf[a]\r\n[a]\r\n", parse + "toml: line 2 (column 2): table a already exists"},
		{"[monitor]\nx = 'a", parse + "toml: line 2 (column 6): unterminated literal string"},
		{"\x7fELF\x02\x01\x00", parse + "toml: line 1 (column 1): invalid character at start of key: U+007F"},
		{"a = \"\xff\"", parse + "toml: line 1 (column 6): invalid UTF-8 character in basic string"},
		{"\xff\xfea\x00", parse + "toml: line 1 (column 1): UTF-16, where UTF-8 is wanted"},
		{"a = " + strings.Repeat("[", 1<<20-4), parse + "toml: line 1 (column 10005): arrays and inline tables are nested more than the maximum of 10000 levels deep"},
		{strings.Repeat("\n", 1<<20+1), "failed to load config: failed to read config file '" + homeFile + "': it is larger than 1 MiB"},
		{"httpserver.port = 'abc'", scan + `cannot parse 'httpserver.port' as int: strconv.Atoi: parsing "abc": invalid syntax`},
		{"httpserver.port = 80.5", scan + `cannot parse 'httpserver.port' as int: strconv.Atoi: parsing "80.5": invalid syntax`},
		{"httpserver.port = []", scan + "cannot parse 'httpserver.port' as int: it is a list"},
		{"httpserver.port.x = 1", scan + "cannot parse 'httpserver.port' as int: it is a table"},
		{"httpserver.enabled = 'yes'", scan + `cannot parse 'httpserver.enabled' as bool: strconv.ParseBool: parsing "yes": invalid syntax`},
		{"httpserver.heartbeat.format = []", scan + "cannot parse 'httpserver.heartbeat.format' as string: it is a list"},
		{"httpserver = 5", scan + "cannot parse 'httpserver' as table: it is a number"},
		{"[[httpserver]]\nport = 1", scan + "cannot parse 'httpserver' as table: it is a list"},
		{"monitor = 2001-02-03", scan + "cannot parse 'monitor' as table: it is a time"},
		{"monitor.targets = 'a'", scan + "cannot parse 'monitor.targets' as list: it is a string"},
		{"monitor.targets = [{path = 'a'}, true]", scan + "cannot parse 'monitor.targets[1]' as table: it is a boolean"},
		{"monitor.targets = [{path = 'a', is_file = 'x'}]", scan + `cannot parse 'monitor.targets[0].is_file' as bool: strconv.ParseBool: parsing "x": invalid syntax`},
	} {
		refuses(t, c.file[:min(len(c.file), 80)], inHome(c.file), c.want)
	}
	refuses(t, "variable", world(map[string]string{"LOGWISP_TCPSERVER_PORT": "x"}, nil),
		`failed to scan config: LOGWISP_TCPSERVER_PORT: cannot parse 'tcpserver.port' as int: strconv.Atoi: parsing "x": invalid syntax`)
	refuses(t, "boolean variable", world(map[string]string{"LOGWISP_TCPSERVER_ENABLED": "on"}, nil),
		`failed to scan config: LOGWISP_TCPSERVER_ENABLED: cannot parse 'tcpserver.enabled' as bool: strconv.ParseBool: parsing "on": invalid syntax`)
}

func TestGoodFiles(t *testing.T) {
	want := plain()
	want.ConfigFile, want.HTTP.Port = homeFile, 81
	for _, file := range []string{
		"[httpserver]\r\nport = 81\r\n",
		"\ufeffhttpserver.port = 81",
		"httpserver = {port = 81}",
		"httpserver.port = '81'",
		"httpserver.port = 0x51",
		"httpserver.port = 81.0",
		"[httpserver]\nport = 81" + strings.Repeat("\n", 1<<20-24),
	} {
		if o := load(t, inHome(file)); !same(o, want) {
			t.Errorf("%.40q: Load = %+v, want %+v", file, o, want)
		}
	}
	empty := plain()
	empty.ConfigFile = homeFile
	if o := load(t, inHome("")); !same(o, empty) {
		t.Errorf("Load of an empty file = %+v, want %+v", o, empty)
	}
}

func TestWhichFile(t *testing.T) {
	all := map[string]string{homeFile: "", dir + "/logwisp.toml": "", dir + "/a.toml": "", "/etc/lw/a.toml": "", "/etc/lw/logwisp.toml": "", dir + "/lw/a.toml": ""}
	for _, c := range []struct{ args, file, dir, home, want string }{
		{"", "", "", home, homeFile},
		{"", "", "", "", dir + "/logwisp.toml"},
		{"", "", "/etc/lw", home, "/etc/lw/logwisp.toml"},
		{"", "a.toml", "", home, dir + "/a.toml"},
		{"", "a.toml", "/etc/lw", home, "/etc/lw/a.toml"},
		{"", "a.toml", "lw", home, dir + "/lw/a.toml"},
		{"", "/etc/lw/a.toml", "lw", home, "/etc/lw/a.toml"},
		{"--config a.toml", "", "", home, dir + "/a.toml"},
		{"--config a.toml", "b.toml", "", home, dir + "/a.toml"},
		{"--config a.toml", "", "/etc/lw", home, "/etc/lw/a.toml"},
		{"--config=/etc/lw/a.toml", "a.toml", "lw", home, "/etc/lw/a.toml"},
	} {
		env := world(map[string]string{"LOGWISP_CONFIG_FILE": c.file, "LOGWISP_CONFIG_DIR": c.dir}, all)
		env.Home = c.home
		if o := load(t, env, strings.Fields(c.args)...); o.ConfigFile != c.want {
			t.Errorf("%q, LOGWISP_CONFIG_FILE=%s, LOGWISP_CONFIG_DIR=%s, home %s: read %q, want %q", c.args, c.file, c.dir, c.home, o.ConfigFile, c.want)
		}
	}
}

// TestMissingFile: only that a named one is missing is an error.
func TestMissingFile(t *testing.T) {
	missing := "failed to load config: failed to read config file '" + dir + "/f': file does not exist"
	refuses(t, "--config", world(nil, nil), missing, "--config", "f")
	refuses(t, "variable", world(map[string]string{"LOGWISP_CONFIG_FILE": "f"}, nil), missing)
	for name, env := range map[string]logwisp.Environment{
		"home":      world(nil, nil),
		"directory": world(map[string]string{"LOGWISP_CONFIG_DIR": "/etc/lw"}, nil),
	} {
		if o := load(t, env); !same(o, plain()) {
			t.Errorf("%s: Load without a file = %+v, want %+v", name, o, plain())
		}
	}
}

// TestProcess reads with the real environment: a directory is no file.
func TestProcess(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	t.Chdir(home)
	for _, name := range []string{"LOGWISP_CONFIG_FILE", "LOGWISP_CONFIG_DIR", "LOGWISP_MONITOR_TARGETS"} {
		t.Setenv(name, "")
	}
	env, err := logwisp.Process()
	if err != nil {
		t.Fatal(err)
	}
	if o := load(t, env, "x.log"); o.ConfigFile != "" || len(o.Targets) != 1 || o.Targets[0].Path != env.Dir+string(os.PathSeparator)+"x.log" {
		t.Errorf("Load = %+v, want x.log in %s and no file", o, env.Dir)
	}
	if _, err := logwisp.Load([]string{"--config", home}, env); err == nil || !strings.HasPrefix(err.Error(), "failed to load config: failed to read config file '"+home+"': ") {
		t.Errorf("Load(--config DIR) = %v, want that it cannot be read", err)
	}
}

func TestTLS(t *testing.T) {
	o := load(t, inHome(`
[httpserver]
ssl_enabled = true
ssl_cert_file = "tls/cert.pem"
ssl_key_file = "/etc/tls/key.pem"
[tcpserver]
enabled = true
ssl_cert_file = "c.pem"`))
	want := plain()
	want.ConfigFile, want.TCP = homeFile, tcp()
	want.HTTP.TLSCert, want.HTTP.TLSKey = dir+"/tls/cert.pem", "/etc/tls/key.pem"
	want.Ignored = []string{"tcpserver.ssl_cert_file (" + homeFile + "): means nothing while ssl_enabled is false"}
	if !same(o, want) {
		t.Errorf("Load = %+v, want %+v", o, want)
	}
}

// TestIgnored: what is not read is said, with what was probably meant.
func TestIgnored(t *testing.T) {
	o := load(t, inHome(`
color = true
[tcpserver]
enabled = true
heartbeat = {enabled = true, format = "comment", interval_ms = 3}
[httpserver]
prot = 1
Port = 1
heartbeet = {enabled = false}
stream_path = "/s"
[monitors]
x = 1
[monitor]
target = []
[[monitor.targets]]
path = "a"
patern = "*"
"\u001b" = 1
[[streams]]
name = "x"`))
	var got []string
	for _, note := range o.Ignored {
		got = append(got, strings.Replace(note, " ("+homeFile+")", "", 1))
	}
	want := []string{
		"color: unknown",
		"httpserver.Port: unknown; did you mean httpserver.port?",
		"httpserver.heartbeet: unknown; did you mean httpserver.heartbeat?",
		"httpserver.prot: unknown; did you mean httpserver.port?",
		"httpserver.stream_path: unknown",
		"monitor.target: unknown; did you mean monitor.targets?",
		`"monitor.targets[0].\x1b": unknown`,
		"monitor.targets[0].patern: unknown; did you mean monitor.targets[0].pattern?",
		"monitors: unknown; did you mean monitor?",
		"streams: unknown",
		"tcpserver.heartbeat.interval_ms: unknown",
		"tcpserver.heartbeat.format: means nothing: heartbeats over TCP are JSON",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("ignored\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if o.HTTP.Port != 8080 || !o.HTTP.Heartbeat.Enabled || len(o.Targets) != 1 || !o.TCP.Heartbeat.JSON {
		t.Errorf("Load = %+v, want it as if the unknown were not there", o)
	}
}

// TestDocuments reads LogWisp's own files, byte for byte.
func TestDocuments(t *testing.T) {
	beat := func(s logwisp.Server, json bool) logwisp.Server {
		s.Heartbeat = logwisp.Heartbeat{Enabled: true, Interval: 2 * time.Second, Timestamp: true, Stats: true, JSON: json}
		return s
	}
	sample, readme, heartbeat := plain(), plain(), plain()
	sample.Targets = []logwisp.Target{{Path: dir + "/logs", Pattern: "*.log"}}
	sample.TCP, sample.HTTP = beat(tcp(), true), beat(plain().HTTP, false)
	sample.TCP.Port, sample.HTTP.Port = 19090, 18080
	heartbeat.HTTP = beat(heartbeat.HTTP, true)
	heartbeat.HTTP.Heartbeat.Interval = 30 * time.Second
	for name, want := range map[string]logwisp.Options{
		"logwisp.toml": sample, "readme.toml": readme, "readme-heartbeat.toml": heartbeat,
	} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		got := load(t, inHome(string(text)))
		got.Ignored, want.ConfigFile = nil, homeFile // each sets buffer sizes
		if !same(got, want) {
			t.Errorf("%s: Load =\n%+v, want\n%+v", name, got, want)
		}
	}
}

// TestLongTimes: what no time.Duration can hold is the longest.
func TestLongTimes(t *testing.T) {
	o := load(t, inHome("monitor.check_interval_ms = 2147483647\nhttpserver.heartbeat.interval_seconds = 2147483647"))
	if o.CheckInterval != 2147483647*time.Millisecond || o.HTTP.Heartbeat.Interval != 2147483647*time.Second {
		t.Errorf("Load = %v, %v, want 2147483647 ms and s", o.CheckInterval, o.HTTP.Heartbeat.Interval)
	}
	if ^uint(0)>>32 == 0 {
		return // an int holds no more
	}
	o = load(t, inHome("monitor.check_interval_ms = 9223372036854775807\nhttpserver.heartbeat.interval_seconds = 9223372036854775807"))
	if min(o.CheckInterval, o.HTTP.Heartbeat.Interval) < 290*365*24*time.Hour {
		t.Errorf("Load = %v, %v, want centuries", o.CheckInterval, o.HTTP.Heartbeat.Interval)
	}
}
