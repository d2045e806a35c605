//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fairlead/bench/measure"
)

const (
	noticePace = 100                       // lines/s
	lineSynced = "append, fdatasync alone" // as it stands in the table

	// noticeSlack is how long the last line may be under way before it counts as lost. Both ends find
	// each other within it, too.
	noticeSlack = 20 * time.Second
)

// measureNotice appends lines at a steady pace and sees when each is at the other end.
func measureNotice(ctx context.Context, b bench) ([]measure.Table, error) {
	columns := []measure.Column{measure.P50.To(3), measure.P99.To(3), measure.MaxMS.To(1), measure.Lost.To(0), measure.Doubled.To(0),
		measure.Reordered.To(0), measure.Torn.To(0), measure.Paced.To(0)}
	name := fmt.Sprintf("1 file, %d lines/s", noticePace)
	arrives := measure.Table{
		Title: "Notice: from append to the copy",
		Note: fmt.Sprintf("Lines of %d bytes are appended, one write each; the time is taken before it, and after the line was "+
			"read from the copy, which is watched by inotify. The first tenth does not count. What is read is not yet durable.", measure.LineLen),
		Columns: columns,
	}
	r, err := measure.InTurns(ctx, name, b.peers(func(w way) bool { return w.follows }), b.turns, func(p measure.Peer) (measure.Sample, error) {
		w, _ := b.find(p.Name)
		return b.notice(ctx, w, func(l *link, file string) readJob { return readJob{Copy: l.copyOf(l.trip, file)} })
	})
	if err != nil {
		return nil, err
	}
	arrives.Results = []measure.Result{r}
	arrives.Claims = []measure.Claim{faultless(r), r.Value(measure.P50, measure.AtMost(0.5)), r.Value(measure.P99, measure.AtMost(2)),
		r.Ratio(measure.P50, rsyslog, measure.NoTarget), r.Ratio(measure.P99, rsyslog, measure.NoTarget)}
	durable, err := b.measureDurable(ctx, name, columns)
	return []measure.Table{arrives, durable}, err
}

// faultless claims that nothing went wrong in any turn.
func faultless(r measure.Result) measure.Claim {
	return r.Total(measure.AtMost(0), measure.Lost, measure.Doubled, measure.Reordered, measure.Torn)
}

// measureDurable sees when each line is durable: a receiver that serves what it has received sends
// no byte before.
func (b bench) measureDurable(ctx context.Context, name string, columns []measure.Column) (measure.Table, error) {
	t := measure.Table{
		Title: "Notice: from append to durable",
		Note: fmt.Sprintf("The same, but `fairlead up --receive --serve` receives, and the line is read from a client of its "+
			"server, which sends only what is committed: file and journal are synced. The time holds that sending, too. Beside it "+
			"as many lines are appended and made durable one by one, on the same file system, by %q.", lineSynced),
		Columns: columns,
	}
	var peers []measure.Peer
	if _, ok := b.find(measure.Fairlead); ok {
		peers = append(peers, measure.Peer{Name: measure.Fairlead})
	}
	peers = append(peers, measure.Peer{Name: lineSynced})
	r, err := measure.InTurns(ctx, name, peers, b.turns, func(p measure.Peer) (measure.Sample, error) {
		if p.Name == lineSynced {
			return b.syncLines(ctx)
		}
		return b.notice(ctx, b.up, func(l *link, file string) readJob {
			return readJob{Port: l.serves, Ask: served(file) + " 0\n"}
		})
	})
	t.Results = []measure.Result{r}
	t.Claims = []measure.Claim{faultless(r), r.Ratio(measure.P99, lineSynced, measure.AtMost(6)), r.Ratio(measure.P50, lineSynced, measure.NoTarget)}
	return t, err
}

func (b bench) noticeLines() int64 { return 1 + int64(b.noticeFor.Seconds()*noticePace) }

// notice appends lines to a file that is shipped; from says where they come.
func (b bench) notice(ctx context.Context, w way, from func(l *link, file string) readJob) (measure.Sample, error) {
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
	if t.serves, err = measure.FreePort(); err != nil {
		return nil, err
	}
	l, err := w.start(ctx, t)
	if err != nil {
		return nil, err
	}
	defer l.stop()
	job := from(l, file)
	job.Lines, job.Base, job.Limit = b.noticeLines(), measure.NewMonotonic(0).Now(), b.noticeFor+noticeSlack
	job.Untimed = job.Lines / 10
	r, err := measure.StartHelper(ctx, "reader", job)
	if err != nil {
		return nil, err
	}
	defer r.Stop()
	if err := r.WaitReady(); err != nil {
		return nil, l.blame(err)
	}
	wrote, err := appendLines(ctx, measure.AppendJob{Path: file, Lines: job.Lines, PerSec: noticePace, Base: job.Base})
	if err != nil {
		return nil, err
	}
	var got readResult
	if err := r.Result(&got); err != nil {
		return nil, l.blame(err)
	}
	sample := measure.Sample{
		measure.Lost: float64(got.Lost), measure.Doubled: float64(got.Doubled), measure.Reordered: float64(got.Reordered),
		measure.Torn: float64(got.Torn), measure.Paced: float64(job.Lines-1) / wrote.Took.Seconds(),
	}
	got.add(sample)
	return sample, nil
}

// begin makes the source with one file that has line 0: who has that is at the end of a link.
func (t trip) begin() (file string, err error) {
	file = filepath.Join(t.source, fileName(0))
	if err := os.Mkdir(t.source, 0o755); err != nil {
		return file, fmt.Errorf("make directory to ship: %w", err)
	}
	if err := os.WriteFile(file, measure.AppendLine(nil, 0, 0), 0o644); err != nil {
		return file, fmt.Errorf("make file to ship: %w", err)
	}
	return file, nil
}

func appendLines(ctx context.Context, job measure.AppendJob) (wrote measure.Appended, err error) {
	writer, err := measure.StartHelper(ctx, "appender", job)
	if err != nil {
		return wrote, err
	}
	defer writer.Stop()
	return wrote, writer.Result(&wrote)
}

// syncLines makes as many lines durable one by one.
func (b bench) syncLines(ctx context.Context) (measure.Sample, error) {
	path := filepath.Join(b.dir, "synced.log")
	defer os.Remove(path)
	h, err := measure.StartHelper(ctx, "syncer", syncJob{path, b.noticeLines()})
	if err != nil {
		return nil, err
	}
	defer h.Stop()
	var took times
	if err := h.Result(&took); err != nil {
		return nil, err
	}
	sample := measure.Sample{}
	took.add(sample)
	return sample, nil
}
