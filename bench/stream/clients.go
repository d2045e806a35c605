//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"fairlead/bench/measure"
)

// connectJob says how clients come to a server. Each is served once a mark has come to it: marks
// are appended to the log until then.
type connectJob struct {
	Port, Clients int
	Stalled       int    // more of them, which never read
	Dials         bool   // the server connects to us
	Ask           string // what a client says
	Log           string
	Mark          []byte
	Limit         time.Duration // for all that the clients do
}

// connect returns the sockets of all that read.
func (job connectJob) connect() (fds []int, err error) {
	if job.Dials {
		fd, err := job.accept()
		return []int{fd}, err
	}
	for i := range job.Stalled + job.Clients { // the stalled ones first: then they are served too when the others are
		dial := measure.Dial
		if i < job.Stalled {
			dial = measure.DialSmall
		}
		fd, err := dial(job.Port)
		if err != nil {
			return nil, err
		}
		if err := measure.Ask(fd, job.Ask); err != nil {
			return nil, err
		}
		if i >= job.Stalled {
			fds = append(fds, fd)
		}
	}
	return fds, nil
}

// accept waits for a server that connects when it has something to send.
func (job connectJob) accept() (int, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(job.Port))
	if err != nil {
		return -1, err
	}
	defer ln.Close()
	if err := ln.(*net.TCPListener).SetDeadline(time.Now().Add(job.Limit)); err != nil {
		return -1, err
	}
	came := make(chan struct{})
	var conn net.Conn
	go func() {
		conn, err = ln.Accept()
		close(came)
	}()
	if markErr := job.markUntil(came); markErr != nil {
		return -1, markErr
	}
	if err != nil {
		return -1, fmt.Errorf("wait for the server to connect: %w", err)
	}
	f, err := conn.(*net.TCPConn).File() // a second descriptor
	if err != nil {
		return -1, err
	}
	conn.Close()
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		return -1, err
	}
	f.Close()
	return fd, unix.SetNonblock(fd, true)
}

// markUntil appends marks until done is closed.
func (job connectJob) markUntil(done <-chan struct{}) error {
	f, err := os.OpenFile(job.Log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("open log to append marks: %w", err)
	}
	defer f.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(job.Limit); time.Now().Before(end); {
		if _, err := f.Write(job.Mark); err != nil {
			return fmt.Errorf("append mark: %w", err)
		}
		select {
		case <-done:
			return nil
		case <-tick.C:
		}
	}
	return errors.New("a client is not served")
}

// liveJob is for clients that read while the log is written.
type liveJob struct {
	connectJob
	SSE            bool
	Lines, Untimed int64 // numbers 1 to Lines-1 will come; those below Untimed are not timed
	Base           int64 // stamps count from here
}

type liveResult struct {
	P50, P99, Max                  int64 // nanoseconds
	Lost, Doubled, Reordered, Torn int64
	Bytes                          int64 // of entries, without what is around them
	Median, Last                   int64 // when clients had everything, as stamps are
	CPU                            time.Duration
}

// liveClients is the role of the reading side: a loop on each core, which share the clients.
func liveClients(in *json.Decoder, out *json.Encoder) error {
	var job liveJob
	if err := in.Decode(&job); err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	fds, err := job.connect()
	if err != nil {
		return err
	}
	loops, err := job.loops(fds)
	if err != nil {
		return err
	}
	if err := job.run(loops, func() error { return out.Encode(measure.Ready) }); err != nil {
		return err
	}
	got, err := resultOf(loops, job.Lines)
	if err != nil {
		return err
	}
	return out.Encode(got)
}

// run returns when all clients have everything, or after the limit. It calls ready when all are served.
func (job liveJob) run(loops []*liveLoop, ready func() error) error {
	var all errgroup.Group
	var served sync.WaitGroup
	for _, l := range loops {
		served.Add(1)
		all.Go(func() error {
			err := l.runWhile(func() bool { return l.unmarked > 0 })
			served.Done()
			if err != nil {
				return err
			}
			if err := l.runWhile(func() bool { return len(l.done) < len(l.readers) }); err != measure.ErrStalled {
				return err
			}
			return nil // what a stalled server kept is lost
		})
	}
	marked := make(chan struct{})
	go func() {
		served.Wait()
		close(marked)
	}()
	err := job.markUntil(marked)
	if err == nil {
		err = ready()
	}
	return errors.Join(err, all.Wait())
}

func resultOf(loops []*liveLoop, lines int64) (got liveResult, err error) {
	var times measure.Histogram
	var done []int64
	for _, l := range loops {
		times.Join(&l.times)
		done = append(done, l.done...)
		for i := range l.readers {
			r := &l.readers[i]
			if r.Next < lines {
				done = append(done, l.clock.Now()) // it never had
			}
			got.Lost += r.Lost(lines)
			got.Doubled += r.Doubled
			got.Reordered += r.Reordered
			got.Torn += r.Torn
			got.Bytes += r.bytes
		}
	}
	slices.Sort(done)
	got.P50, got.P99, got.Max = times.Quantile(0.5), times.Quantile(0.99), times.Max
	got.Median, got.Last = done[(len(done)-1)/2], done[len(done)-1]
	got.CPU, err = measure.OwnCPU()
	return got, err
}

// liveLoop reads for some of the clients.
type liveLoop struct {
	job      liveJob
	clock    measure.Monotonic
	poller   *measure.Poller
	fds      []int
	readers  []entryReader
	buf      []byte
	unmarked int
	times    measure.Histogram
	done     []int64 // when each client had everything
}

// loops share the sockets.
func (job liveJob) loops(fds []int) (loops []*liveLoop, err error) {
	n := min(runtime.NumCPU(), len(fds))
	for i := range n {
		l, err := job.newLoop(fds[i*len(fds)/n : (i+1)*len(fds)/n])
		if err != nil {
			return nil, err
		}
		loops = append(loops, l)
	}
	return loops, nil
}

func (job liveJob) newLoop(fds []int) (*liveLoop, error) {
	p, err := measure.NewPoller(job.Limit)
	if err != nil {
		return nil, err
	}
	l := &liveLoop{
		job: job, clock: measure.NewMonotonic(job.Base), poller: p, fds: fds,
		readers: make([]entryReader, len(fds)), buf: make([]byte, measure.ReadBuffer), unmarked: len(fds),
	}
	for i, fd := range fds {
		l.readers[i].sse = job.SSE
		l.readers[i].Next = 1 // there is no line 0
		if err := p.Add(fd, i); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// runWhile reads what comes as long as more is true.
func (l *liveLoop) runWhile(more func() bool) error {
	var now int64
	timed := func(seq, stamp int64) {
		if seq >= l.job.Untimed {
			l.times.Add(now - stamp)
		}
	}
	for more() {
		events, err := l.poller.Wait()
		if err != nil {
			return err
		}
		for _, ev := range events {
			n, err := measure.Received(unix.Read(int(ev.Fd), l.buf))
			if err != nil {
				return err
			}
			now = l.clock.Now()
			r := &l.readers[ev.Pad]
			had, marked := r.Next, r.marked
			if err := r.feed(l.buf[:n], timed); err != nil {
				return err
			}
			if r.marked && !marked {
				l.unmarked--
			}
			if had < l.job.Lines && r.Next >= l.job.Lines {
				l.done = append(l.done, now)
			}
		}
	}
	return nil
}
