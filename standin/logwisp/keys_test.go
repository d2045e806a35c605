package logwisp

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestPrecedence goes over the table: of each key a flag goes before the
// environment, that before the file, and that before the default.
func TestPrecedence(t *testing.T) {
	var names []string
	pristine := defaults()
	for i, k := range pristine.keys() {
		names = append(names, k.name)
		given := []string{"1111", "2222", "3333", "4444"} // file, environment, older flag, flag
		if k.kind() == "bool" {
			was := value(k)
			given = []string{fmt.Sprint(was == "false"), was, "", fmt.Sprint(was == "false")}
		}
		var said struct {
			file, env string
			args      []string
		}
		expect := func(who, want string) {
			t.Helper()
			s, err := loadSettings(said.args, said.env, said.file, k)
			if err != nil {
				t.Fatalf("%s from %s: %v", k.name, who, err)
			}
			if got := value(s.keys()[i]); got != want {
				t.Errorf("%s = %s, want that of the %s, %s", k.name, got, who, want)
			}
			for j, other := range s.keys() {
				if got, want := value(other), value(pristine.keys()[j]); j != i && got != want {
					t.Errorf("%s from %s: %s became %s, want still %s", k.name, who, other.name, got, want)
				}
			}
		}
		expect("default", value(k))
		toml := given[0]
		if k.kind() == "string" {
			toml = `"` + toml + `"`
		}
		for _, said.file = range []string{k.name + " = " + toml, nested(k.name, toml)} {
			expect("file", given[0])
		}
		said.env = given[1]
		expect("environment", given[1])
		for n := len(k.flags) - 1; n >= 0; n-- {
			said.args = append(said.args, "--"+k.flags[n]+"="+given[3-n])
			expect("flag --"+k.flags[n], given[3-n])
		}
		said.env, said.file = "", ""
		if len(k.flags) > 0 {
			expect("flag alone", given[3])
		}
	}
	if want := 23; len(names) != want {
		t.Errorf("there are %d keys, want %d: %s", len(names), want, names)
	}
}

// nested writes a key below the header of its table.
func nested(name, value string) string {
	i := strings.LastIndex(name, ".")
	return fmt.Sprintf("[%s]\r\n%s = %s\r\n", name[:i], name[i+1:], value)
}

func value(k key) string { return fmt.Sprint(reflect.ValueOf(k.place).Elem()) }

func loadSettings(args []string, variable, file string, k key) (settings, error) {
	env := Environment{
		Getenv: func(name string) string {
			if name == k.variable() {
				return variable
			}
			return ""
		},
		Dir:  "/",
		Open: func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(file)), nil },
		Stat: func(string) (fs.FileInfo, error) { return nil, os.ErrNotExist },
	}
	r, err := read(args, env)
	return r.settings, err
}

func TestVariables(t *testing.T) {
	got := make(map[string]bool)
	s := defaults()
	for _, k := range s.keys() {
		got[k.variable()] = true
	}
	for _, want := range strings.Fields(`LOGWISP_MONITOR_CHECK_INTERVAL_MS
		LOGWISP_TCPSERVER_ENABLED LOGWISP_TCPSERVER_PORT LOGWISP_TCPSERVER_BUFFER_SIZE
		LOGWISP_TCPSERVER_SSL_ENABLED LOGWISP_TCPSERVER_SSL_CERT_FILE LOGWISP_TCPSERVER_SSL_KEY_FILE
		LOGWISP_TCPSERVER_HEARTBEAT_ENABLED LOGWISP_TCPSERVER_HEARTBEAT_INTERVAL_SECONDS
		LOGWISP_TCPSERVER_HEARTBEAT_INCLUDE_TIMESTAMP LOGWISP_TCPSERVER_HEARTBEAT_INCLUDE_STATS LOGWISP_TCPSERVER_HEARTBEAT_FORMAT
		LOGWISP_HTTPSERVER_ENABLED LOGWISP_HTTPSERVER_PORT LOGWISP_HTTPSERVER_BUFFER_SIZE
		LOGWISP_HTTPSERVER_SSL_ENABLED LOGWISP_HTTPSERVER_SSL_CERT_FILE LOGWISP_HTTPSERVER_SSL_KEY_FILE
		LOGWISP_HTTPSERVER_HEARTBEAT_ENABLED LOGWISP_HTTPSERVER_HEARTBEAT_INTERVAL_SECONDS
		LOGWISP_HTTPSERVER_HEARTBEAT_INCLUDE_TIMESTAMP LOGWISP_HTTPSERVER_HEARTBEAT_INCLUDE_STATS LOGWISP_HTTPSERVER_HEARTBEAT_FORMAT`) {
		if !got[want] {
			t.Errorf("no key has the variable %s", want)
		}
		delete(got, want)
	}
	for extra := range got {
		t.Errorf("a key has the variable %s, which LogWisp had not", extra)
	}
}

func TestDefaults(t *testing.T) {
	s := defaults()
	var got []string
	for _, k := range s.keys() {
		got = append(got, k.name+"="+value(k))
	}
	want := strings.Fields(`monitor.check_interval_ms=100
		tcpserver.enabled=false tcpserver.port=9090 tcpserver.buffer_size=1000
		tcpserver.ssl_enabled=false tcpserver.ssl_cert_file= tcpserver.ssl_key_file=
		tcpserver.heartbeat.enabled=false tcpserver.heartbeat.interval_seconds=30
		tcpserver.heartbeat.include_timestamp=true tcpserver.heartbeat.include_stats=false tcpserver.heartbeat.format=json
		httpserver.enabled=true httpserver.port=8080 httpserver.buffer_size=1000
		httpserver.ssl_enabled=false httpserver.ssl_cert_file= httpserver.ssl_key_file=
		httpserver.heartbeat.enabled=true httpserver.heartbeat.interval_seconds=30
		httpserver.heartbeat.include_timestamp=true httpserver.heartbeat.include_stats=false httpserver.heartbeat.format=comment`)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("defaults are\n%v, want\n%v", got, want)
	}
}
