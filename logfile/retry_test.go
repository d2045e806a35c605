package logfile

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// What cannot be read is tried again after 1, 2, 4 seconds, and so on up to 30,
// however often it is looked at in between: F17.
func TestF17RetryBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Set{NoEvents: true}
		s.setup()
		l := &Log{set: s, rare: &nothingRare}
		try := func(want time.Duration) {
			t.Helper()
			for range 3 {
				l.fail(errors.New("permission denied"))
			}
			if got := time.Until(s.due.at[l]); got != want {
				t.Errorf("tried again after %v, want %v", got, want)
			}
			<-time.After(want)
			if due, _ := s.due.take(time.Now()); len(due) != 1 {
				t.Errorf("%d logs are due, want 1", len(due))
			}
		}
		for _, seconds := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
			try(seconds * time.Second)
		}
		l.fail(nil)
		try(time.Second)
		l.fail(errors.New("permission denied"))
		l.fail(nil) // long before it is due
		s.due.take(time.Now().Add(maxRetry))
		try(time.Second)
	})
}
