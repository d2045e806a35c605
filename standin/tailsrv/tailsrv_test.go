package tailsrv_test

import (
	"strings"
	"testing"

	"fairlead/standin/tailsrv"
)

func TestParse(t *testing.T) {
	at := func(port uint16, path string) tailsrv.Options { return tailsrv.Options{Path: path, Port: port} }
	linger, journald := at(4321, "f"), at(4321, "f")
	linger.Linger, journald.Journald = true, true
	for _, c := range []struct {
		args string
		want tailsrv.Options
	}{
		{"-p 4321 /var/log/nginx/access.log", at(4321, "/var/log/nginx/access.log")},
		{"-p4321 f", at(4321, "f")},
		{"-p=4321 f", at(4321, "f")},
		{"--port 4321 f", at(4321, "f")},
		{"--port=4321 f", at(4321, "f")},
		{"--port +4321 f", at(4321, "f")},
		{"f -p 4321", at(4321, "f")},
		{"f --port=0", at(0, "f")},
		{"-p 65535 -- -f", at(65535, "-f")},
		{"-p 1 -", at(1, "-")},
		{"-p 4321 --linger-after-file-is-gone f", linger},
		{"--linger-after-file-is-gone f -p 4321", linger},
		{"-p 4321 f --journald", journald},
		{"--help", tailsrv.Options{Help: true}},
		{"-p 4321 f -h", tailsrv.Options{Help: true}},
	} {
		if got, err := tailsrv.Parse(strings.Fields(c.args)); got != c.want || err != nil {
			t.Errorf("Parse(%q) = %+v, %v, want %+v, nil", c.args, got, err, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", "port is missing"},
		{"f", "port is missing"},
		{"-p 4321", "path of the file to serve is missing"},
		{"-p", "-p wants a port"},
		{"f --port", "--port wants a port"},
		{"-p 65536 f", "0 to 65535"},
		{"-p -1 f", "0 to 65535"},
		{"-p 43x f", "0 to 65535"},
		{"--port= f", "0 to 65535"},
		{"-p 1 -p 2 f", "two ports"},
		{"-p 1 f g", "two paths"},
		{"-p 1 --linger f", "no flag --linger"},
		{"-p 1 -v f", "no flag -v"},
	} {
		got, err := tailsrv.Parse(strings.Fields(c.args))
		if err == nil || !strings.Contains(err.Error(), c.want) || got != (tailsrv.Options{}) {
			t.Errorf("Parse(%q) = %+v, %v, want nothing and an error with %q", c.args, got, err, c.want)
		}
	}
}

func TestNative(t *testing.T) {
	for _, c := range []struct {
		in   tailsrv.Options
		want string
	}{
		{tailsrv.Options{Path: "/var/log/a.log", Port: 4321}, "--listen 0.0.0.0:4321 --plain --share-local --http off --at-end exit /var/log/a.log"},
		{tailsrv.Options{Path: "it's", Port: 1, Linger: true}, `--http off --at-end linger 'it'\''s'`},
		{tailsrv.Options{Path: "-f", Port: 1}, "--at-end exit -- -f"},
	} {
		if got := c.in.Native(); !strings.HasSuffix(got, c.want) || !strings.HasPrefix(got, "fairlead serve ") {
			t.Errorf("%+v.Native() = %q, want fairlead serve ... %q", c.in, got, c.want)
		}
	}
}
