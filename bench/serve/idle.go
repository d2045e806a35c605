//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"fairlead/bench/measure"
)

const (
	perClient  measure.Figure = "KiB/client"
	idleCPU    measure.Figure = "CPU % of a core"
	admitted   measure.Figure = "clients"
	firstScan  measure.Figure = "first scan s"
	perFile    measure.Figure = "KiB/file"
	openFiles  measure.Figure = "descriptors"
	idleMemory measure.Figure = "RSS MiB"
)

func measureIdle(ctx context.Context, b bench) ([]measure.Table, error) {
	ofClients, err := measureIdleClients(ctx, b)
	if err != nil {
		return nil, err
	}
	ofFiles, err := measureIdleFiles(ctx, b)
	if err != nil {
		return nil, err
	}
	return []measure.Table{ofClients, ofFiles}, nil
}

// measureIdleClients lets many clients wait at the end of a file that does not grow.
func measureIdleClients(ctx context.Context, b bench) (measure.Table, error) {
	t := measure.Table{
		Title: "Idle clients: a quiet file",
		Note: fmt.Sprintf("Each has read the file and waits. Memory is what the server holds more than before the first "+
			"one (RSS, without the kernel's sockets), CPU that of %v; no CPU is taken to be at most 0.1 %%. A server with several descriptors "+
			"for a client gets fewer clients where the limit (%d here) is too low.", b.idleTime, measure.DescriptorLimit()),
		Columns: []measure.Column{admitted.To(0), perClient.To(2), idleMemory.To(1), idleCPU.To(3)},
	}
	peers := measure.Pick(b.peers, measure.Fairlead, latencyC, tailsrv)
	r, err := measure.InTurns(ctx, measure.Clients(b.idleClients), peers, b.turns, func(p measure.Peer) (measure.Sample, error) {
		return idleClientsTrial(ctx, b, p)
	})
	t.Results = []measure.Result{r}
	t.Claims = []measure.Claim{r.Value(admitted, measure.AtLeast(float64(b.idleClients))), r.Value(perClient, measure.AtMost(16)),
		r.Value(idleCPU, measure.AtMost(0.1)), r.Ratio(perClient, tailsrv, measure.NoTarget)}
	return t, err
}

func idleClientsTrial(ctx context.Context, b bench, p measure.Peer) (measure.Sample, error) {
	path := filepath.Join(b.dir, "idle.log")
	if err := writeIdleFile(path); err != nil {
		return nil, err
	}
	defer os.Remove(path)
	s, err := measure.Start(ctx, p, b.dir, path)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	empty, err := s.RSS()
	if err != nil {
		return nil, err
	}
	const reserve = 100 // for what the server has open besides
	n := min(b.idleClients, (measure.DescriptorLimit()-reserve)/p.Descriptors)
	for _, half := range []int{n / 2, n - n/2} { // two processes, so that their own limit holds
		h, err := measure.StartHelper(ctx, "idle-clients", idleJob{s.Port, half})
		if err != nil {
			return nil, err
		}
		defer h.Stop()
		if err := h.WaitReady(); err != nil {
			return nil, s.Blame(err)
		}
	}
	used, err := quietCPU(ctx, s, b.idleTime)
	if err != nil {
		return nil, err
	}
	full, err := s.RSS()
	if err != nil {
		return nil, err
	}
	return measure.Sample{
		admitted: float64(n), perClient: float64(full-empty) / float64(n) / 1024,
		idleMemory: float64(full) / (1 << 20), idleCPU: 100 * used,
	}, nil
}

// quietCPU is the part of one core that the server uses while nothing happens.
func quietCPU(ctx context.Context, s *measure.Server, d time.Duration) (float64, error) {
	before, err := s.CPU()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	after, err := s.CPU()
	return (after - before).Seconds() / time.Since(began).Seconds(), err
}

// writeIdleFile writes one line and dates it back an hour: a file changed a moment ago is not quiet.
func writeIdleFile(path string) error {
	if err := os.WriteFile(path, measure.AppendLine(nil, 0, 0), 0o644); err != nil {
		return fmt.Errorf("make file to serve: %w", err)
	}
	return dateBack(path)
}

func dateBack(path string) error {
	then := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, then, then); err != nil {
		return fmt.Errorf("date back: %w", err)
	}
	return nil
}

type idleJob struct{ Port, Clients int }

// idleTimeout bounds how long the clients take to be served.
const idleTimeout = 60 * time.Second

// idleClients is the role of clients that have all there is and wait for more, until stdin ends.
func idleClients(in *json.Decoder, out *json.Encoder) error {
	var job idleJob
	if err := in.Decode(&job); err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	p, err := measure.NewPoller(idleTimeout)
	if err != nil {
		return err
	}
	if _, err := openStreams(p, job.Port, job.Clients); err != nil {
		return err
	}
	if err := out.Encode(measure.Ready); err != nil {
		return err
	}
	var end any
	if err := in.Decode(&end); err != io.EOF {
		return fmt.Errorf("wait for the end: %v", err)
	}
	return nil
}

// measureIdleFiles gives the server a directory of many files in which nothing happens. The other
// peers serve a single file, so there is nobody to compare with.
func measureIdleFiles(ctx context.Context, b bench) (measure.Table, error) {
	name := measure.Thousands(b.idleFiles) + " files"
	t := measure.Table{
		Title: "Idle files: a directory in which nothing happens",
		Note: fmt.Sprintf("First scan: from the start of the process until the last file of the directory is served by its "+
			"name. Memory is what the server holds more than with one file, after %v; CPU that of this time.", b.filesTime),
		Columns: []measure.Column{firstScan.To(2), perFile.To(2), idleMemory.To(1), openFiles.To(0), idleCPU.To(3)},
	}
	many, one := filepath.Join(b.dir, "many"), filepath.Join(b.dir, "one")
	for dir, n := range map[string]int{many: b.idleFiles, one: 1} {
		if err := fillDirectory(dir, n); err != nil {
			return t, err
		}
		defer os.RemoveAll(dir)
	}
	peers := measure.Pick(b.peers, measure.Fairlead)
	r, err := measure.InTurns(ctx, name, peers, b.turns, func(p measure.Peer) (measure.Sample, error) {
		return idleFilesTrial(ctx, b, p, many, one)
	})
	t.Results = []measure.Result{r}
	t.Claims = []measure.Claim{r.Value(firstScan, measure.AtMost(2)), r.Value(perFile, measure.AtMost(1)),
		r.Value(openFiles, measure.AtMost(199)), r.Value(idleCPU, measure.AtMost(1))}
	return t, err
}

func fillDirectory(dir string, n int) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("make directory to serve: %w", err)
	}
	for i := range n {
		if err := writeIdleFile(filepath.Join(dir, fileName(i))); err != nil {
			return err
		}
	}
	return dateBack(dir)
}

func fileName(i int) string { return "app" + strconv.Itoa(i) + ".log" }

func idleFilesTrial(ctx context.Context, b bench, p measure.Peer, many, one string) (measure.Sample, error) {
	small, err := measure.Start(ctx, p, b.dir, one)
	if err != nil {
		return nil, err
	}
	defer small.Stop()
	if _, err := waitServed(small, fileName(0)); err != nil {
		return nil, err
	}
	s, err := measure.Start(ctx, p, b.dir, many)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	scan, err := waitServed(s, fileName(b.idleFiles-1))
	if err != nil {
		return nil, err
	}
	used, err := quietCPU(ctx, s, b.filesTime)
	if err != nil {
		return nil, err
	}
	fds, err := s.Descriptors()
	if err != nil {
		return nil, err
	}
	with, errWith := s.RSS()
	without, errWithout := small.RSS()
	return measure.Sample{
		firstScan: scan.Seconds(), openFiles: float64(fds), idleCPU: 100 * used,
		perFile: float64(with-without) / float64(b.idleFiles) / 1024, idleMemory: float64(with) / (1 << 20),
	}, errors.Join(errWith, errWithout)
}

// waitServed asks for a file until its line comes, and returns the time since the server's start.
func waitServed(s *measure.Server, name string) (time.Duration, error) {
	var last error
	for time.Since(s.Began) < measure.StartTimeout {
		if last = fetchLine(s, name); last == nil {
			return time.Since(s.Began), nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0, s.Blame(fmt.Errorf("%s is not served after %v: %w", name, measure.StartTimeout, last))
}

func fetchLine(s *measure.Server, name string) error {
	conn, err := net.Dial("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(measure.StartTimeout)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "%s 0\n", name); err != nil {
		return err
	}
	_, err = bufio.NewReader(conn).ReadString('\n')
	return err
}
