package main

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// PROMISE up: killed again and again beside rotations, and started again, it goes
// on so that a client with its last id gets every line once, in order, at places
// that cover the files.
func TestPromiseUpResume(t *testing.T) {
	const kills = 6
	dir := t.TempDir()
	logs := newDemoLogs(filepath.Join(dir, "logs"), true)
	logs.rate, logs.turns = 1000, 700*time.Millisecond
	if err := logs.open(); err != nil {
		t.Fatal(err)
	}
	defer logs.close()
	ln := listener(t)
	addr := ln.Addr().String()
	ln.Close()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))

	var env []string
	start := func() *process {
		p := newProcess(t, "fairlead", "up", "--http", addr, filepath.Join(dir, "logs"))
		if env == nil {
			env = p.cmd.Env
		}
		p.cmd.Env = env
		p.start()
		p.url()
		return p
	}
	p := start()
	if !until(func() bool {
		resp, err := http.Get("http://" + addr + "/readyz")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == 200
	}) {
		t.Fatalf("not ready; stderr\n%s", p.errs.String())
	}
	written := make(chan error, 1)
	go func() { written <- logs.run(t.Context()) }()
	check := &demoCheck{url: "http://" + addr + "/", logs: logs, wait: patience}
	check.begin()
	for n := range kills {
		kill := time.AfterFunc(time.Duration(100+dice.IntN(900))*time.Millisecond, func() { p.cmd.Process.Kill() })
		err := check.follow(t.Context(), time.Now().Add(patience))
		for err == nil { // it was only cut
			err = check.follow(t.Context(), time.Now().Add(patience))
		}
		if !dropped(err) {
			t.Fatalf("before kill %d: %v", n, err)
		}
		p.wait()
		kill.Stop()
		p = start()
	}
	logs.stop()
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if err := check.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	turns, lines := 0, 0
	for _, l := range logs.all {
		turns, lines = turns+l.turn, lines+l.n
	}
	t.Logf("%d lines through %d rotations, %d kills and %d cut connections", lines, turns, kills, check.cuts)
	p.signal(syscall.SIGTERM)
	if state := p.wait(); !state.Success() {
		t.Errorf("the process ended with %v; stderr\n%s", state, p.errs.String())
	}
}

// dropped says whether an error is that of a connection whose other end is gone.
func dropped(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
