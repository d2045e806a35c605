//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"fairlead/bench/measure"
)

const (
	linesEach measure.Figure = "lines/s to each"
	cpuPerGB  measure.Figure = "server CPU s/GB"
	cpuOfAll  measure.Figure = "with clients' CPU s/GB"
	slowest   measure.Figure = "slowest / median client"
)

const (
	writesPerSec = 10_000 // of an appender; what is faster writes several lines at once
	floodBatch   = 1024   // lines in a write of a flood
)

// live is a trial in which clients read while a log is written.
type live struct {
	outlet
	clients, stalled int
	lines            int64 // one more than there are
	perSec           int   // 0: a flood
	untimed          int64
}

// liveSlack is how long the last line may be under way before it counts as lost. The clients connect
// within it too.
const liveSlack = 30 * time.Second

func (b bench) live(ctx context.Context, p measure.Peer, t live) (measure.Sample, error) {
	path := filepath.Join(b.dir, "live.log")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return nil, fmt.Errorf("make log: %w", err)
	}
	defer os.Remove(path)
	s, err := measure.Start(ctx, p, b.dir, path)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	base := measure.NewMonotonic(0).Now()
	limit := liveSlack
	if t.perSec > 0 {
		limit += time.Duration(t.lines) * time.Second / time.Duration(t.perSec)
	}
	readers, err := measure.StartHelper(ctx, "clients", liveJob{
		connectJob: connectJob{
			Port: s.Port, Clients: t.clients, Stalled: t.stalled, Dials: p.Dials, Ask: t.ask(s.Port),
			Log: path, Mark: measure.AppendLine(nil, markSeq, 0), Limit: limit,
		},
		SSE: t.sse, Lines: t.lines, Untimed: t.untimed, Base: base,
	})
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
	wrote, err := b.append(ctx, t, path, base)
	if err != nil {
		return nil, err
	}
	var got liveResult
	if err := readers.Result(&got); err != nil {
		return nil, s.Blame(err)
	}
	after, err := s.CPU()
	if err != nil {
		return nil, err
	}
	sample := t.sample(got, wrote, after-before)
	return sample, s.Remember(sample)
}

// ask is what a client says.
func (o outlet) ask(port int) string {
	if !o.sse {
		return ""
	}
	return "GET /stream HTTP/1.1\r\nHost: 127.0.0.1:" + strconv.Itoa(port) + "\r\nAccept: text/event-stream\r\n\r\n"
}

func (b bench) append(ctx context.Context, t live, path string, base int64) (wrote measure.Appended, err error) {
	job := measure.AppendJob{Path: path, Lines: t.lines, PerSec: t.perSec, Batch: max(t.perSec/writesPerSec, 1), Base: base}
	if t.perSec == 0 {
		job.Batch = floodBatch
	}
	writer, err := measure.StartHelper(ctx, "appender", job)
	if err != nil {
		return wrote, err
	}
	defer writer.Stop()
	return wrote, writer.Result(&wrote)
}

func (t live) sample(got liveResult, wrote measure.Appended, cpu time.Duration) measure.Sample {
	took := time.Duration(got.Last - wrote.Began).Seconds()
	gigabytes := float64(got.Bytes) / 1e9
	return measure.Sample{
		measure.P50:       measure.Milliseconds(got.P50),
		measure.P99:       measure.Milliseconds(got.P99),
		measure.MaxMS:     measure.Milliseconds(got.Max),
		measure.Lost:      float64(got.Lost),
		measure.Doubled:   float64(got.Doubled),
		measure.Reordered: float64(got.Reordered),
		measure.Torn:      float64(got.Torn),
		measure.Paced:     float64(t.lines-1) / wrote.Took.Seconds(),
		measure.CPUUse:    100 * cpu.Seconds() / took,
		measure.Megabytes: gigabytes * 1000 / took,
		linesEach:         float64(t.lines-1) / took,
		slowest:           float64(got.Median-wrote.Began) / float64(got.Last-wrote.Began),
		cpuPerGB:          cpu.Seconds() / gigabytes,
		cpuOfAll:          (cpu + got.CPU).Seconds() / gigabytes,
	}
}

// faultless claims that nothing went wrong in any turn.
func faultless(r measure.Result) measure.Claim {
	return r.Total(measure.AtMost(0), measure.Lost, measure.Doubled, measure.Reordered, measure.Torn)
}

// measureFlood lets clients read a log that is written as fast as can be.
func measureFlood(ctx context.Context, b bench) ([]measure.Table, error) {
	t := measure.Table{
		Title: "Flood: fan-out while the log is written",
		Note: fmt.Sprintf("Lines of %d bytes are appended as fast as can be, %s to one client, else %s divided by "+
			"the clients; the time is from the first append to the last byte at the last client, who checks each line. "+
			"MB/s is entries over all clients together. One client shows the highest rate without loss.",
			measure.LineLen, measure.Thousands(int(b.floodLines)), measure.Thousands(int(b.floodBudget))),
		Columns: []measure.Column{
			measure.Megabytes.To(0), linesEach.To(0), slowest.To(2), cpuPerGB.To(3), cpuOfAll.To(3), measure.Lost.To(0),
			measure.Doubled.To(0), measure.Reordered.To(0), measure.Torn.To(0), measure.RSS.To(1), measure.PeakRSS.To(1),
		},
	}
	for _, o := range b.outlets() {
		for _, n := range b.counts {
			names := []string{measure.Fairlead, encodeOnce}
			if n == 1 {
				names = append(names, rsyslog)
			}
			lines := 1 + min(b.floodLines, b.floodBudget/int64(n))
			peers := measure.Pick(o.peers, names...)
			r, err := measure.InTurns(ctx, o.name+", "+measure.Clients(n), peers, b.turns, func(p measure.Peer) (measure.Sample, error) {
				return b.live(ctx, p, live{outlet: o, clients: n, lines: lines})
			})
			if err != nil {
				return nil, err
			}
			t.Results = append(t.Results, r)
			if n == 1 {
				t.Claims = append(t.Claims, faultless(r), r.Ratio(linesEach, encodeOnce, measure.AtLeast(0.5)))
				if !o.sse {
					t.Claims = append(t.Claims, r.Ratio(linesEach, rsyslog, measure.NoTarget))
				}
				continue
			}
			t.Claims = append(t.Claims, faultless(r), r.Ratio(measure.Megabytes, encodeOnce, measure.AtLeast(0.9)),
				r.Ratio(linesEach, encodeOnce, measure.NoTarget), r.Ratio(cpuOfAll, encodeOnce, measure.NoTarget))
		}
	}
	return []measure.Table{t}, nil
}

// measureLatency appends lines at a steady pace and sees when each arrives at each client.
func measureLatency(ctx context.Context, b bench) ([]measure.Table, error) {
	t := measure.Table{
		Title: "Latency and memory: from append to delivery",
		Note: fmt.Sprintf("Lines of %d bytes, one write each, from %s lines/s on several in a write; the time is taken "+
			"before the write and after the read. All lines of all clients count, but for the first tenth. Lines that were lost, "+
			"doubled, reordered or torn are counted over all clients and all lines. Fewer lines/s to each than written: the last one "+
			"was late, and latency is how far clients fell behind in %v. RSS is taken while the clients are still there.",
			measure.LineLen, measure.Thousands(2*writesPerSec), b.pace),
		Columns: []measure.Column{
			measure.P50.To(3), measure.P99.To(3), measure.MaxMS.To(1), measure.Lost.To(0), measure.Doubled.To(0), measure.Reordered.To(0),
			measure.Torn.To(0), measure.Paced.To(0), linesEach.To(0), measure.CPUUse.To(0), measure.RSS.To(1), measure.PeakRSS.To(1),
		},
	}
	for _, o := range b.outlets() {
		for _, rate := range b.rates {
			for _, n := range rate.clients {
				r, err := b.latency(ctx, o, rate.perSec, n)
				if err != nil {
					return nil, err
				}
				t.Results = append(t.Results, r)
				t.Claims = append(t.Claims, faultless(r),
					r.Ratio(measure.P50, encodeOnce, measure.NoTarget), r.Ratio(measure.P99, encodeOnce, measure.AtMost(2)))
				if n == 1 && !o.sse {
					t.Claims = append(t.Claims, r.Ratio(measure.P99, rsyslog, measure.NoTarget))
				}
				if n >= 1000 {
					t.Claims = append(t.Claims, r.Value(measure.RSS, measure.AtMost(100)), r.Value(measure.PeakRSS, measure.NoTarget))
				}
			}
		}
	}
	return []measure.Table{t}, nil
}

func (b bench) latency(ctx context.Context, o outlet, perSec, n int) (measure.Result, error) {
	names := []string{measure.Fairlead, encodeOnce}
	if n == 1 {
		names = append(names, rsyslog)
	}
	lines := 1 + int64(b.pace.Seconds()*float64(perSec))
	name := fmt.Sprintf("%s, %s, %s lines/s", o.name, measure.Clients(n), measure.Thousands(perSec))
	return measure.InTurns(ctx, name, measure.Pick(o.peers, names...), b.turns, func(p measure.Peer) (measure.Sample, error) {
		return b.live(ctx, p, live{outlet: o, clients: n, lines: lines, perSec: perSec, untimed: lines / 10})
	})
}

// besideNone is what a stall is compared with.
const besideNone = measure.Fairlead + ", none stalled"

// measureStall lets most clients not read at all, and sees what the others notice.
func measureStall(ctx context.Context, b bench) ([]measure.Table, error) {
	const perSec = 10_000
	t := measure.Table{
		Title: "Stalled clients beside others that read",
		Note: fmt.Sprintf("The stalled ones connect, ask, and never read, with the smallest receive buffer there is. %s lines/s "+
			"for %v, of which the second half is timed. Figures are those of the clients that read.", measure.Thousands(perSec), 2*b.pace),
		Columns: []measure.Column{
			measure.P50.To(3), measure.P99.To(3), measure.MaxMS.To(1), measure.Lost.To(0), measure.Doubled.To(0), measure.Reordered.To(0),
			measure.Torn.To(0), measure.CPUUse.To(0), measure.RSS.To(1), measure.PeakRSS.To(1),
		},
	}
	lines := 1 + int64(2*b.pace.Seconds()*perSec)
	for _, o := range b.outlets() {
		var peers []measure.Peer
		for _, p := range measure.Pick(o.peers, measure.Fairlead) {
			alone := p
			alone.Name = besideNone
			peers = append(peers, p, alone)
		}
		for _, st := range b.stalls {
			name := fmt.Sprintf("%s, %d of %s stalled", o.name, st.stalled, measure.Thousands(st.stalled+st.readers))
			r, err := measure.InTurns(ctx, name, peers, b.turns, func(p measure.Peer) (measure.Sample, error) {
				trial := live{outlet: o, clients: st.readers, stalled: st.stalled, lines: lines, perSec: perSec, untimed: lines / 2}
				if p.Name == besideNone {
					trial.stalled = 0
				}
				return b.live(ctx, p, trial)
			})
			if err != nil {
				return nil, err
			}
			t.Results = append(t.Results, r)
			t.Claims = append(t.Claims, faultless(r), r.Ratio(measure.P50, besideNone, measure.NoTarget),
				r.Ratio(measure.P99, besideNone, measure.AtMost(1.5)), r.Ratio(measure.RSS, besideNone, measure.NoTarget))
		}
	}
	return []measure.Table{t}, nil
}
