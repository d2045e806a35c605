package logship_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"fairlead/standin/logship"
)

// rx and tx are what the shortest command lines mean, changed.
func rx(change func(*logship.Options)) logship.Options {
	o := logship.Options{Receive: true, Port: 7447, Timeout: time.Minute, BindHost: "localhost", Queue: 5, Storage: "/var/tmp/logship", Rescan: time.Second}
	change(&o)
	return o
}

func tx(change func(*logship.Options)) logship.Options {
	return rx(func(o *logship.Options) {
		o.Receive, o.Hosts, o.Globs = false, []string{"h"}, []string{"*.log"}
		change(o)
	})
}

func TestParse(t *testing.T) {
	same := func(*logship.Options) {}
	port := func(o *logship.Options) { o.Port, o.Timeout = 7448, 5*time.Second }
	for _, c := range []struct {
		args []string
		want logship.Options
	}{
		{[]string{"rx"}, rx(same)},
		{[]string{"--port", "7448", "--timeout=5", "rx"}, rx(port)},
		{[]string{"rx", "--port=7448", "--timeout", "5"}, rx(port)}, // seed 14: behind the mode, too
		{[]string{"tx", "--host", "h", "--po", "7448", "--glob", "*.log", "--tim", "5"}, tx(port)},
		{[]string{"rx", "--storage", "/x", "--bind=0.0.0.0", "--socket-queue", "9"}, rx(func(o *logship.Options) { o.Storage, o.BindHost, o.Queue = "/x", "0.0.0.0", 9 })},
		{[]string{"rx", "--host", ""}, rx(func(o *logship.Options) { o.Bare = true })}, // --host-in-filename, here
		{[]string{"tx", "--host=h", "--host", "i", "--glob", "*.log", "--rescan-interval", "3"}, tx(func(o *logship.Options) { o.Hosts, o.Rescan = []string{"h", "i"}, 3*time.Second })},
		{[]string{"tx", "--help"}, logship.Options{Help: true}},
		{[]string{"-h"}, logship.Options{Help: true}},
	} {
		if got, err := logship.Parse(c.args); !reflect.DeepEqual(got, c.want) || err != nil {
			t.Errorf("Parse(%q) = %+v, %v, want %+v", c.args, got, err, c.want)
		}
	}
}

// Seed 10: any word is true, and it is said where it looks otherwise.
func TestSeed10HostInFilename(t *testing.T) {
	for _, c := range []struct {
		word string
		bare bool
		warn bool
	}{{"True", false, false}, {"False", false, true}, {"0", false, true}, {"no", false, false}, {"", true, false}} {
		o, err := logship.Parse([]string{"rx", "--host-in-filename", c.word})
		if err != nil || o.Bare != c.bare || len(o.Warnings) > 0 != c.warn {
			t.Errorf("%q: bare %v, warnings %q, %v", c.word, o.Bare, o.Warnings, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", "rx or tx is missing"},
		{"--port 1", "rx or tx is missing"},
		{"both", "neither rx nor tx"},
		{"rx tx", "one word too many"},
		{"rx -p 1", "one word too many"},
		{"--bindhost x rx", "no flag --bindhost"},
		{"rx --glob x", "no flag --glob"},
		{"tx --storage-path x", "no flag --storage-path"},
		{"tx --", "no flag --"},
		{"rx --port", "--port wants a word"},
		{"rx --port 65536", "0 to 65535"},
		{"rx --timeout 0", "from 1 to"},
		{"rx --storage-path=", "--storage-path is empty"},
		{"tx --glob x", "--host is missing"},
		{"tx --host h", "--glob is missing"},
		{"tx --host h --glob=", "--glob is missing"},
	} {
		if got, err := logship.Parse(strings.Fields(c.args)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Parse(%q) = %+v, %v, want an error with %q", c.args, got, err, c.want)
		}
	}
}

func TestNative(t *testing.T) {
	for _, c := range []struct {
		in   logship.Options
		want string
	}{
		{rx(func(*logship.Options) {}), "fairlead receive --plain --listen localhost:7447 --store /var/tmp/logship"},
		{tx(func(o *logship.Options) { o.Hosts = []string{"a", "::1"} }), "fairlead ship --plain '*.log' --to a:7447 --to '[::1]:7447'"},
		{tx(func(o *logship.Options) { o.Globs = []string{"/x/**.{log}"} }), `fairlead ship --plain '/x/*.\{log\}' --to h:7447`},
	} {
		if got := c.in.Native(); got != c.want {
			t.Errorf("Native() = %s, want %s", got, c.want)
		}
	}
}

// Whatever the command line is, it means something or is refused.
func FuzzParse(f *testing.F) {
	f.Add("--port\x007\x00rx\x00--storage=/x")
	f.Fuzz(func(t *testing.T, args string) {
		o, err := logship.Parse(strings.Split(args, "\x00"))
		if err == nil && !o.Help {
			o.Native()
		}
	})
}
