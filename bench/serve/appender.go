//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// appendJob: lines 1 to Lines-1, PerSec of them a second, stamped from Base on.
type appendJob struct {
	Path   string
	Lines  int64
	PerSec int
	Base   int64
}

// appender is the role of the writing side. It keeps to its timetable and not to a distance: after
// a delay it catches up, so a slow machine cannot lower the rate unseen. Its result is the time it took.
func appender(in *json.Decoder, out *json.Encoder) error {
	var job appendJob
	if err := in.Decode(&job); err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	f, err := os.OpenFile(job.Path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("open file to append to: %w", err)
	}
	defer f.Close()
	// One thread, woken to the microsecond: the default slack is 50, half the distance of two lines.
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set timer slack: %w", err)
	}
	clock := newMonotonic(job.Base)
	fd, began := int(f.Fd()), clock.now()
	line := make([]byte, 0, lineLen)
	for seq := int64(1); seq < job.Lines; seq++ {
		sleepUntil(job.Base + began + seq*int64(time.Second)/int64(job.PerSec))
		line = appendLine(line[:0], seq, clock.now())
		if _, err := unix.Write(fd, line); err != nil {
			return fmt.Errorf("append line %d: %w", seq, err)
		}
	}
	return out.Encode(time.Duration(clock.now() - began))
}

// sleepUntil sleeps until CLOCK_MONOTONIC shows t; not at all if it is past.
func sleepUntil(t int64) {
	ts := unix.NsecToTimespec(t)
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil) == unix.EINTR {
	}
}

// monotonic is CLOCK_MONOTONIC, counted from a base that two processes can share. It is read
// once; from there on Go's own clock, which needs no system call, goes on.
type monotonic struct {
	at    int64
	since time.Time
}

func newMonotonic(base int64) monotonic {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(fmt.Sprintf("bug: CLOCK_MONOTONIC: %v", err))
	}
	return monotonic{ts.Nano() - base, time.Now()}
}

func (m monotonic) now() int64 { return m.at + int64(time.Since(m.since)) }
