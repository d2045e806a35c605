package stream

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func testClock(location *time.Location) *clock { return &clock{location: location, now: reading} }

func TestLeadingTimestamp(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skipf("no time zones here: %v", err)
	}
	for _, c := range []struct {
		line, want string
		n          int
	}{
		{"2024-07-01T12:00:00Z x", "2024-07-01T12:00:00Z", 20},
		{"2024-07-01T12:00:00z", "2024-07-01T12:00:00Z", 20},
		{"2024-07-01 12:00:00 x", "2024-07-01T12:00:00+02:00", 19},
		{"2024-01-01 12:00:00", "2024-01-01T12:00:00+01:00", 19},
		{"2024-07-01 12:00:00,123 x", "2024-07-01T12:00:00.123+02:00", 23},
		{"2024-07-01T12:00:00.120450+01:00 x", "2024-07-01T12:00:00.12045+01:00", 32},
		{"2024-07-01T12:00:00.1234567891Z x", "2024-07-01T12:00:00.123456789Z", 31},
		{"2024-07-01T12:00:00-0530 x", "2024-07-01T12:00:00-05:30", 24},
		{"2024-07-01 12:00:00 +0100 x", "2024-07-01T12:00:00+01:00", 25},
		{"2024-07-01 12:00:00.5+01 x", "2024-07-01T12:00:00.5+01:00", 24},
		{"2024-07-01 12:00:00 +01 x", "2024-07-01T12:00:00+02:00", 19},
		{"2024-07-01T12:00:00+00:00 x", "2024-07-01T12:00:00Z", 25},
		{"2024-07-01 12:00:00.123 UTC [4] LOG:", "2024-07-01T12:00:00.123Z", 27},
		{"2024-07-01 12:00:00 CEST x", "2024-07-01T12:00:00+02:00", 19},
		{"2024/07/01 12:00:00 x", "2024-07-01T12:00:00+02:00", 19},
		{"2024/07/01 12:00:00.123456 x", "2024-07-01T12:00:00.123456+02:00", 26},
		{"2024-07-01 12:00:00: x", "2024-07-01T12:00:00+02:00", 19},
		{"[2024-07-01 12:00:00] x", "2024-07-01T12:00:00+02:00", 21},
		{"[2024-07-01T12:00:00Z]", "2024-07-01T12:00:00Z", 22},
		{"01/Jul/2024:12:00:00 -0700 x", "2024-07-01T12:00:00-07:00", 26},
		{"[01/Jul/2024:12:00:00 -0700] x", "2024-07-01T12:00:00-07:00", 28},
		{"Jul  1 12:00:00 x", "2026-07-01T12:00:00+02:00", 15},
		{"Nov 21 11:59:59 x", "2026-11-21T11:59:59+01:00", 15},
		{"Nov 22 11:59:59 x", "2025-11-22T11:59:59+01:00", 15},
		{"Feb 29 11:59:59 x", "2024-02-29T11:59:59+01:00", 15},
		{"Jul  1 12:00:00.5 x", "2026-07-01T12:00:00.5+02:00", 17},
		{"Mon Jul  1 12:00:00 2024 x", "2024-07-01T12:00:00+02:00", 24},
		{"Mon Jul  1 12:00:00 UTC 2024 x", "2024-07-01T12:00:00Z", 28},
		{"[Wed Oct 11 14:32:52.123456 2000] [core:error] x", "2000-10-11T14:32:52.123456+02:00", 33},
		{"[Wed Oct 11 14:32:52 2000] [error] x", "2000-10-11T14:32:52+02:00", 26},
		{"1700000000 x", "2023-11-14T22:13:20Z", 10},
		{"1700000000.123 x", "2023-11-14T22:13:20.123Z", 14},
		{"1700000000123 x", "2023-11-14T22:13:20.123Z", 13},
		{"200000000000 x", "1976-05-03T19:33:20Z", 12},
		{"1700000000123.5 x", "2023-11-14T22:13:20.1235Z", 15},
		{"1700000000123456789 x", "2023-11-14T22:13:20.123456789Z", 19},
		{"[1700000000] x", "", 0}, // a blank must follow
		{"1700000000", "", 0},
		{"1700000000x y", "", 0},
		{"12345 2024 x", "", 0},
		{"2024-07-01T12:00:00Zx", "", 0},
		{"2024-13-01T12:00:00Z", "", 0},
		{"2023-02-29T12:00:00Z", "", 0},
		{"2024-07-01T24:00:00Z", "", 0},
		{"2024-07-01T12:60:00Z", "", 0},
		{"2024-07-01T12:00:60Z", "", 0},
		{"2024-00-01T12:00:00Z", "", 0},
		{"2024-07-00T12:00:00Z", "", 0},
		{"2024-07-01T12:00", "", 0},
		{"2024-07-01", "", 0},
		{"[2024-07-01 12:00:00 x", "", 0},
		{"Jul 32 12:00:00 x", "", 0},
		{"Foo  1 12:00:00 x", "", 0},
		{"Xxx Jul  1 12:00:00 2024 x", "", 0},
		{"01/02/06 15:04:05 x", "", 0}, // day or month first?
		{"", "", 0},
		{"99999999999999999999999 x", "", 0},
	} {
		s, n := testClock(berlin).leading([]byte(c.line))
		got := ""
		if n > 0 {
			got = string(s.append(nil))
		}
		if got != c.want || n != c.n {
			t.Errorf("leading(%q) = %q of %d bytes, want %q of %d", c.line, got, n, c.want, c.n)
		}
	}
}

// Stamps are read and written as the time package does it.
func TestStampsAreThoseOfPackageTime(t *testing.T) {
	layouts := []string{time.RFC3339Nano, "2006-01-02 15:04:05.000000-0700", "02/Jan/2006:15:04:05 -0700"}
	rapid.Check(t, func(t *rapid.T) {
		zone := time.FixedZone("", rapid.IntRange(-14*60, 14*60).Draw(t, "minutes")*60)
		when := time.Unix(rapid.Int64Range(-62e9, 250e9).Draw(t, "sec"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).In(zone)
		if y := when.Year(); y < 1 || y > 9999 {
			return
		}
		if got, want := string(stampOf(when).append(nil)), when.Format(time.RFC3339Nano); got != want {
			t.Fatalf("stamp of %s is written %s", want, got)
		}
		for _, layout := range layouts {
			line := when.Format(layout)
			want, err := time.Parse(layout, line)
			if err != nil {
				t.Fatalf("%v", err)
			}
			s, n := testClock(time.UTC).leading([]byte(line + " x"))
			if got := string(s.append(nil)); n != len(line) || got != want.Format(time.RFC3339Nano) {
				t.Fatalf("leading(%q) = %s of %d bytes, want %s", line, got, n, want.Format(time.RFC3339Nano))
			}
		}
	})
}

// Around the hours that summer time takes and gives, a log's own zone is the
// offset that package time finds.
func TestZoneOfLocation(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skipf("no time zones here: %v", err)
	}
	c := testClock(berlin)
	start := time.Date(2024, 3, 31, 0, 0, 0, 0, time.UTC)
	for i := range 2 * 240 * 24 {
		line := start.Add(time.Duration(i) * 31 * time.Minute).Format("2006-01-02 15:04:05")
		want, err := time.ParseInLocation("2006-01-02 15:04:05", line, berlin)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := c.leading([]byte(line))
		got, err := time.Parse(time.RFC3339Nano, string(s.append(nil)))
		_, offset := want.Zone()
		if _, o := got.Zone(); err != nil || o != offset {
			t.Fatalf("%s is read as %s, want %s: %v", line, got, want, err)
		}
	}
}

func FuzzLeading(f *testing.F) {
	for _, s := range []string{"2024-07-01T12:00:00.5+01:00", "Jul  1 12:00:00 x", "[Wed Oct 11 14:32:52.123456 2000] x", "1700000000.5 x", "01/Jul/2024:12:00:00 -0700"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		s, n := testClock(time.UTC).leading(line)
		if n < 0 || n > len(line) || n > 0 != s.ok() {
			t.Fatalf("leading(%q) = %v, %d", line, s, n)
		}
		if n > 0 {
			if _, err := time.Parse(time.RFC3339Nano, string(s.append(nil))); err != nil {
				t.Fatalf("leading(%q): %v", line, err)
			}
		}
		if s := epoch(line); s.ok() {
			if _, err := time.Parse(time.RFC3339Nano, string(s.append(nil))); err != nil {
				t.Fatalf("epoch(%q): %v", line, err)
			}
		}
	})
}
