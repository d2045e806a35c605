//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"fairlead/bench/measure"
)

// readJob says where lines come: in the file Copy, or from a server at Port that is asked for them.
type readJob struct {
	Copy           string
	Port           int
	Ask            string
	Lines, Untimed int64 // numbers 0 to Lines-1 will come; those below Untimed are not timed
	Base           int64 // stamps count from here
	Limit          time.Duration
}

// times are latencies in nanoseconds.
type times struct{ P50, P99, Max int64 }

func timesOf(h *measure.Histogram) times { return times{h.Quantile(0.5), h.Quantile(0.99), h.Max} }

// add puts them into a sample.
func (t times) add(s measure.Sample) {
	s[measure.P50], s[measure.P99], s[measure.MaxMS] = measure.Milliseconds(t.P50), measure.Milliseconds(t.P99), measure.Milliseconds(t.Max)
}

type readResult struct {
	times
	Lost, Doubled, Reordered, Torn int64
}

// reader is the role of whoever reads what has come. It is ready with the first line.
func reader(in *json.Decoder, out *json.Encoder) error {
	var job readJob
	if err := in.Decode(&job); err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	from, err := job.open(time.Now().Add(job.Limit))
	if err != nil {
		return err
	}
	poller, err := measure.NewPoller(job.Limit)
	if err != nil {
		return err
	}
	if err := poller.Add(from.news, 0); err != nil {
		return err
	}
	r := lineReader{job: job, from: from, poller: poller, clock: measure.NewMonotonic(job.Base), buf: make([]byte, measure.ReadBuffer)}
	if err := r.readTo(1); err != nil {
		return err
	}
	if err := out.Encode(measure.Ready); err != nil {
		return err
	}
	if err := r.readTo(job.Lines); err != nil && err != measure.ErrStalled { // what did not come is lost
		return err
	}
	return out.Encode(readResult{timesOf(&r.times), r.Lost(job.Lines), r.Doubled, r.Reordered, r.Torn})
}

// A lineReader follows the lines that come.
type lineReader struct {
	measure.LineCounter
	job    readJob
	from   growing
	poller *measure.Poller
	clock  measure.Monotonic
	buf    []byte
	times  measure.Histogram
}

// readTo reads until lines have come.
func (r *lineReader) readTo(lines int64) error {
	for {
		n, err := r.from.read(r.buf)
		if err != nil {
			return err
		}
		if n > 0 {
			now := r.clock.Now()
			r.Feed(r.buf[:n], func(seq, stamp int64) {
				if seq >= r.job.Untimed {
					r.times.Add(now - stamp)
				}
			})
			continue
		}
		if r.Next >= lines {
			return nil
		}
		if _, err := r.poller.Wait(); err != nil {
			return err
		}
	}
}

// growing is something that can be read when there is news.
type growing struct {
	news int                         // a descriptor
	read func(p []byte) (int, error) // 0: nothing now
}

func (job readJob) open(end time.Time) (growing, error) {
	if job.Copy != "" {
		return openCopy(job.Copy, end)
	}
	return openServed(job.Port, job.Ask, end)
}

// retry is how long to wait for what is not there yet.
const retry = 5 * time.Millisecond

// openCopy waits until there is a file, and watches it.
func openCopy(path string, end time.Time) (growing, error) {
	f, err := os.Open(path)
	for ; os.IsNotExist(err) && time.Now().Before(end); f, err = os.Open(path) {
		time.Sleep(retry)
	}
	if err != nil {
		return growing{}, fmt.Errorf("wait for copy: %w", err)
	}
	news, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return growing{}, fmt.Errorf("watch: %w", err)
	}
	if _, err := unix.InotifyAddWatch(news, path, unix.IN_MODIFY); err != nil {
		return growing{}, fmt.Errorf("watch %s: %w", path, err)
	}
	events := make([]byte, 4096)
	return growing{news, func(p []byte) (int, error) {
		if n, err := unix.Read(news, events); n < 0 && err != unix.EAGAIN && err != unix.EINTR {
			return 0, fmt.Errorf("watch %s: %w", path, err)
		}
		n, err := f.Read(p)
		if err == io.EOF {
			err = nil
		}
		return n, err
	}}, nil
}

// openServed connects to a server until it sends something.
func openServed(port int, ask string, end time.Time) (growing, error) {
	for time.Now().Before(end) {
		fd, err := measure.Dial(port)
		if err != nil {
			return growing{}, err
		}
		if err := measure.Ask(fd, ask); err != nil {
			return growing{}, err
		}
		if sends(fd) {
			return growing{fd, func(p []byte) (int, error) { return measure.Received(unix.Read(fd, p)) }}, nil
		}
		unix.Close(fd)
		time.Sleep(retry)
	}
	return growing{}, fmt.Errorf("the server does not send %q", ask)
}

// sends says whether a server answers within a second, and does not close the connection.
func sends(fd int) bool {
	wait := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(wait, 1000); n == 0 || err != nil {
		return false
	}
	n, _, err := unix.Recvfrom(fd, make([]byte, 1), unix.MSG_PEEK)
	return n > 0 && err == nil
}

// syncJob is for the disk alone: lines that are appended and made durable one by one.
type syncJob struct {
	Path  string
	Lines int64
}

// syncer is the role of who does that.
func syncer(in *json.Decoder, out *json.Encoder) error {
	var job syncJob
	if err := in.Decode(&job); err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	f, err := os.OpenFile(job.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	var took measure.Histogram
	for seq := range job.Lines {
		began := time.Now()
		if _, err := f.Write(measure.AppendLine(nil, seq, 0)); err != nil {
			return err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return fmt.Errorf("make line durable: %w", err)
		}
		took.Add(int64(time.Since(began)))
	}
	return out.Encode(timesOf(&took))
}
