package logfile_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fairlead/logfile"
)

func TestParseFrom(t *testing.T) {
	gen, err := logfile.ParseGenID(someGen)
	must(t, err)
	tests := []struct {
		in   string
		want logfile.From
		bad  bool
	}{
		{"start", logfile.FromStart, false},
		{"end", logfile.FromEnd, false},
		{"0", logfile.FromStart, false},
		{"17", logfile.FromOffset(17), false},
		{"+17", logfile.FromOffset(17), false},
		{"-17", logfile.FromOffset(-17), false},
		{"9223372036854775807", logfile.FromOffset(math.MaxInt64), false},
		{"-9223372036854775808", logfile.FromOffset(math.MinInt64), false},
		{someGen + ":17", logfile.FromPos(logfile.Pos{Gen: gen, Off: 17}), false},
		{"9223372036854775808", logfile.From{}, true},
		{"", logfile.From{}, true},
		{"Start", logfile.From{}, true},
		{" 1", logfile.From{}, true},
		{"1.5", logfile.From{}, true},
		{"0x10", logfile.From{}, true},
		{someGen, logfile.From{}, true},
		{someGen + ":-1", logfile.From{}, true},
	}
	for _, tt := range tests {
		got, err := logfile.ParseFrom(tt.in)
		if got != tt.want || (err != nil) != tt.bad {
			t.Errorf("ParseFrom(%q) = %v, %v, want %v, error %v", tt.in, got, err, tt.want, tt.bad)
		}
		if err != nil && !strings.Contains(err.Error(), "want") && !strings.Contains(err.Error(), "not a number") {
			t.Errorf("ParseFrom(%q): %v, want the cure in the error", tt.in, err)
		}
	}
}

func TestFromResolve(t *testing.T) {
	gen, other := logfile.NewGenID(), logfile.NewGenID()
	at := func(size int64) logfile.Stat { return logfile.Stat{Current: &logfile.Gen{ID: gen, Size: size}} }
	tests := []struct {
		name string
		from logfile.From
		st   logfile.Stat
		want logfile.Pos
	}{
		{"start", logfile.FromStart, at(100), logfile.Pos{Gen: gen}},
		{"end", logfile.FromEnd, at(100), logfile.Pos{Gen: gen, Off: 100}},
		{"offset", logfile.FromOffset(40), at(100), logfile.Pos{Gen: gen, Off: 40}},
		{"offset beyond the end", logfile.FromOffset(400), at(100), logfile.Pos{Gen: gen, Off: 400}},
		{"back from the end", logfile.FromOffset(-40), at(100), logfile.Pos{Gen: gen, Off: 60}},
		{"back to the beginning", logfile.FromOffset(-100), at(100), logfile.Pos{Gen: gen}},
		{"back beyond the beginning", logfile.FromOffset(-101), at(100), logfile.Pos{Gen: gen}},
		{"back as far as can be", logfile.FromOffset(math.MinInt64), at(math.MaxInt64), logfile.Pos{Gen: gen}},
		{"position elsewhere", logfile.FromPos(logfile.Pos{Gen: other, Off: 7}), at(100), logfile.Pos{Gen: other, Off: 7}},
		{"start of nothing", logfile.FromStart, logfile.Stat{}, logfile.Pos{}},
		{"end of nothing", logfile.FromEnd, logfile.Stat{}, logfile.Pos{}},
		{"offset in nothing", logfile.FromOffset(40), logfile.Stat{}, logfile.Pos{Off: 40}},
		{"back from nothing", logfile.FromOffset(-40), logfile.Stat{}, logfile.Pos{}},
	}
	for _, tt := range tests {
		if got := tt.from.Resolve(tt.st); got != tt.want {
			t.Errorf("%s: Resolve() = %v, want %v", tt.name, got, tt.want)
		}
	}
}

// Whatever number is asked for, the position is in the file or beyond its end,
// and never below 0.
func TestFromResolveNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, size := rapid.Int64().Draw(t, "n"), rapid.Int64Range(0, math.MaxInt64).Draw(t, "size")
		from, err := logfile.ParseFrom(strconv.FormatInt(n, 10))
		if err != nil {
			t.Fatalf("ParseFrom(%d): %v", n, err)
		}
		want := n
		if n < 0 {
			want = max(0, size+n)
		}
		gen := logfile.NewGenID()
		got := from.Resolve(logfile.Stat{Current: &logfile.Gen{ID: gen, Size: size}})
		if got != (logfile.Pos{Gen: gen, Off: want}) {
			t.Errorf("%d in %d: Resolve() = %v, want %d", n, size, got, want)
		}
	})
}

func FuzzParseFrom(f *testing.F) {
	for _, s := range []string{"start", "end", "0", "-9223372036854775808", someGen + ":5", "+1", "1e3", ":"} {
		f.Add(s, int64(100))
	}
	f.Fuzz(func(t *testing.T, s string, size int64) {
		from, err := logfile.ParseFrom(s)
		if err != nil {
			return
		}
		st := logfile.Stat{Current: &logfile.Gen{ID: logfile.NewGenID(), Size: max(0, size)}}
		if p := from.Resolve(st); p.Off < 0 || p.Gen.IsZero() && !strings.Contains(s, ":") {
			t.Errorf("ParseFrom(%q).Resolve(%d) = %v", s, size, p)
		}
	})
}
