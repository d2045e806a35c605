package disk

import (
	"testing"
	"time"
	"unicode/utf8"
)

// A name is cut at a rune's boundary, and what tells it apart stays.
func TestJoin(t *testing.T) {
	for _, c := range []struct {
		base, suffix string
		nr, max      int
		want         string
	}{
		{"app.log", ".12345678", 1, 255, "app.log.12345678"},
		{"app.log", ".12345678", 2, 255, "app.log.12345678.2"},
		{"app.log", ".12345678", 1, 12, "app.12345678"},
		{"äöü", ".1234", 1, 10, "äö.1234"},
		{"äöü", ".1234", 1, 8, "ä.1234"},
		{"x", ".123456789", 1, 5, ".123456789"},
	} {
		got := Join(c.base, c.suffix, c.nr, c.max)
		if got != c.want || !utf8.ValidString(got) {
			t.Errorf("join(%q, %q, %d, %d) = %q, want %q", c.base, c.suffix, c.nr, c.max, got, c.want)
		}
	}
}

func TestStamp(t *testing.T) {
	if got := Stamp(time.Date(20260, 1, 1, 0, 0, 0, 0, time.UTC)); got != "19700101T000000Z" {
		t.Errorf("the stamp of the year 20260 is %q", got)
	}
}
