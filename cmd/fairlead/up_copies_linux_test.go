package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// sourceAt is what the page of a process is told of a log; nil: nothing.
func sourceAt(t *testing.T, url, name string) *sourceReport {
	t.Helper()
	p := newProcess(t, "fairlead-curl", url+"/status").start()
	p.wait()
	var status processReport
	if err := json.Unmarshal([]byte(p.out.String()), &status); err != nil {
		t.Fatalf("GET %s/status: %v: %.300s%s", url, err, p.out.String(), p.errs.String())
	}
	i := slices.IndexFunc(status.Sources, func(s sourceReport) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &status.Sources[i]
}

// sourceIs waits until that is so.
func sourceIs(t *testing.T, url, name, what string, is func(s *sourceReport) bool) {
	t.Helper()
	var last *sourceReport
	if !until(func() bool {
		last = sourceAt(t, url, name)
		return last != nil && is(last)
	}) {
		t.Errorf("the page at %s is told %+v of %s, want %s", url, last, name, what)
	}
}

// Sources of the page: a copy is there as from its sender, with its state and how much
// of it is in the stream; at the sender each receiver with how far it is, and, once it
// cannot be reached, with how far behind, since when, and why.
func TestUpShowsCopies(t *testing.T) {
	t.Parallel()
	own, dir := quick(t), quick(t)
	writeFile(t, filepath.Join(own, "own.log"), "x\n")
	file := writeFile(t, filepath.Join(dir, "app.log"), "one\ntwo\n")
	hub, page := startUp(t, "--receive", "127.0.0.1:0", own)
	v := &vault{t: t, hub: hub.cmd.Env}
	addr := hub.errs.waitFor(t, `"machines":"([^"]+)"`)
	v.exec(nil, "join", "-q", strings.TrimSpace(v.exec(v.hub, "invite", "-q", "--advertise", addr, "--name", "vault")), "--name", "web1")
	sender := newProcess(t, "fairlead", "up", "--http", "127.0.0.1:0", "--to", "vault", dir)
	sender.cmd.Env = v.here
	there := sender.start().url()
	copied := "web1:" + file

	all := func(size int64) func(s *sourceReport) bool {
		return func(s *sourceReport) bool {
			return s.From == "web1" && s.State == "ok" && s.Size == size && s.Read != nil && *s.Read == size && len(s.Generation) == 32 && len(s.Shipped) == 0
		}
	}
	acked := func(size int64) func(s *sourceReport) bool {
		return func(s *sourceReport) bool {
			return s.From == "" && s.Size == size && len(s.Shipped) == 1 && s.Shipped[0].To == "vault" && s.Shipped[0].Acknowledged == size &&
				s.Shipped[0].Lag == 0 && s.Shipped[0].Error == "" && s.Shipped[0].State == "flowing"
		}
	}
	sourceIs(t, page, copied, "8 bytes from web1, all read", all(8))
	sourceIs(t, there, file, "8 bytes acknowledged", acked(8))
	if s := sourceAt(t, page, filepath.Join(own, "own.log")); s == nil || s.From != "" {
		t.Errorf("a log of this machine is %+v, want it to be from nobody", s)
	}
	if s, c := sourceAt(t, there, file), sourceAt(t, page, copied); s.Generation != c.Generation {
		t.Errorf("the generation is %s, and of the copy %s", s.Generation, c.Generation)
	}
	if err := appendTo(file, "three\n"); err != nil {
		t.Fatal(err)
	}
	sourceIs(t, page, copied, "14 bytes", all(14))
	sourceIs(t, there, file, "14 bytes acknowledged", acked(14))

	hub.signal(syscall.SIGKILL)
	hub.wait()
	if err := appendTo(file, "four\n"); err != nil {
		t.Fatal(err)
	}
	sourceIs(t, there, file, "5 bytes behind, and why", func(s *sourceReport) bool {
		return s.Size == 19 && len(s.Shipped) == 1 && s.Shipped[0].Acknowledged == 14 && s.Shipped[0].Lag == 5 &&
			s.Shipped[0].LagSeconds > 0 && strings.Contains(s.Shipped[0].Error, "refused")
	})
	again := newProcess(t, "fairlead", "up", "--http", "127.0.0.1:0", "--receive", addr, own)
	again.cmd.Env = hub.cmd.Env
	page = again.start().url()
	sourceIs(t, there, file, "all of it acknowledged", acked(19))
	sourceIs(t, page, copied, fmt.Sprintf("%d bytes", 19), all(19))
}
