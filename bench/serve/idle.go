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
)

const (
	perClient  figure = "KiB/client"
	idleCPU    figure = "CPU % of a core"
	admitted   figure = "clients"
	firstScan  figure = "first scan s"
	perFile    figure = "KiB/file"
	openFiles  figure = "descriptors"
	idleMemory figure = "RSS MiB"
)

func measureIdle(ctx context.Context, b bench) ([]table, error) {
	ofClients, err := measureIdleClients(ctx, b)
	if err != nil {
		return nil, err
	}
	ofFiles, err := measureIdleFiles(ctx, b)
	if err != nil {
		return nil, err
	}
	return []table{ofClients, ofFiles}, nil
}

// measureIdleClients lets many clients wait at the end of a file that does not grow.
func measureIdleClients(ctx context.Context, b bench) (table, error) {
	t := table{
		title: "Idle clients: a quiet file",
		note: fmt.Sprintf("Each has read the file and waits. Memory is what the server holds more than before the first "+
			"one (RSS, without the kernel's sockets), CPU that of %v; no CPU is taken to be at most 0.1 %%. A server with several descriptors "+
			"for a client gets fewer clients where the limit (%d here) is too low.", b.idleTime, descriptorLimit()),
		columns: []column{{admitted, 0}, {perClient, 2}, {idleMemory, 1}, {idleCPU, 3}},
	}
	r, err := inTurns(ctx, clients(b.idleClients), b.pick(fairlead, latencyC, tailsrv), b.turns, func(p peer) (sample, error) {
		return idleClientsTrial(ctx, b, p)
	})
	t.results = []result{r}
	t.claims = []claim{r.value(admitted, atLeast(float64(b.idleClients))), r.value(perClient, atMost(16)),
		r.value(idleCPU, atMost(0.1)), r.ratio(perClient, tailsrv, noTarget)}
	return t, err
}

func idleClientsTrial(ctx context.Context, b bench, p peer) (sample, error) {
	path := filepath.Join(b.dir, "idle.log")
	if err := writeIdleFile(path); err != nil {
		return nil, err
	}
	defer os.Remove(path)
	s, err := startServer(ctx, p, b.dir, path)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	empty, err := s.rss()
	if err != nil {
		return nil, err
	}
	const reserve = 100 // for what the server has open besides
	n := min(b.idleClients, (descriptorLimit()-reserve)/p.descriptors)
	for _, half := range []int{n / 2, n - n/2} { // two processes, so that their own limit holds
		h, err := startHelper(ctx, "idle-clients", idleJob{s.port, half})
		if err != nil {
			return nil, err
		}
		defer h.stop()
		if err := h.waitReady(); err != nil {
			return nil, s.blame(err)
		}
	}
	used, err := s.quietCPU(ctx, b.idleTime)
	if err != nil {
		return nil, err
	}
	full, err := s.rss()
	if err != nil {
		return nil, err
	}
	return sample{
		admitted: float64(n), perClient: float64(full-empty) / float64(n) / 1024,
		idleMemory: float64(full) / (1 << 20), idleCPU: 100 * used,
	}, nil
}

// quietCPU is the part of one core that the server uses while nothing happens.
func (s *server) quietCPU(ctx context.Context, d time.Duration) (float64, error) {
	before, err := s.cpu()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	after, err := s.cpu()
	return (after - before).Seconds() / time.Since(began).Seconds(), err
}

// writeIdleFile writes one line and dates it back an hour: a file changed a moment ago is not quiet.
func writeIdleFile(path string) error {
	if err := os.WriteFile(path, appendLine(nil, 0, 0), 0o644); err != nil {
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
	p, err := newPoller(idleTimeout)
	if err != nil {
		return err
	}
	if _, err := openStreams(p, job.Port, job.Clients); err != nil {
		return err
	}
	if err := out.Encode(ready); err != nil {
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
func measureIdleFiles(ctx context.Context, b bench) (table, error) {
	name := thousands(b.idleFiles) + " files"
	t := table{
		title: "Idle files: a directory in which nothing happens",
		note: fmt.Sprintf("First scan: from the start of the process until the last file of the directory is served by its "+
			"name. Memory is what the server holds more than with one file, after %v; CPU that of this time.", b.filesTime),
		columns: []column{{firstScan, 2}, {perFile, 2}, {idleMemory, 1}, {openFiles, 0}, {idleCPU, 3}},
	}
	many, one := filepath.Join(b.dir, "many"), filepath.Join(b.dir, "one")
	for dir, n := range map[string]int{many: b.idleFiles, one: 1} {
		if err := fillDirectory(dir, n); err != nil {
			return t, err
		}
		defer os.RemoveAll(dir)
	}
	r, err := inTurns(ctx, name, b.pick(fairlead), b.turns, func(p peer) (sample, error) {
		return idleFilesTrial(ctx, b, p, many, one)
	})
	t.results = []result{r}
	t.claims = []claim{r.value(firstScan, atMost(2)), r.value(perFile, atMost(1)),
		r.value(openFiles, atMost(199)), r.value(idleCPU, atMost(1))}
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

func idleFilesTrial(ctx context.Context, b bench, p peer, many, one string) (sample, error) {
	small, err := startServer(ctx, p, b.dir, one)
	if err != nil {
		return nil, err
	}
	defer small.stop()
	if _, err := small.waitServed(fileName(0)); err != nil {
		return nil, err
	}
	s, err := startServer(ctx, p, b.dir, many)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	scan, err := s.waitServed(fileName(b.idleFiles - 1))
	if err != nil {
		return nil, err
	}
	used, err := s.quietCPU(ctx, b.filesTime)
	if err != nil {
		return nil, err
	}
	fds, err := s.descriptors()
	if err != nil {
		return nil, err
	}
	with, errWith := s.rss()
	without, errWithout := small.rss()
	return sample{
		firstScan: scan.Seconds(), openFiles: float64(fds), idleCPU: 100 * used,
		perFile: float64(with-without) / float64(b.idleFiles) / 1024, idleMemory: float64(with) / (1 << 20),
	}, errors.Join(errWith, errWithout)
}

// waitServed asks for a file until its line comes, and returns the time since the server's start.
func (s *server) waitServed(name string) (time.Duration, error) {
	var last error
	for time.Since(s.began) < startTimeout {
		if last = s.fetchLine(name); last == nil {
			return time.Since(s.began), nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0, s.blame(fmt.Errorf("%s is not served after %v: %w", name, startTimeout, last))
}

func (s *server) fetchLine(name string) error {
	conn, err := net.Dial("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(startTimeout)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "%s 0\n", name); err != nil {
		return err
	}
	_, err = bufio.NewReader(conn).ReadString('\n')
	return err
}
