package ship

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fairlead/logfile"
)

// What is being sent is known to the next process, for so long as a log knows it or
// thirty days; a torn end costs what was in it.
func TestBegun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "begun")
	day := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	after := func(days int) time.Time { return day.AddDate(0, 0, days) }
	a, b, c := logfile.GenID{1}, logfile.GenID{2}, logfile.GenID{3}
	var now begun
	next := func(at time.Time) {
		t.Helper()
		now.write()
		now = begun{}
		now.open(path, at)
	}
	want := func(ids ...logfile.GenID) {
		t.Helper()
		if len(now.days) != len(ids) {
			t.Errorf("%d are known, want %d", len(now.days), len(ids))
		}
		for _, id := range ids {
			if !now.has(id) {
				t.Errorf("%s is not known", id.Short())
			}
		}
	}
	next(day)
	want()
	for _, id := range []logfile.GenID{a, b, c, a} {
		now.add(id, day)
	}
	next(day)
	want(a, b, c)
	now.drop(b)
	next(day)
	want(a, c)
	now.add(a, after(20))
	next(after(31))
	want(a)
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, bytes.Join([][]byte{text, text[:7]}, nil), 0o600))
	next(after(31))
	want(a)
	now.add(b, after(31))
	next(after(31))
	want(a, b)
	must(t, os.Remove(path))
	next(after(31))
	want()
}
