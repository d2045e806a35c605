package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"fairlead/internal/config"
)

type flagSettings struct {
	A struct {
		Listen string        `config:"listen" flag:"http" short:"l" arg:"ADDR:PORT" help:"ADDR:PORT of HTTP"`
		Plain  bool          `config:"plain" flag:"plain" help:"in the clear"`
		Files  []string      `config:"files" flag:"file" arg:"FILE" help:"a FILE"`
		Wait   time.Duration `config:"wait" flag:"wait" help:"how long"`
		Budget config.Size   `config:"budget" flag:"budget" arg:"BYTES" help:"BYTES kept"`
		Quiet  time.Duration `config:"quiet" help:"no flag"`
	} `config:"a"`
}

func TestKeyFlags(t *testing.T) {
	var s flagSettings
	s.A.Listen, s.A.Budget, s.A.Files = ":1", 1<<30, []string{"x"}
	for _, c := range []struct {
		args string
		want map[string][]string // nil: an error
	}{
		{"", map[string][]string{}},
		{"--http :2 -l :3", map[string][]string{"a.listen": {":3"}}},
		{"--plain --file a --file b", map[string][]string{"a.plain": {"true"}, "a.files": {"a", "b"}}},
		{"--plain=0 --wait 2d --http=", map[string][]string{"a.plain": {"0"}, "a.wait": {"2d"}, "a.listen": {""}}},
		{"--plain=yes", nil}, {"--wait 5", nil}, {"--budget 5M", nil}, {"--quiet 5s", nil},
	} {
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		given := keyFlags(f, &s)
		err := f.Parse(strings.Fields(c.args))
		if got := given(); c.want == nil && err == nil || c.want != nil && (err != nil || !reflect.DeepEqual(got, c.want)) {
			t.Errorf("keyFlags of %q = %v, %v, want %v", c.args, got, err, c.want)
		}
	}
}

func TestKeyFlagsHelp(t *testing.T) {
	var s flagSettings
	s.A.Listen, s.A.Budget, s.A.Files = ":1", 1<<30, []string{"x"}
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.SortFlags = false
	keyFlags(f, &s)
	want := `  -l, --http ADDR:PORT   ADDR:PORT of HTTP (default ":1")
      --plain            in the clear
      --file FILE        a FILE (default [x])
      --wait VALUE       how long
      --budget BYTES     BYTES kept (default 1GiB)
`
	if got := f.FlagUsages(); got != want {
		t.Errorf("the help is\n%s\nwant\n%s", got, want)
	}
}
