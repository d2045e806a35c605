//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fairlead/bench/measure"
)

const (
	converged   measure.Figure = "converged s"
	quietShip   measure.Figure = "quiet: ship CPU %"
	quietRecv   measure.Figure = "quiet: receive CPU %"
	busyShip    measure.Figure = "busy: ship CPU %"
	busyRecv    measure.Figure = "busy: receive CPU %"
	shipMemory  measure.Figure = "ship RSS MiB"
	recvMemory  measure.Figure = "receive RSS MiB"
	shipPeak    measure.Figure = "ship peak RSS MiB"
	recvPeak    measure.Figure = "receive peak RSS MiB"
	activePace                 = 10              // lines/s of each active file
	settle                     = 2 * time.Second // after the last file has come
	arriveLimit                = 5 * time.Minute // for all files from empty
)

// measureIdle ships a directory in which nothing happens, and then little.
func measureIdle(ctx context.Context, b bench) ([]measure.Table, error) {
	t := measure.Table{
		Title: "Idle: many files, few of which grow",
		Note: fmt.Sprintf("%s files of one line, and %d more that grow later. Converged: from the start of the sender, with "+
			"nothing at the receiver, until all copies are there. Quiet: the %v from %v later on, in which nothing happens. Busy: the "+
			"%v after that, in which %d lines/s are appended to each of the %d. CPU is percent of one core. RSS is taken at the "+
			"end. Then all copies are compared byte by byte.",
			measure.Thousands(b.idle), b.active, b.quiet, settle, b.busy, activePace, b.active),
		Columns: []measure.Column{
			converged.To(1), quietShip.To(2), quietRecv.To(2), busyShip.To(2), busyRecv.To(2), shipMemory.To(1), recvMemory.To(1),
			shipPeak.To(1), recvPeak.To(1),
		},
	}
	source := filepath.Join(b.dir, "idle")
	defer os.RemoveAll(source)
	h := haul{files: b.idle, size: lineLen}
	if err := h.write(source); err != nil {
		return nil, err
	}
	var peers []measure.Peer
	w, ok := b.find(measure.Fairlead)
	if ok {
		peers = append(peers, measure.Peer{Name: w.name})
	}
	name := fmt.Sprintf("%s files, %d active", measure.Thousands(b.idle+b.active), b.active)
	r, err := measure.InTurns(ctx, name, peers, b.turns, func(measure.Peer) (measure.Sample, error) {
		return b.idleTrial(ctx, w, h, source)
	})
	t.Results = []measure.Result{r}
	for _, f := range []measure.Figure{quietShip, quietRecv, busyShip, busyRecv} {
		t.Claims = append(t.Claims, r.Value(f, measure.AtMost(1)))
	}
	t.Claims = append(t.Claims, r.Value(shipMemory, measure.AtMost(64)), r.Value(recvMemory, measure.AtMost(64)), r.Value(converged, measure.NoTarget))
	return []measure.Table{t}, err
}

func (b bench) idleTrial(ctx context.Context, w way, h haul, source string) (measure.Sample, error) {
	work, err := os.MkdirTemp(b.dir, "trial-")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(work)
	active, err := openActive(source, b.active)
	if err != nil {
		return nil, err
	}
	defer active.close()
	if err := measure.SyncAll(b.dir); err != nil {
		return nil, err
	}
	l, err := w.start(ctx, trip{source: source, work: work})
	if err != nil {
		return nil, err
	}
	defer l.stop()
	files := active.paths()
	for i := range h.files {
		files = append(files, filepath.Join(source, fileName(i)))
	}
	if err := l.waitFor(ctx, files); err != nil {
		return nil, err
	}
	sample := measure.Sample{converged: time.Since(l.sender.Began).Seconds()}
	if err := pause(ctx, settle); err != nil {
		return nil, err
	}
	err = l.percent(sample, quietShip, quietRecv, func() error { return pause(ctx, b.quiet) })
	if err != nil {
		return nil, err
	}
	err = l.percent(sample, busyShip, busyRecv, func() error { return active.grow(ctx, b.busy) })
	if err != nil {
		return nil, err
	}
	if err := l.waitFor(ctx, files); err != nil {
		return nil, err
	}
	if err := l.memory(sample); err != nil {
		return nil, err
	}
	for _, file := range files {
		if err := sameBytes(file, l.copyOf(l.trip, file)); err != nil {
			return nil, err
		}
	}
	return sample, nil
}

// pause lets time pass.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waitFor waits until the copies of all files are as long as they are now.
func (l *link) waitFor(ctx context.Context, files []string) error {
	for end := time.Now().Add(arriveLimit); len(files) > 0; {
		if sizeOf(l.copyOf(l.trip, files[0])) >= sizeOf(files[0]) {
			files = files[1:]
			continue
		}
		if time.Now().After(end) {
			return l.blame(fmt.Errorf("%d files have not come after %v, as %s", len(files), arriveLimit, files[0]))
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// percent adds what part of a core both ends use while something is done.
func (l *link) percent(s measure.Sample, ship, receive measure.Figure, do func() error) error {
	sent, errSent := l.sender.CPU()
	received, errReceived := l.receiver.CPU()
	began := time.Now()
	if err := errors.Join(errSent, errReceived, do()); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	sentThen, errSent := l.sender.CPU()
	receivedThen, errReceived := l.receiver.CPU()
	s[ship], s[receive] = 100*(sentThen-sent).Seconds()/took, 100*(receivedThen-received).Seconds()/took
	return errors.Join(errSent, errReceived)
}

// memory adds what both ends hold, and have held.
func (l *link) memory(s measure.Sample) error {
	sender, receiver := measure.Sample{}, measure.Sample{}
	err := errors.Join(l.sender.Remember(sender), l.receiver.Remember(receiver))
	s[shipMemory], s[shipPeak] = sender[measure.RSS], sender[measure.PeakRSS]
	s[recvMemory], s[recvPeak] = receiver[measure.RSS], receiver[measure.PeakRSS]
	return err
}

// activeFiles are those that grow.
type activeFiles []*os.File

// openActive makes them anew, with one line each.
func openActive(dir string, n int) (files activeFiles, err error) {
	for i := range n {
		path := filepath.Join(dir, fmt.Sprintf("active%02d.log", i))
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return files, err
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return files, fmt.Errorf("make file to ship: %w", err)
		}
		files = append(files, f)
		if _, err := f.Write(measure.AppendLine(nil, 0, 0)); err != nil {
			return files, fmt.Errorf("make file to ship: %w", err)
		}
	}
	return files, nil
}

func (a activeFiles) close() {
	for _, f := range a {
		f.Close()
	}
}

func (a activeFiles) paths() (paths []string) {
	for _, f := range a {
		paths = append(paths, f.Name())
	}
	return paths
}

// grow appends lines at their pace, to one file after the other.
func (a activeFiles) grow(ctx context.Context, d time.Duration) error {
	step := time.Second / time.Duration(activePace*len(a))
	began := time.Now()
	for i := range int64(d / step) {
		if err := pause(ctx, time.Until(began.Add(time.Duration(i)*step))); err != nil {
			return err
		}
		if _, err := a[i%int64(len(a))].Write(measure.AppendLine(nil, 1+i/int64(len(a)), 0)); err != nil {
			return fmt.Errorf("append: %w", err)
		}
	}
	return nil
}
