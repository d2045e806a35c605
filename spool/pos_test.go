package spool_test

import (
	"math"
	"testing"

	"fairlead/spool"
)

func TestParsePos(t *testing.T) {
	good := map[string]spool.Pos{
		"00000001-0":                   {Epoch: 1, Off: 0},
		"0a1b2c3d-42":                  {Epoch: 0x0a1b2c3d, Off: 42},
		"ffffffff-9223372036854775807": {Epoch: math.MaxUint32, Off: math.MaxInt64},
	}
	for s, want := range good {
		if got, err := spool.ParsePos(s); err != nil || got != want {
			t.Errorf("ParsePos(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "-", "0a1b2c3d", "0a1b2c3d-", "-5", "0a1b2c3d--5", "0a1b2c3d-+5", "+a1b2c3d-5", "0A1B2C3D-5", "a1b2c3d-5",
		"00a1b2c3d-5", "0a1b2c3d-05", "0a1b2c3d-5 ", " 0a1b2c3d-5", "0a1b2c3d-5\n", "0a1b2c3g-5", "0x1b2c3d-5",
		"0a1b2c3d-9223372036854775808", "0a1b2c3d-5_0", "0a1b2c3d-0x5", "0a1b_c3d-5", "0a1b2c3d-5-5",
	} {
		if got, err := spool.ParsePos(s); err == nil {
			t.Errorf("ParsePos(%q) = %v, want an error", s, got)
		}
	}
}

// What is parsed prints as what it was parsed from, and the other way round.
func FuzzParsePos(f *testing.F) {
	f.Add("0a1b2c3d-42", uint32(1), int64(2))
	f.Fuzz(func(t *testing.T, s string, epoch uint32, off int64) {
		if p, err := spool.ParsePos(s); err == nil && (p.String() != s || p.Off < 0) {
			t.Errorf("ParsePos(%q) = %v", s, p)
		}
		want := spool.Pos{Epoch: spool.Epoch(epoch), Off: off}
		if p, err := spool.ParsePos(want.String()); (err == nil) != (off >= 0) || err == nil && p != want {
			t.Errorf("ParsePos(%q) = %v, %v", want.String(), p, err)
		}
	})
}
