//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"fairlead/bench/measure"
)

// measureLatency appends lines at a steady pace and sees when each arrives at each client.
func measureLatency(ctx context.Context, b bench) ([]measure.Table, error) {
	t := measure.Table{
		Title: "Latency: from append to delivery",
		Note: fmt.Sprintf("Lines of %d bytes, one write each; the time is taken before the write and after the read. "+
			"All lines of all clients count, but for the first tenth. Lines that were lost, doubled, "+
			"reordered or torn are counted over all clients.", measure.LineLen),
		Columns: []measure.Column{measure.P50.To(3), measure.P99.To(3), measure.MaxMS.To(1),
			measure.Lost.To(0), measure.Doubled.To(0), measure.Reordered.To(0), measure.Torn.To(0),
			measure.Paced.To(0), measure.CPUUse.To(0)},
	}
	for _, rate := range b.rates {
		for _, n := range b.latencyClients {
			name := fmt.Sprintf("%s, %s lines/s", measure.Clients(n), measure.Thousands(rate.linesPerSec))
			peers := measure.Pick(b.peers, measure.Fairlead, latencyC, tailsrv)
			r, err := measure.InTurns(ctx, name, peers, b.turns, func(p measure.Peer) (measure.Sample, error) {
				return latencyTrial(ctx, b, p, n, rate)
			})
			if err != nil {
				return nil, err
			}
			t.Results = append(t.Results, r)
			t.Claims = append(t.Claims, latencyClaims(r, rate)...)
		}
	}
	return []measure.Table{t}, nil
}

func latencyClaims(r measure.Result, rate rate) []measure.Claim {
	all := []measure.Claim{r.Total(measure.AtMost(0), measure.Lost, measure.Doubled, measure.Reordered, measure.Torn)}
	if rate.linesPerSec < 10_000 {
		return append(all, r.Ratio(measure.P50, latencyC, measure.NoTarget), r.Ratio(measure.P99, latencyC, measure.NoTarget),
			r.Ratio(measure.P50, tailsrv, measure.NoTarget))
	}
	return append(all, r.Ratio(measure.P50, latencyC, measure.AtMost(1.5).OrMore(0.05, "ms")),
		r.Ratio(measure.P99, latencyC, measure.AtMost(2)),
		r.Ratio(measure.P50, tailsrv, measure.NoTarget), r.Ratio(measure.P99, tailsrv, measure.NoTarget))
}

func latencyTrial(ctx context.Context, b bench, p measure.Peer, n int, rate rate) (measure.Sample, error) {
	path := filepath.Join(b.dir, "latency.log")
	// The first line is there before the clients: whoever has it is being served.
	if err := os.WriteFile(path, measure.AppendLine(nil, 0, 0), 0o644); err != nil {
		return nil, fmt.Errorf("make file to serve: %w", err)
	}
	defer os.Remove(path)
	s, err := measure.Start(ctx, p, b.dir, path)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	base := measure.NewMonotonic(0).Now()
	lines := 1 + int64(rate.time.Seconds()*float64(rate.linesPerSec))
	readers, err := measure.StartHelper(ctx, "latency-clients",
		latencyJob{Port: s.Port, Clients: n, Lines: lines, Untimed: lines / 10, Base: base, Limit: rate.time + latencySlack})
	if err != nil {
		return nil, err
	}
	defer readers.Stop()
	if err := readers.WaitReady(); err != nil {
		return nil, s.Blame(err)
	}
	before, err := s.CPU()
	if err != nil {
		return nil, err
	}
	writer, err := measure.StartHelper(ctx, "appender", measure.AppendJob{Path: path, Lines: lines, PerSec: rate.linesPerSec, Base: base})
	if err != nil {
		return nil, err
	}
	defer writer.Stop()
	var wrote measure.Appended
	if err := writer.Result(&wrote); err != nil {
		return nil, err
	}
	var got latencyResult
	if err := readers.Result(&got); err != nil {
		return nil, s.Blame(err)
	}
	after, err := s.CPU()
	if err != nil {
		return nil, err
	}
	return measure.Sample{
		measure.P50:       measure.Milliseconds(got.P50),
		measure.P99:       measure.Milliseconds(got.P99),
		measure.MaxMS:     measure.Milliseconds(got.Max),
		measure.Lost:      float64(got.Lost),
		measure.Doubled:   float64(got.Doubled),
		measure.Reordered: float64(got.Reordered),
		measure.Torn:      float64(got.Torn),
		measure.Paced:     float64(lines-1) / wrote.Took.Seconds(),
		measure.CPUUse:    100 * (after - before).Seconds() / wrote.Took.Seconds(),
	}, nil
}

// latencySlack is how long the last line may be under way before it counts as lost. The clients
// connect within it too.
const latencySlack = 20 * time.Second

type latencyJob struct {
	Port, Clients  int
	Lines, Untimed int64 // numbers 0 to Lines-1 will come; those below Untimed are not timed
	Base           int64 // stamps count from here
	Limit          time.Duration
}

type latencyResult struct {
	P50, P99, Max                  int64 // nanoseconds
	Lost, Doubled, Reordered, Torn int64
}

// latencyClients is the role of the reading side: one loop over all clients.
func latencyClients(in *json.Decoder, out *json.Encoder) error {
	var job latencyJob
	if err := in.Decode(&job); err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	p, err := measure.NewPoller(job.Limit)
	if err != nil {
		return err
	}
	fds, err := openStreams(p, job.Port, job.Clients)
	if err != nil {
		return err
	}
	r := latencyReader{job: job, clock: measure.NewMonotonic(job.Base), lines: make([]measure.LineCounter, job.Clients)}
	for i := range r.lines {
		r.lines[i].Next = 1 // openStreams has read line 0
	}
	if err := out.Encode(measure.Ready); err != nil {
		return err
	}
	if err := r.read(p, fds); err != nil && err != measure.ErrStalled { // what a stalled server kept is lost
		return err
	}
	got := latencyResult{P50: r.times.Quantile(0.5), P99: r.times.Quantile(0.99), Max: r.times.Max}
	for _, c := range r.lines {
		got.Lost += c.Lost(job.Lines)
		got.Doubled += c.Doubled
		got.Reordered += c.Reordered
		got.Torn += c.Torn
	}
	return out.Encode(got)
}

type latencyReader struct {
	job   latencyJob
	clock measure.Monotonic
	lines []measure.LineCounter // by client
	times measure.Histogram
}

// read goes on until every client has the last line.
func (r *latencyReader) read(p *measure.Poller, fds []int) error {
	buf := make([]byte, measure.ReadBuffer)
	var now int64
	timed := func(seq, stamp int64) {
		if seq >= r.job.Untimed {
			r.times.Add(now - stamp)
		}
	}
	for behind := len(fds); behind > 0; {
		events, err := p.Wait()
		if err != nil {
			return err
		}
		for _, ev := range events {
			n, err := measure.Received(unix.Read(int(ev.Fd), buf))
			if err != nil {
				return err
			}
			now = r.clock.Now()
			c := &r.lines[ev.Pad]
			had := c.Next
			c.Feed(buf[:n], timed)
			if had < r.job.Lines && c.Next >= r.job.Lines {
				behind--
			}
		}
	}
	return nil
}

// streamBatch is how many connections are opened before the first of them is waited for: a
// server's queue of new connections must not overflow.
const streamBatch = 64

// openStreams connects clients from offset 0 and returns once each has read the first line.
func openStreams(p *measure.Poller, port, n int) ([]int, error) {
	fds := make([]int, 0, n)
	line := make([]byte, measure.LineLen)
	for len(fds) < n {
		batch := min(streamBatch, n-len(fds))
		for range batch {
			fd, err := measure.Dial(port)
			if err != nil {
				return nil, err
			}
			if err := measure.Ask(fd, "0\n"); err != nil {
				return nil, err
			}
			if err := p.Add(fd, len(fds)); err != nil {
				return nil, err
			}
			fds = append(fds, fd)
		}
		for batch > 0 {
			events, err := p.Wait()
			if err != nil {
				return nil, fmt.Errorf("%w: %d of %d clients have no first line", err, batch+n-len(fds), n)
			}
			for _, ev := range events {
				got, err := measure.Received(unix.Read(int(ev.Fd), line))
				if err != nil {
					return nil, err
				}
				if got == measure.LineLen {
					batch--
				}
			}
		}
	}
	return fds, nil
}
