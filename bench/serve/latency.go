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
)

const (
	p50       figure = "p50 ms"
	p99       figure = "p99 ms"
	maxMS     figure = "max ms"
	lost      figure = "lost"
	doubled   figure = "doubled"
	reordered figure = "reordered"
	torn      figure = "torn"
	paced     figure = "lines/s written"
	cpuUse    figure = "server CPU %"
)

// measureLatency appends lines at a steady pace and sees when each arrives at each client.
func measureLatency(ctx context.Context, b bench) ([]table, error) {
	t := table{
		title: "Latency: from append to delivery",
		note: fmt.Sprintf("Lines of %d bytes, one write each; the time is taken before the write and after the read. "+
			"All lines of all clients count, but for the first tenth. Lines that were lost, doubled, "+
			"reordered or torn are counted over all clients.", lineLen),
		columns: []column{{p50, 3}, {p99, 3}, {maxMS, 1}, {lost, 0}, {doubled, 0}, {reordered, 0}, {torn, 0}, {paced, 0}, {cpuUse, 0}},
	}
	for _, rate := range b.rates {
		for _, n := range b.latencyClients {
			name := fmt.Sprintf("%s, %s lines/s", clients(n), thousands(rate.linesPerSec))
			r, err := inTurns(ctx, name, b.pick(fairlead, latencyC, tailsrv), b.turns, func(p peer) (sample, error) {
				return latencyTrial(ctx, b, p, n, rate)
			})
			if err != nil {
				return nil, err
			}
			t.results = append(t.results, r)
			t.claims = append(t.claims, latencyClaims(r, rate)...)
		}
	}
	return []table{t}, nil
}

func latencyClaims(r result, rate rate) []claim {
	all := []claim{r.total(atMost(0), lost, doubled, reordered, torn)}
	if rate.linesPerSec < 10_000 {
		return append(all, r.ratio(p50, latencyC, noTarget), r.ratio(p99, latencyC, noTarget), r.ratio(p50, tailsrv, noTarget))
	}
	return append(all, r.ratio(p50, latencyC, atMost(1.5).orMore(0.05, "ms")),
		r.ratio(p99, latencyC, atMost(2)), r.ratio(p50, tailsrv, noTarget), r.ratio(p99, tailsrv, noTarget))
}

func latencyTrial(ctx context.Context, b bench, p peer, n int, rate rate) (sample, error) {
	path := filepath.Join(b.dir, "latency.log")
	// The first line is there before the clients: whoever has it is being served.
	if err := os.WriteFile(path, appendLine(nil, 0, 0), 0o644); err != nil {
		return nil, fmt.Errorf("make file to serve: %w", err)
	}
	defer os.Remove(path)
	s, err := startServer(ctx, p, b.dir, path)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	base := newMonotonic(0).now()
	lines := 1 + int64(rate.time.Seconds()*float64(rate.linesPerSec))
	readers, err := startHelper(ctx, "latency-clients",
		latencyJob{Port: s.port, Clients: n, Lines: lines, Untimed: lines / 10, Base: base, Limit: rate.time + latencySlack})
	if err != nil {
		return nil, err
	}
	defer readers.stop()
	if err := readers.waitReady(); err != nil {
		return nil, s.blame(err)
	}
	before, err := s.cpu()
	if err != nil {
		return nil, err
	}
	writer, err := startHelper(ctx, "appender", appendJob{path, lines, rate.linesPerSec, base})
	if err != nil {
		return nil, err
	}
	defer writer.stop()
	var wrote time.Duration
	if err := writer.result(&wrote); err != nil {
		return nil, err
	}
	var got latencyResult
	if err := readers.result(&got); err != nil {
		return nil, s.blame(err)
	}
	after, err := s.cpu()
	if err != nil {
		return nil, err
	}
	return sample{
		p50: milliseconds(got.P50), p99: milliseconds(got.P99), maxMS: milliseconds(got.Max),
		lost: float64(got.Lost), doubled: float64(got.Doubled), reordered: float64(got.Reordered), torn: float64(got.Torn),
		paced:  float64(lines-1) / wrote.Seconds(),
		cpuUse: 100 * (after - before).Seconds() / wrote.Seconds(),
	}, nil
}

func milliseconds(ns int64) float64 { return float64(ns) / 1e6 }

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
	p, err := newPoller(job.Limit)
	if err != nil {
		return err
	}
	fds, err := openStreams(p, job.Port, job.Clients)
	if err != nil {
		return err
	}
	r := latencyReader{job: job, clock: newMonotonic(job.Base), lines: make([]lineCounter, job.Clients)}
	for i := range r.lines {
		r.lines[i].next = 1 // openStreams has read line 0
	}
	if err := out.Encode(ready); err != nil {
		return err
	}
	if err := r.read(p, fds); err != nil && err != errStalled { // what a stalled server kept is lost
		return err
	}
	got := latencyResult{P50: r.times.quantile(0.5), P99: r.times.quantile(0.99), Max: r.times.max}
	for _, c := range r.lines {
		got.Lost += c.lost(job.Lines)
		got.Doubled += c.doubled
		got.Reordered += c.reordered
		got.Torn += c.torn
	}
	return out.Encode(got)
}

type latencyReader struct {
	job   latencyJob
	clock monotonic
	lines []lineCounter // by client
	times histogram
}

// read goes on until every client has the last line.
func (r *latencyReader) read(p *poller, fds []int) error {
	buf := make([]byte, readBuffer)
	var now int64
	timed := func(seq, stamp int64) {
		if seq >= r.job.Untimed {
			r.times.add(now - stamp)
		}
	}
	for behind := len(fds); behind > 0; {
		events, err := p.wait()
		if err != nil {
			return err
		}
		for _, ev := range events {
			n, err := received(unix.Read(int(ev.Fd), buf))
			if err != nil {
				return err
			}
			now = r.clock.now()
			c := &r.lines[ev.Pad]
			had := c.next
			c.feed(buf[:n], timed)
			if had < r.job.Lines && c.next >= r.job.Lines {
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
func openStreams(p *poller, port, n int) ([]int, error) {
	fds := make([]int, 0, n)
	line := make([]byte, lineLen)
	for len(fds) < n {
		batch := min(streamBatch, n-len(fds))
		for range batch {
			fd, err := dial(port)
			if err != nil {
				return nil, err
			}
			if err := ask(fd, "0\n"); err != nil {
				return nil, err
			}
			if err := p.add(fd, len(fds)); err != nil {
				return nil, err
			}
			fds = append(fds, fd)
		}
		for batch > 0 {
			events, err := p.wait()
			if err != nil {
				return nil, fmt.Errorf("%w: %d of %d clients have no first line", err, batch+n-len(fds), n)
			}
			for _, ev := range events {
				got, err := received(unix.Read(int(ev.Fd), line))
				if err != nil {
					return nil, err
				}
				if got == lineLen {
					batch--
				}
			}
		}
	}
	return fds, nil
}
