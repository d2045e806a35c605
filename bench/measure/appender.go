//go:build linux

package measure

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// AppendJob: lines 1 to Lines-1, stamped from Base on.
type AppendJob struct {
	Path   string
	Lines  int64
	PerSec int // 0: as fast as can be
	Batch  int // lines in one write, which have one stamp; 0: one
	Base   int64
}

// Appended is what an appender did.
type Appended struct {
	Began int64 // as stamps are
	Took  time.Duration
}

// Appender is the role of the writing side. It keeps to its timetable and not to a distance: after
// a delay it catches up, so a slow machine cannot lower the rate unseen.
func Appender(in *json.Decoder, out *json.Encoder) error {
	var job AppendJob
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
	clock := NewMonotonic(job.Base)
	fd, began, batch := int(f.Fd()), clock.Now(), int64(max(job.Batch, 1))
	block := make([]byte, 0, batch*LineLen)
	for seq := int64(1); seq < job.Lines; seq += batch {
		if job.PerSec > 0 {
			sleepUntil(job.Base + began + seq*int64(time.Second)/int64(job.PerSec))
		}
		block = appendLines(block[:0], seq, min(seq+batch, job.Lines), clock.Now())
		if _, err := unix.Write(fd, block); err != nil {
			return fmt.Errorf("append line %d: %w", seq, err)
		}
	}
	return out.Encode(Appended{began, time.Duration(clock.Now() - began)})
}

// sleepUntil sleeps until CLOCK_MONOTONIC shows t; not at all if it is past.
func sleepUntil(t int64) {
	ts := unix.NsecToTimespec(t)
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil) == unix.EINTR {
	}
}

// Monotonic is CLOCK_MONOTONIC, counted from a base that two processes can share. It is read
// once; from there on Go's own clock, which needs no system call, goes on.
type Monotonic struct {
	at    int64
	since time.Time
}

// NewMonotonic reads the clock.
func NewMonotonic(base int64) Monotonic {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(fmt.Sprintf("bug: CLOCK_MONOTONIC: %v", err))
	}
	return Monotonic{ts.Nano() - base, time.Now()}
}

// Now is the time since the base, in nanoseconds.
func (m Monotonic) Now() int64 { return m.at + int64(time.Since(m.since)) }
