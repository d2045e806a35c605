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

	"fairlead/bench/measure"
)

const (
	slowest  measure.Figure = "slowest / median client"
	cpuPerGB measure.Figure = "server CPU s/GB"
	cpuOfAll measure.Figure = "with clients' CPU s/GB"
)

// measureBulk lets more and more clients read a file that the page cache holds.
func measureBulk(ctx context.Context, b bench) ([]measure.Table, error) {
	path := filepath.Join(b.dir, "bulk.log")
	if err := writeBulkFile(path, b.fileSize); err != nil {
		return nil, err
	}
	defer os.Remove(path)
	t := measure.Table{
		Title: "Bulk: a file in the page cache, read by many clients",
		Note: fmt.Sprintf("File %[1]s, %[2]s read in each trial by all clients together: each reads the last "+
			"min(file, %[2]s / clients) bytes, again until the sum is reached. They read %[3]d KiB at once, in a "+
			"process with a loop on each core. On loopback the two ends do part of each other's work, so the CPU "+
			"of both is shown too.", measure.Size(b.fileSize), measure.Size(b.bulkBudget), measure.ReadBuffer>>10),
		Columns: []measure.Column{measure.Megabytes.To(0), slowest.To(2), cpuPerGB.To(3), cpuOfAll.To(3)},
	}
	for _, n := range b.bulkClients {
		peers := measure.Pick(b.peers, measure.Fairlead, bulkC, latencyC, tailsrv)
		r, err := measure.InTurns(ctx, measure.Clients(n), peers, b.turns, func(p measure.Peer) (measure.Sample, error) {
			return bulkTrial(ctx, b, p, path, n)
		})
		if err != nil {
			return nil, err
		}
		t.Results = append(t.Results, r)
		t.Claims = append(t.Claims,
			r.Ratio(measure.Megabytes, bulkC, measure.AtLeast(0.95)), r.Ratio(cpuPerGB, bulkC, measure.AtMost(1.15)),
			r.Ratio(cpuOfAll, bulkC, measure.NoTarget),
			r.Ratio(measure.Megabytes, latencyC, measure.NoTarget), r.Ratio(cpuOfAll, latencyC, measure.NoTarget),
			r.Ratio(measure.Megabytes, tailsrv, measure.AtLeast(0.95)), r.Ratio(cpuOfAll, tailsrv, measure.NoTarget))
		if n == 1000 {
			t.Claims = append(t.Claims, r.Value(slowest, measure.AtLeast(0.5)))
		}
	}
	return []measure.Table{t}, nil
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
		block = measure.AppendLine(block, seq, 0)
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

func bulkTrial(ctx context.Context, b bench, p measure.Peer, path string, n int) (measure.Sample, error) {
	s, err := measure.Start(ctx, p, b.dir, path)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	before, err := s.CPU()
	if err != nil {
		return nil, err
	}
	share := min(b.fileSize, b.bulkBudget/int64(n))
	passes := max(int(b.bulkBudget/(share*int64(n))), 1)
	h, err := measure.StartHelper(ctx, "bulk-clients", bulkJob{s.Port, n, passes, share})
	if err != nil {
		return nil, err
	}
	defer h.Stop()
	var took bulkTook
	if err := h.Result(&took); err != nil {
		return nil, s.Blame(err)
	}
	after, err := s.CPU()
	if err != nil {
		return nil, err
	}
	sum := float64(share) * float64(passes) * float64(n)
	return measure.Sample{
		measure.Megabytes: sum / 1e6 / took.Last.Seconds(),
		slowest:           took.Median.Seconds() / took.Last.Seconds(),
		cpuPerGB:          (after - before).Seconds() / (sum / 1e9),
		cpuOfAll:          (after - before + took.CPU).Seconds() / (sum / 1e9),
	}, nil
}

// bulkTimeout ends a trial that does not move; the slowest takes a few seconds.
const bulkTimeout = 60 * time.Second

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
	used, err := measure.OwnCPU()
	if err != nil {
		return err
	}
	return out.Encode(bulkTook{Median: done[(len(done)-1)/2], Last: done[len(done)-1], CPU: used})
}

// bulkLoop reads for some of the clients.
type bulkLoop struct {
	job     bulkJob
	poller  *measure.Poller
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
	p, err := measure.NewPoller(bulkTimeout)
	if err != nil {
		return nil, err
	}
	l := &bulkLoop{job: job, poller: p, readers: make([]bulkReader, clients)}
	for i := range l.readers {
		fd, err := measure.Dial(job.Port)
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
	buf := make([]byte, measure.ReadBuffer)
	for len(l.done) < len(l.readers) {
		events, err := l.poller.Wait()
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
	if err := measure.Ask(r.fd, fmt.Sprintf("-%d\n", r.left)); err != nil {
		return err
	}
	return l.poller.Add(r.fd, i)
}

// read takes what has come; ended is true after the last byte of the last pass.
func (l *bulkLoop) read(i int, buf []byte) (ended bool, err error) {
	r := &l.readers[i]
	n, err := measure.Received(unix.Read(r.fd, buf))
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
	if r.fd, err = measure.Dial(l.job.Port); err != nil {
		return false, err
	}
	return false, l.begin(i)
}
