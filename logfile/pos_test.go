package logfile_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fairlead/logfile"
)

const someGen = "00112233445566778899aabbccddeeff"

func TestParsePos(t *testing.T) {
	gen, err := logfile.ParseGenID(someGen)
	must(t, err)
	tests := []struct {
		in   string
		want logfile.Pos
		bad  bool
	}{
		{someGen + ":0", logfile.Pos{Gen: gen}, false},
		{someGen + ":9223372036854775807", logfile.Pos{Gen: gen, Off: math.MaxInt64}, false},
		{strings.ToUpper(someGen) + ":1", logfile.Pos{Gen: gen, Off: 1}, false},
		{someGen + ":9223372036854775808", logfile.Pos{}, true},
		{someGen + ":-1", logfile.Pos{}, true},
		{someGen + ":", logfile.Pos{}, true},
		{someGen + ":0x10", logfile.Pos{}, true},
		{someGen + ":1:2", logfile.Pos{}, true},
		{someGen, logfile.Pos{}, true},
		{someGen[1:] + ":0", logfile.Pos{}, true},
		{someGen + "0:0", logfile.Pos{}, true},
		{"g" + someGen[1:] + ":0", logfile.Pos{}, true},
		{":0", logfile.Pos{}, true},
		{"", logfile.Pos{}, true},
	}
	for _, tt := range tests {
		got, err := logfile.ParsePos(tt.in)
		if got != tt.want || (err != nil) != tt.bad {
			t.Errorf("ParsePos(%q) = %v, %v, want %v, error %v", tt.in, got, err, tt.want, tt.bad)
		}
		if err != nil && !strings.Contains(err.Error(), "parse ") {
			t.Errorf("ParsePos(%q): %v, want what was parsed in the error", tt.in, err)
		}
	}
}

func drawPos(t *rapid.T) logfile.Pos {
	var p logfile.Pos
	copy(p.Gen[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "gen"))
	p.Off = rapid.Int64Range(0, math.MaxInt64).Draw(t, "off")
	return p
}

func TestPosText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPos(t)
		if got, err := logfile.ParsePos(p.String()); got != p || err != nil {
			t.Errorf("ParsePos(%q) = %v, %v, want %v", p.String(), got, err, p)
		}
	})
}

func FuzzParsePos(f *testing.F) {
	f.Add(someGen + ":12")
	f.Add("start")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := logfile.ParsePos(s)
		if err != nil {
			return
		}
		if again, err := logfile.ParsePos(p.String()); again != p || err != nil || p.Off < 0 {
			t.Errorf("ParsePos(%q) = %v, and of that %v, %v", s, p, again, err)
		}
	})
}

func TestGenID(t *testing.T) {
	a, b := logfile.NewGenID(), logfile.NewGenID()
	if a == b || a.IsZero() {
		t.Errorf("NewGenID() = %v, %v, want two different ids", a, b)
	}
	if !(logfile.GenID{}).IsZero() {
		t.Error("the zero GenID is not zero")
	}
	if got, want := a.Short(), a.String()[:8]; got != want {
		t.Errorf("Short() = %q, want %q", got, want)
	}
}

func TestEnded(t *testing.T) {
	gen, err := logfile.ParseGenID(someGen)
	must(t, err)
	tests := []struct {
		in   logfile.Ended
		want string
	}{
		{logfile.Ended{Gen: gen, At: 7, Reason: logfile.Rotated}, "generation 00112233 ended at 7: rotated"},
		{
			logfile.Ended{Gen: gen, At: 7, Reason: logfile.Truncated, Lost: logfile.Range{From: 3, To: 7}},
			"generation 00112233 ended at 7: truncated, bytes 3 to 7 lost",
		},
		{logfile.Ended{Gen: gen, Reason: logfile.Deleted}, "generation 00112233 ended at 0: deleted"},
		{logfile.Ended{Gen: gen, Reason: logfile.Forgotten}, "generation 00112233 ended at 0: forgotten"},
	}
	for _, tt := range tests {
		var err error = &tt.in
		if got := err.Error(); got != tt.want {
			t.Errorf("Error() = %q, want %q", got, tt.want)
		}
		if !errors.Is(err, logfile.ErrEnded) || errors.Is(err, logfile.ErrParked) {
			t.Errorf("%v is not ErrEnded alone", err)
		}
	}
	if got, want := logfile.Reason(99).String(), "reason 99"; got != want {
		t.Errorf("Reason(99) = %q, want %q", got, want)
	}
}
