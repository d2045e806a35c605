//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const (
	megabytes figure = "MB/s"
	slowest   figure = "slowest / median client"
	cpuPerGB  figure = "server CPU s/GB"
	cpuOfAll  figure = "with clients' CPU s/GB"
)

// measureBulk lets more and more clients read a file that the page cache holds.
func measureBulk(ctx context.Context, b bench) ([]table, error) {
	path := filepath.Join(b.dir, "bulk.log")
	if err := writeBulkFile(path, b.fileSize); err != nil {
		return nil, err
	}
	defer os.Remove(path)
	t := table{
		title: "Bulk: a file in the page cache, read by many clients",
		note: fmt.Sprintf("File %[1]s, %[2]s read in each trial by all clients together: each reads the last "+
			"min(file, %[2]s / clients) bytes, again until the sum is reached. They read %[3]d KiB at once, in a "+
			"process with a loop on each core. On loopback the two ends do part of each other's work, so the CPU "+
			"of both is shown too.", size(b.fileSize), size(b.bulkBudget), readBuffer>>10),
		columns: []column{{megabytes, 0}, {slowest, 2}, {cpuPerGB, 3}, {cpuOfAll, 3}},
	}
	for _, n := range b.bulkClients {
		r, err := inTurns(ctx, clients(n), b.pick(fairlead, bulkC, latencyC, tailsrv), b.turns, func(p peer) (sample, error) {
			return bulkTrial(ctx, b, p, path, n)
		})
		if err != nil {
			return nil, err
		}
		t.results = append(t.results, r)
		t.claims = append(t.claims,
			r.ratio(megabytes, bulkC, atLeast(0.95)), r.ratio(cpuPerGB, bulkC, atMost(1.15)), r.ratio(cpuOfAll, bulkC, noTarget),
			r.ratio(megabytes, latencyC, noTarget), r.ratio(cpuOfAll, latencyC, noTarget),
			r.ratio(megabytes, tailsrv, atLeast(0.95)), r.ratio(cpuOfAll, tailsrv, noTarget))
		if n == 1000 {
			t.claims = append(t.claims, r.value(slowest, atLeast(0.5)))
		}
	}
	return []table{t}, nil
}

// writeBulkFile writes lines, and leaves them in the page cache. What they say does not matter.
func writeBulkFile(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("make file to serve: %w", err)
	}
	defer f.Close()
	var block []byte
	for seq := range int64(1 << 14) {
		block = appendLine(block, seq, 0)
	}
	for off := int64(0); off < size; off += int64(len(block)) {
		if _, err := f.Write(block[:min(int64(len(block)), size-off)]); err != nil {
			return fmt.Errorf("write file to serve: %w", err)
		}
	}
	// On disk before the first trial, or writing back would be measured with it.
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write file to serve: %w", err)
	}
	return f.Close()
}

// bulkJob is for the client process: each client reads the last Share bytes of the file, Passes times.
type bulkJob struct {
	Port, Clients, Passes int
	Share                 int64
}

// bulkTook is when the clients were done, counted from the first header, and what they used.
type bulkTook struct{ Median, Last, CPU time.Duration }

func bulkTrial(ctx context.Context, b bench, p peer, path string, n int) (sample, error) {
	s, err := startServer(ctx, p, b.dir, path)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	before, err := s.cpu()
	if err != nil {
		return nil, err
	}
	share := min(b.fileSize, b.bulkBudget/int64(n))
	passes := max(int(b.bulkBudget/(share*int64(n))), 1)
	h, err := startHelper(ctx, "bulk-clients", bulkJob{s.port, n, passes, share})
	if err != nil {
		return nil, err
	}
	defer h.stop()
	var took bulkTook
	if err := h.result(&took); err != nil {
		return nil, s.blame(err)
	}
	after, err := s.cpu()
	if err != nil {
		return nil, err
	}
	sum := float64(share) * float64(passes) * float64(n)
	return sample{
		megabytes: sum / 1e6 / took.Last.Seconds(),
		slowest:   took.Median.Seconds() / took.Last.Seconds(),
		cpuPerGB:  (after - before).Seconds() / (sum / 1e9),
		cpuOfAll:  (after - before + took.CPU).Seconds() / (sum / 1e9),
	}, nil
}

// bulkTimeout ends a trial that does not move; the slowest takes a few seconds.
const bulkTimeout = 60 * time.Second

// readBuffer is what a client reads at once. Discarding instead (MSG_TRUNC) would cost the clients
// less, but then they are never behind, and the servers are measured where none of them ever is.
const readBuffer = 256 << 10

// bulkClients is the role of the reading side: a loop on each core, which share the clients.
func bulkClients(in *json.Decoder, out *json.Encoder) error {
	var job bulkJob
	if err := in.Decode(&job); err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	loops := make([]*bulkLoop, min(runtime.NumCPU(), job.Clients))
	for i := range loops {
		clients := job.Clients / len(loops)
		if i < job.Clients%len(loops) {
			clients++
		}
		loop, err := newBulkLoop(job, clients)
		if err != nil {
			return err
		}
		loops[i] = loop
	}
	began := time.Now()
	var all errgroup.Group
	for _, loop := range loops {
		all.Go(func() error { return loop.run(began) })
	}
	if err := all.Wait(); err != nil {
		return err
	}
	var done []time.Duration
	for _, loop := range loops {
		done = append(done, loop.done...)
	}
	slices.Sort(done)
	used, err := ownCPU()
	if err != nil {
		return err
	}
	return out.Encode(bulkTook{Median: done[(len(done)-1)/2], Last: done[len(done)-1], CPU: used})
}

// bulkLoop reads for some of the clients.
type bulkLoop struct {
	job     bulkJob
	poller  *poller
	readers []bulkReader
	done    []time.Duration // when each was, since the beginning
}

// bulkReader is one client.
type bulkReader struct {
	fd     int
	left   int64 // of this pass
	passes int   // yet to begin
}

// newBulkLoop connects its clients, which ask for nothing yet.
func newBulkLoop(job bulkJob, clients int) (*bulkLoop, error) {
	p, err := newPoller(bulkTimeout)
	if err != nil {
		return nil, err
	}
	l := &bulkLoop{job: job, poller: p, readers: make([]bulkReader, clients)}
	for i := range l.readers {
		fd, err := dial(job.Port)
		if err != nil {
			return nil, err
		}
		l.readers[i] = bulkReader{fd: fd, passes: job.Passes}
	}
	return l, nil
}

// run returns once each client has read everything.
func (l *bulkLoop) run(began time.Time) error {
	for i := range l.readers {
		if err := l.begin(i); err != nil {
			return err
		}
	}
	buf := make([]byte, readBuffer)
	for len(l.done) < len(l.readers) {
		events, err := l.poller.wait()
		if err != nil {
			return fmt.Errorf("%w: %d of %d clients are done", err, len(l.done), len(l.readers))
		}
		for _, ev := range events {
			ended, err := l.read(int(ev.Pad), buf)
			if err != nil {
				return err
			}
			if ended {
				l.done = append(l.done, time.Since(began))
			}
		}
	}
	return nil
}

// begin begins the client's next pass.
func (l *bulkLoop) begin(i int) error {
	r := &l.readers[i]
	r.left, r.passes = l.job.Share, r.passes-1
	if err := ask(r.fd, fmt.Sprintf("-%d\n", r.left)); err != nil {
		return err
	}
	return l.poller.add(r.fd, i)
}

// read takes what has come; ended is true after the last byte of the last pass.
func (l *bulkLoop) read(i int, buf []byte) (ended bool, err error) {
	r := &l.readers[i]
	n, err := received(unix.Read(r.fd, buf))
	if err != nil {
		return false, err
	}
	if r.left -= int64(n); r.left > 0 {
		return false, nil
	}
	if r.left < 0 {
		return false, fmt.Errorf("a client got %d bytes more than there are", -r.left)
	}
	unix.Close(r.fd)
	if r.passes == 0 {
		return true, nil
	}
	if r.fd, err = dial(l.job.Port); err != nil {
		return false, err
	}
	return false, l.begin(i)
}

// ownCPU is the processor time this process has used.
func ownCPU() (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("read own CPU time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
