package logwisp_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"fairlead/standin/logwisp"
)

// FuzzLoad: whatever is said, there is no panic, and either an error and nothing
// else or options that keep every promise.
func FuzzLoad(f *testing.F) {
	f.Add("--enable-tcp\n--tcp-port\n9090\n/var/log:*.log\n/app/logs:error*.log", "LOGWISP_TCPSERVER_PORT=9091", "")
	f.Add("-h", "", "")
	f.Add("a\n--config=/f\n--enable-http=false", "LOGWISP_MONITOR_TARGETS=a::true,b/,c:[x]**:no", "[tcpserver]\nenabled = true\nport = 1.0")
	f.Add("", "LOGWISP_HTTPSERVER_SSL_ENABLED=1\nLOGWISP_CONFIG_DIR=x", "[[monitor.targets]]\npath = '/'\n[httpserver]\nssl_cert_file = 'c'\nssl_key_file = 'k'")
	f.Add("--\n-", "LOGWISP_HTTPSERVER_HEARTBEAT_FORMAT=json", "\ufeffmonitor.targets = [{path = 'a', pattern = '}*', is_file = 0}]\r\nhttpserver.prot = 1979-05-27")
	f.Fuzz(func(t *testing.T, args, vars, file string) {
		env := world(map[string]string{}, map[string]string{homeFile: file, dir + "/x/logwisp.toml": file, "/f": file, "/var/log/a": ""})
		env.Getenv = func(name string) string {
			for pair := range strings.SplitSeq(vars, "\n") {
				if value, ok := strings.CutPrefix(pair, name+"="); ok {
					return value
				}
			}
			return ""
		}
		o, err := logwisp.Load(strings.Split(args, "\n"), env)
		switch {
		case err != nil && !same(o, logwisp.Options{}):
			t.Fatalf("Load = %+v, %v, want one of the two", o, err)
		case err != nil && strings.TrimSpace(err.Error()) == "":
			t.Fatalf("Load = %v, which says nothing", err)
		case err == nil && o.Help && !same(o, logwisp.Options{Help: true}):
			t.Fatalf("Load = %+v, want nothing but the help", o)
		case err == nil && !o.Help:
			if err := valid(o); err != nil {
				t.Fatalf("Load = %+v: %v", o, err)
			}
		}
	})
}

func valid(o logwisp.Options) error {
	var errs []error
	must := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New(what))
		}
	}
	must(o.CheckInterval >= 10*time.Millisecond, "the check interval is too small")
	must(o.TCP.Enabled || o.HTTP.Enabled, "no server")
	must(o.Targets != nil, "no targets")
	for _, s := range []logwisp.Server{o.TCP, o.HTTP} {
		must(s.Enabled || s == logwisp.Server{}, "a server that is off has values")
		must(!s.Enabled || s.Port >= 1 && s.Port <= 65535 && s.BufferSize > 0, "a port or a buffer size")
		must(!s.Heartbeat.Enabled && s.Heartbeat == logwisp.Heartbeat{} || s.Heartbeat.Interval >= time.Second, "a heartbeat")
		must((s.TLSCert == "") == (s.TLSKey == ""), "half of TLS")
	}
	must(o.TCP.Heartbeat.JSON == o.TCP.Heartbeat.Enabled, "a heartbeat over TCP that is not JSON")
	for _, t := range o.Targets {
		must(filepath.IsAbs(t.Path) && filepath.Clean(t.Path) == t.Path, "a path that is not absolute and clean")
		must(!strings.Contains(t.Path, ".."), "a path that goes up")
		must(!t.File || t.Pattern == "", "a file with a pattern")
		spec := t.Spec()
		must(doublestar.ValidatePattern(spec) || t.File || !strings.ContainsAny(t.Pattern, "*?"), "a spec that is not valid")
		must(t.File || strings.Count(spec, "/") == strings.Count(strings.TrimSuffix(t.Path, "/"), "/")+1, "a spec that looks into other directories")
		must(!strings.Contains(spec, "**"), "a spec that is recursive")
	}
	must(strings.HasPrefix(o.Native(), "fairlead up "), "no native words")
	return errors.Join(errs...)
}
