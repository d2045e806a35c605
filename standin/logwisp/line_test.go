package logwisp_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"fairlead/standin/logwisp"
)

func TestCommandLine(t *testing.T) {
	with := func(change func(*logwisp.Options)) logwisp.Options {
		o := plain()
		change(&o)
		return o
	}
	port := func(n int) logwisp.Options { return with(func(o *logwisp.Options) { o.HTTP.Port = n }) }
	withTCP := with(func(o *logwisp.Options) { o.TCP = tcp() })
	tcpOnly := with(func(o *logwisp.Options) { o.TCP, o.HTTP = tcp(), logwisp.Server{} })
	tcpPort := with(func(o *logwisp.Options) { o.TCP = tcp(); o.TCP.Port = 9191 })
	interval := with(func(o *logwisp.Options) { o.CheckInterval = 250 * time.Millisecond })
	waited := func(o logwisp.Options, name string) logwisp.Options {
		o.Targets = []logwisp.Target{{Path: dir + "/" + name, File: true}}
		return o
	}
	for _, c := range []struct {
		args string
		want logwisp.Options
	}{
		{"", plain()},
		{"--enable-http", plain()},
		{"--enable-http=true", plain()},
		{"--enable-tcp", withTCP},
		{"-enable-tcp", withTCP},
		{"-enable-tcp=1", withTCP},
		{"--enable-tcp=false", plain()},
		{"--enable-http=false --enable-tcp", tcpOnly},
		{"--enable-http=F --enable-tcp=T", tcpOnly},
		{"--enable-http=false --enable-http", plain()},
		{"--enable-tcp --tcp-port 9191", tcpPort},
		{"--tcp-port=9191 -enable-tcp", tcpPort},
		{"--enable-tcp --tcp-port 0", with(func(o *logwisp.Options) {
			o.TCP, o.Ignored = tcp(), []string{"--tcp-port 0: a number at or below 0 counts as not given"}
		})},
		{"--http-port 80", port(80)},
		{"-http-port 80", port(80)},
		{"--http-port=80", port(80)},
		{"--http-port 79 --http-port 80", port(80)},
		{"--http-port 0x50", port(80)},
		{"--port 80", port(80)},
		{"--http-port 80 --port 81", with(func(o *logwisp.Options) {
			o.HTTP.Port, o.Ignored = 80, []string{"--port: --http-port wins"}
		})},
		{"--port 81 --http-port 80", with(func(o *logwisp.Options) {
			o.HTTP.Port, o.Ignored = 80, []string{"--port: --http-port wins"}
		})},
		{"--port 80 --http-port -1", with(func(o *logwisp.Options) {
			o.HTTP.Port, o.Ignored = 80, []string{"--http-port -1: a number at or below 0 counts as not given"}
		})},
		{"--http-buffer-size 5", with(func(o *logwisp.Options) {
			o.HTTP.BufferSize = 5
			o.Ignored = []string{"httpserver.buffer_size (--http-buffer-size): means nothing: there is no buffer to fill"}
		})},
		{"--buffer-size 6 --http-buffer-size 5", with(func(o *logwisp.Options) {
			o.HTTP.BufferSize = 5
			o.Ignored = []string{"--buffer-size: --http-buffer-size wins",
				"httpserver.buffer_size (--http-buffer-size): means nothing: there is no buffer to fill"}
		})},
		{"--buffer-size 6", with(func(o *logwisp.Options) {
			o.HTTP.BufferSize = 6
			o.Ignored = []string{"httpserver.buffer_size (--buffer-size): means nothing: there is no buffer to fill"}
		})},
		{"--tcp-buffer-size 5", plain()}, // of a server that is off
		{"--enable-tcp --tcp-buffer-size 5", with(func(o *logwisp.Options) {
			o.TCP = tcp()
			o.TCP.BufferSize = 5
			o.Ignored = []string{"tcpserver.buffer_size (--tcp-buffer-size): means nothing: there is no buffer to fill"}
		})},
		{"--check-interval 250", interval},
		{"--check-interval -5", with(func(o *logwisp.Options) {
			o.Ignored = []string{"--check-interval -5: a number at or below 0 counts as not given"}
		})},
		{"a", waited(plain(), "a")},
		{"a --http-port 80", waited(port(80), "a")}, // behind a target
		{"--http-port 80 -- --port", waited(port(80), "--port")},
		{"-", waited(plain(), "-")},
		{"--config=", plain()},
		{"-h", logwisp.Options{Help: true}},
		{"--help", logwisp.Options{Help: true}},
		{"a --enable-tcp -help --nonsense", logwisp.Options{Help: true}},
	} {
		got, err := logwisp.Load(strings.Fields(c.args), world(nil, nil))
		if err != nil || !same(got, c.want) {
			t.Errorf("Load(%q) =\n%+v, %v, want\n%+v, nil", c.args, got, err, c.want)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-x", "flag provided but not defined: -x"},
		{"--verbose=3 a", "flag provided but not defined: -verbose"},
		{"a -x", "flag provided but not defined: -x"},
		{"--HTTP-port 1", "flag provided but not defined: -HTTP-port"},
		{"---x", "bad flag syntax: ---x"},
		{"-=x", "bad flag syntax: -=x"},
		{"--=x", "bad flag syntax: --=x"},
		{"--config", "flag needs an argument: -config"},
		{"--http-port", "flag needs an argument: -http-port"},
		{"--http-port abc", `invalid value "abc" for flag -http-port: parse error`},
		{"--http-port=", `invalid value "" for flag -http-port: parse error`},
		{"--port 99999999999999999999", `invalid value "99999999999999999999" for flag -port: value out of range`},
		{"--enable-tcp=yes", `invalid boolean value "yes" for -enable-tcp: parse error`},
		{"--enable-http false", "the value of -enable-http goes behind =: -enable-http=false"},
	} {
		got, err := logwisp.Load(strings.Fields(c.args), world(nil, nil))
		if usage := (*logwisp.UsageError)(nil); !errors.As(err, &usage) || err.Error() != c.want || !same(got, logwisp.Options{}) {
			t.Errorf("Load(%q) = %+v, %v, want nothing and the usage error %q", c.args, got, err, c.want)
		}
	}
}

// TestUsageNamesEveryFlag: what it says can be said, and nothing is missing.
func TestUsageNamesEveryFlag(t *testing.T) {
	named := regexp.MustCompile(`--[a-z-]{2,}`).FindAllString(logwisp.Usage, -1)
	want := "--config --check-interval --enable-tcp --tcp-port --tcp-buffer-size --enable-http --enable-http --http-port --port " +
		"--http-buffer-size --buffer-size --help"
	if got := strings.Join(named, " "); got != want {
		t.Errorf("Usage names %s, want %s", got, want)
	}
	for _, flag := range named {
		_, err := logwisp.Load([]string{flag + "=1"}, world(nil, nil))
		if usage := (*logwisp.UsageError)(nil); errors.As(err, &usage) {
			t.Errorf("Load(%s=1) = %v, want that there is the flag", flag, err)
		}
	}
	for text := range strings.Lines(logwisp.Usage) {
		if len(text) > 81 {
			t.Errorf("Usage has a line of %d columns: %s", len(text)-1, text)
		}
	}
}
