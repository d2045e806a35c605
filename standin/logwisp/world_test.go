package logwisp_test

import (
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"fairlead/standin/logwisp"
)

const (
	home     = "/me"
	dir      = "/srv/app"
	homeFile = home + "/.config/logwisp.toml"
)

// world returns an environment of these variables and files; a name that ends in
// a slash is a directory.
func world(vars, files map[string]string) logwisp.Environment {
	tree := make(fstest.MapFS)
	for name, text := range files {
		f := &fstest.MapFile{Data: []byte(text)}
		if strings.HasSuffix(name, "/") {
			f.Mode = fs.ModeDir
		}
		tree[strings.Trim(name, "/")] = f
	}
	return logwisp.Environment{
		Getenv: func(name string) string { return vars[name] },
		Home:   home,
		Dir:    dir,
		Open:   func(name string) (io.ReadCloser, error) { return tree.Open(strings.TrimPrefix(name, "/")) },
		Stat:   func(name string) (fs.FileInfo, error) { return tree.Stat(strings.TrimPrefix(name, "/")) },
	}
}

// inHome is a world with one file, the default one.
func inHome(text string) logwisp.Environment { return world(nil, map[string]string{homeFile: text}) }

// plain is what LogWisp does of which nothing is said.
func plain() logwisp.Options {
	return logwisp.Options{
		Targets:       []logwisp.Target{{Path: dir, Pattern: "*.log"}},
		CheckInterval: 100 * time.Millisecond,
		HTTP: logwisp.Server{
			Enabled: true, Port: 8080, BufferSize: 1000,
			Heartbeat: logwisp.Heartbeat{Enabled: true, Interval: 30 * time.Second, Timestamp: true},
		},
	}
}

// tcp is the TCP server of which only is said that it is enabled.
func tcp() logwisp.Server { return logwisp.Server{Enabled: true, Port: 9090, BufferSize: 1000} }

// same compares all there is.
func same(a, b logwisp.Options) bool { return fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b) }

func load(t *testing.T, env logwisp.Environment, args ...string) logwisp.Options {
	t.Helper()
	o, err := logwisp.Load(args, env)
	if err != nil {
		t.Fatalf("Load(%q) = %v, want no error", args, err)
	}
	return o
}
