//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"fairlead/bench/measure"
)

const (
	lagBytes measure.Figure = "lag at the end KiB"
	lagTime  measure.Figure = "and ms"

	steadyRate  = 10_000_000 // bytes/s
	steadyBatch = 64         // lines in a write
)

// measureSteady lets one file grow fast and evenly.
func measureSteady(ctx context.Context, b bench) ([]measure.Table, error) {
	t := measure.Table{
		Title: "Steady: a file that grows fast",
		Note: fmt.Sprintf("%d MB/s are appended for %v, in writes of %d KiB. CPU is that of both ends from the first append until "+
			"the copy has everything. Lag is what the copy does not have when the last byte was appended, and how long that took. "+
			"Fairlead's copy is compared byte by byte; of rsyslog lines are counted.",
			steadyRate/1_000_000, b.steadyFor, steadyBatch*measure.LineLen>>10),
		Columns: []measure.Column{
			cpuPerGB.To(2), lagBytes.To(0), lagTime.To(1), measure.Lost.To(0), measure.Doubled.To(0), measure.Reordered.To(0),
			measure.Torn.To(0), pacedMB.To(1),
		},
	}
	name := fmt.Sprintf("1 file, %d MB/s", steadyRate/1_000_000)
	r, err := measure.InTurns(ctx, name, b.peers(func(w way) bool { return w.follows }), b.turns, func(p measure.Peer) (measure.Sample, error) {
		w, _ := b.find(p.Name)
		return b.steady(ctx, w)
	})
	t.Results = []measure.Result{r}
	t.Claims = []measure.Claim{faultless(r), r.Ratio(cpuPerGB, rsyslog, measure.NoTarget), r.Value(lagTime, measure.NoTarget)}
	return []measure.Table{t}, err
}

// pacedMB is the pace that was kept.
const pacedMB measure.Figure = "MB/s written"

func (b bench) steady(ctx context.Context, w way) (measure.Sample, error) {
	work, err := os.MkdirTemp(b.dir, "trial-")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(work)
	t := trip{source: filepath.Join(work, "source"), work: work}
	file, err := t.begin()
	if err != nil {
		return nil, err
	}
	l, err := w.start(ctx, t)
	if err != nil {
		return nil, err
	}
	defer l.stop()
	dup := l.copyOf(t, file)
	if _, n, err := grown(ctx, dup, measure.LineLen); n == 0 || err != nil {
		return nil, l.blame(fmt.Errorf("the first line did not come: %v", err))
	}
	before, err := l.cpu()
	if err != nil {
		return nil, err
	}
	const perSec = steadyRate / measure.LineLen
	lines := 1 + int64(b.steadyFor.Seconds()*perSec)
	wrote, err := appendLines(ctx, measure.AppendJob{Path: file, Lines: lines, PerSec: perSec, Batch: steadyBatch})
	if err != nil {
		return nil, err
	}
	size, had, ended := lines*measure.LineLen, sizeOf(dup), time.Now()
	at, _, err := grown(ctx, dup, size)
	if err != nil {
		return nil, err
	}
	after, err := l.cpu()
	if err != nil {
		return nil, err
	}
	sample, err := linesOf(dup, lines)
	if err != nil {
		return nil, err
	}
	gigabytes := float64(size-measure.LineLen) / 1e9
	sample[cpuPerGB], sample[pacedMB] = (after-before).Seconds()/gigabytes, gigabytes*1000/wrote.Took.Seconds()
	sample[lagBytes], sample[lagTime] = float64(size-had)/1024, measure.Milliseconds(max(int64(at.Sub(ended)), 0))
	if l.lines {
		return sample, nil
	}
	return sample, sameBytes(file, dup)
}

// cpu is what both ends have used until now.
func (l *link) cpu() (time.Duration, error) {
	sender, err := l.sender.CPU()
	if err != nil {
		return 0, err
	}
	receiver, err := l.receiver.CPU()
	return sender + receiver, err
}

// sizeOf is how long a copy is; 0 if there is none.
func sizeOf(path string) int64 {
	fi, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return fi.Size()
}

// linesOf says what became of the lines that an appender wrote.
func linesOf(path string, lines int64) (measure.Sample, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("count lines: %w", err)
	}
	defer f.Close()
	var c measure.LineCounter
	buf := make([]byte, 1<<20)
	for {
		n, err := f.Read(buf)
		c.Feed(buf[:n], func(int64, int64) {})
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("count lines: %w", err)
		}
	}
	return measure.Sample{
		measure.Lost: float64(c.Lost(lines)), measure.Doubled: float64(c.Doubled), measure.Reordered: float64(c.Reordered),
		measure.Torn: float64(c.Torn),
	}, nil
}
