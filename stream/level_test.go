package stream

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// levelTable is LogWisp's, as its documents have it.
var levelTable = []struct {
	level string
	marks []string
}{
	{"ERROR", []string{"[ERROR]", "ERROR:", " ERROR ", "ERR:", "[ERR]", "FATAL:", "[FATAL]"}},
	{"WARN", []string{"[WARN]", "WARN:", " WARN ", "WARNING:", "[WARNING]"}},
	{"INFO", []string{"[INFO]", "INFO:", " INFO ", "[INF]", "INF:"}},
	{"DEBUG", []string{"[DEBUG]", "DEBUG:", " DEBUG ", "[DBG]", "DBG:"}},
	{"TRACE", []string{"[TRACE]", "TRACE:", " TRACE "}},
}

// tableLevel looks through the table as it is written.
func tableLevel(line string) string {
	upper := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}, line)
	for _, g := range levelTable {
		for _, m := range g.marks {
			if strings.Contains(upper, m) {
				return g.level
			}
		}
	}
	return ""
}

func sameLevel(t interface{ Fatalf(string, ...any) }, line string) {
	if got, want := string(levelOf([]byte(line))), tableLevel(line); got != want {
		t.Fatalf("level of %q is %q, want %q", line, got, want)
	}
}

func TestLevelIsThatOfTheTable(t *testing.T) {
	for _, g := range levelTable {
		for _, m := range g.marks {
			for _, line := range []string{m, strings.ToLower(m), "a " + m + " b", "a  " + strings.Trim(m, "[]: ") + " b", "a" + m, m + "b", strings.Trim(m, "[]: "), m[:len(m)-1], m[1:]} {
				sameLevel(t, line)
			}
			for _, o := range levelTable {
				sameLevel(t, o.marks[0]+m)
				sameLevel(t, m+o.marks[len(o.marks)-1])
			}
		}
	}
	unit := rapid.SampledFrom([]string{" ", "[", "]", ":", "error", "ERR", "or", "WARN", "ing", "INF", "o", "debug", "DBG", "TRACE", "fatal", "x", "ä"})
	rapid.Check(t, func(t *rapid.T) {
		sameLevel(t, strings.Join(rapid.SliceOfN(unit, 0, 12).Draw(t, "units"), ""))
	})
}

func FuzzLevel(f *testing.F) {
	f.Add("x WARNING: y")
	f.Add(" error ")
	f.Fuzz(func(t *testing.T, line string) { sameLevel(t, line) })
}
