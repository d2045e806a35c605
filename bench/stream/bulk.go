//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"fairlead/bench/measure"
	"fairlead/logfile"
	"fairlead/stream"
)

// measureBulk lets many clients, who all waited, read entries that are there at once.
func measureBulk(ctx context.Context, b bench) ([]measure.Table, error) {
	t := measure.Table{
		Title: "Bulk: entries that are there, over TCP",
		Note: fmt.Sprintf("The clients connect and do not read until all entries are there: in Fairlead's spool, which it has "+
			"filled meanwhile; in a file of the same entries for the C server. Each reads min(%s, %s / clients); the time is from "+
			"the word to read until the last byte. What lies in the sockets by then (some 0.5 MiB for each) is the same for both.",
			measure.Size(b.bulkMost), measure.Size(b.bulkBudget)),
		Columns: []measure.Column{
			measure.Megabytes.To(0), slowest.To(2), cpuPerGB.To(3), cpuOfAll.To(3), measure.RSS.To(1), measure.PeakRSS.To(1),
		},
	}
	peers := measure.Pick(b.tcp, measure.Fairlead, bulkC)
	for _, n := range b.counts {
		lines := 1 + min(b.bulkMost, b.bulkBudget/int64(n))/int64(len(entriesFrom(1, 2)))
		entries := filepath.Join(b.dir, "entries.log")
		if err := writeEntries(entries, lines); err != nil {
			return nil, err
		}
		r, err := measure.InTurns(ctx, "TCP, "+measure.Clients(n), peers, b.turns, func(p measure.Peer) (measure.Sample, error) {
			return b.bulk(ctx, p, n, lines, entries)
		})
		os.Remove(entries)
		if err != nil {
			return nil, err
		}
		target := measure.NoTarget
		if n == 100 {
			target = measure.AtLeast(0.9)
		}
		t.Results = append(t.Results, r)
		t.Claims = append(t.Claims, r.Ratio(measure.Megabytes, bulkC, target), r.Ratio(cpuOfAll, bulkC, measure.NoTarget))
	}
	return []measure.Table{t}, nil
}

// entriesFrom are entries as Fairlead makes them.
func entriesFrom(first, end int64) []byte {
	var text, out []byte
	for seq := first; seq < end; seq++ {
		text = measure.AppendLine(text, seq, 0)
	}
	lines := stream.Lines{Source: "bulk.log", LogWisp: true}
	return lines.Add(out, logfile.Span{Gen: logfile.GenID{1}, Off: first * measure.LineLen}, text)
}

// writeEntries writes the entries of lines 1 to lines-1.
func writeEntries(path string, lines int64) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("make file of entries: %w", err)
	}
	defer f.Close()
	const some = 1 << 12
	for seq := int64(1); seq < lines; seq += some {
		if _, err := f.Write(entriesFrom(seq, min(seq+some, lines))); err != nil {
			return fmt.Errorf("write entries: %w", err)
		}
	}
	return f.Close()
}

// bulk fills the server while its clients wait, and lets them read.
func (b bench) bulk(ctx context.Context, p measure.Peer, n int, lines int64, entries string) (measure.Sample, error) {
	path := filepath.Join(b.dir, "bulk.log")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return nil, fmt.Errorf("make log: %w", err)
	}
	defer os.Remove(path)
	s, err := measure.Start(ctx, p, b.dir, path)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	job := liveJob{Lines: lines, connectJob: connectJob{
		Port: s.Port, Clients: n + 1, Log: path, Mark: measure.AppendLine(nil, markSeq, 0), Limit: 2 * liveSlack,
	}}
	if p.Name == bulkC {
		job.Ask, job.Mark = "0\n", entriesFrom(markSeq, markSeq+1)
	}
	readers, err := measure.StartHelper(ctx, "bulk-clients", job)
	if err != nil {
		return nil, err
	}
	defer readers.Stop()
	if err := readers.WaitReady(); err != nil {
		return nil, s.Blame(err)
	}
	if p.Name == bulkC {
		err = appendFile(path, entries)
	} else {
		_, err = b.append(ctx, live{lines: lines}, path, 0)
	}
	if err != nil {
		return nil, err
	}
	if err := readers.WaitReady(); err != nil { // everything is there
		return nil, s.Blame(err)
	}
	if err := measure.SyncAll(b.dir); err != nil {
		return nil, err
	}
	before, err := s.CPU()
	if err != nil {
		return nil, err
	}
	if err := readers.Tell("read"); err != nil {
		return nil, err
	}
	var took bulkTook
	if err := readers.Result(&took); err != nil {
		return nil, s.Blame(err)
	}
	after, err := s.CPU()
	if err != nil {
		return nil, err
	}
	gigabytes := float64(took.Bytes) / 1e9
	sample := measure.Sample{
		measure.Megabytes: gigabytes * 1000 / took.Last.Seconds(),
		slowest:           took.Median.Seconds() / took.Last.Seconds(),
		cpuPerGB:          (after - before).Seconds() / gigabytes,
		cpuOfAll:          (after - before + took.CPU).Seconds() / gigabytes,
	}
	return sample, s.Remember(sample)
}

func appendFile(path, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("read entries: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("append entries: %w", err)
	}
	defer out.Close()
	if _, err := out.ReadFrom(in); err != nil {
		return fmt.Errorf("append entries: %w", err)
	}
	return nil
}

// bulkTook is what clients read, when they were done, counted from the word to read, and what that used.
type bulkTook struct {
	Bytes             int64
	Median, Last, CPU time.Duration
}

// bulkClients is the role of clients that wait until they are told to read. One more, the scout,
// reads from the beginning and checks every line: when it has all, everything is there.
func bulkClients(in *json.Decoder, out *json.Encoder) error {
	var job liveJob
	if err := in.Decode(&job); err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	fds, err := job.connect()
	if err != nil {
		return err
	}
	scout, err := job.newLoop(fds[:1])
	if err != nil {
		return err
	}
	held, err := job.loops(fds[1:])
	if err != nil {
		return err
	}
	want, err := scoutOut(job, scout, held, out)
	if err != nil {
		return err
	}
	var word string
	if err := in.Decode(&word); err != nil {
		return fmt.Errorf("wait for the word: %w", err)
	}
	before, err := measure.OwnCPU()
	if err != nil {
		return err
	}
	took, err := readAll(held, want)
	if err != nil {
		return err
	}
	after, err := measure.OwnCPU()
	took.CPU = after - before
	return errors.Join(err, out.Encode(took))
}

// scoutOut says ready once when all clients are served, and once when the scout has everything, of
// which it returns the length.
func scoutOut(job liveJob, scout *liveLoop, held []*liveLoop, out *json.Encoder) (int64, error) {
	var all errgroup.Group
	for _, l := range append(held, scout) {
		all.Go(func() error { return l.runWhile(func() bool { return l.unmarked > 0 }) })
	}
	served, failed := make(chan struct{}), error(nil)
	go func() {
		failed = all.Wait()
		close(served)
	}()
	if err := job.markUntil(served); err != nil {
		return 0, err
	}
	if failed != nil { // before it was closed
		return 0, failed
	}
	if err := out.Encode(measure.Ready); err != nil {
		return 0, err
	}
	if err := scout.runWhile(func() bool { return len(scout.done) == 0 }); err != nil {
		return 0, err
	}
	r := &scout.readers[0]
	if n := r.Lost(job.Lines) + r.Doubled + r.Reordered + r.Torn; n > 0 {
		return 0, fmt.Errorf("%d of the %d entries are lost, doubled, reordered or torn", n, job.Lines-1)
	}
	return r.bytes, out.Encode(measure.Ready)
}

// readAll lets the clients read until each has the last line. Lines are not checked: each client
// must have got as many bytes as the scout, want.
func readAll(held []*liveLoop, want int64) (took bulkTook, err error) {
	began := time.Now()
	var all errgroup.Group
	done := make([][]time.Duration, len(held))
	for i, l := range held {
		all.Go(func() (err error) {
			done[i], err = l.readAll(began, want)
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return took, err
	}
	times := slices.Concat(done...)
	slices.Sort(times)
	return bulkTook{Bytes: want * int64(len(times)), Median: times[(len(times)-1)/2], Last: times[len(times)-1]}, nil
}

func (l *liveLoop) readAll(began time.Time, want int64) (done []time.Duration, err error) {
	bulk := make([]bulkReader, len(l.fds))
	for len(done) < len(bulk) {
		events, err := l.poller.Wait()
		if err != nil {
			return nil, fmt.Errorf("%w: %d of %d clients are done", err, len(done), len(bulk))
		}
		for _, ev := range events {
			n, err := measure.Received(unix.Read(int(ev.Fd), l.buf))
			if err != nil {
				return nil, err
			}
			r := &bulk[ev.Pad]
			if !r.has(l.buf[:n], l.job.Lines-1) {
				continue
			}
			if r.bytes < want {
				return nil, fmt.Errorf("a client got the last line and %d bytes less than there are", want-r.bytes)
			}
			done = append(done, time.Since(began))
		}
	}
	return done, nil
}

// bulkReader is one client that looks for nothing but the last line.
type bulkReader struct {
	bytes int64
	tail  []byte // of what came
}

// has takes the next bytes and says whether the line with this number is the last of them.
func (r *bulkReader) has(p []byte, last int64) bool {
	const enough = 512 // for an entry
	r.bytes += int64(len(p))
	r.tail = append(r.tail, p[max(len(p)-enough, 0):]...)
	r.tail = append(r.tail[:0], r.tail[max(len(r.tail)-enough, 0):]...)
	text, whole := bytes.CutSuffix(r.tail, []byte{'\n'})
	if !whole {
		return false
	}
	var e entryReader
	seq, _, ok := e.parse(text[bytes.LastIndexByte(text, '\n')+1:])
	return ok && seq == last
}
