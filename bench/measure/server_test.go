//go:build linux

package measure

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// startShell starts a server that is a script.
func startShell(t *testing.T, script string) *Server {
	t.Helper()
	s, err := Start(t.Context(), Peer{Name: "script", Dials: true, Argv: func(int, string) []string {
		return []string{"/bin/sh", "-c", script}
	}}, t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// What a server has forked ends with it: it would be a part of every figure from there on.
func TestStopEndsChildren(t *testing.T) {
	held := filepath.Join(t.TempDir(), "held")
	if err := unix.Mkfifo(held, 0o600); err != nil {
		t.Fatal(err)
	}
	s := startShell(t, "sleep 1000 >"+held+" & wait")
	f, err := os.Open(held) // once the child has it open
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s.Stop()
	if _, err := io.ReadAll(f); err != nil { // until nobody has it open
		t.Error(err)
	}
}

// A server that ended by itself has used what it and its children have.
func TestUsedCountsChildren(t *testing.T) {
	s := startShell(t, `(i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done)& wait`)
	if err := s.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	own := s.cmd.ProcessState
	if s.Used() <= 0 || s.Used() != own.UserTime()+own.SystemTime() {
		t.Errorf("used = %v", s.Used())
	}
}

func TestWaitAndEnd(t *testing.T) {
	tests := []struct {
		name, script string
		end          bool // it is asked to
		fails        bool
	}{
		{"ends by itself", "exit 0", false, false},
		{"says that it failed", "exit 3", false, true},
		{"ends when it is asked", "trap 'exit 0' TERM; echo >ready; while :; do sleep 0.01; done", true, false},
		{"is killed by the signal", "kill -9 $$", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ready := filepath.Join(t.TempDir(), "ready")
			if err := unix.Mkfifo(ready, 0o600); err != nil {
				t.Fatal(err)
			}
			t.Chdir(filepath.Dir(ready))
			s := startShell(t, tt.script)
			if tt.end {
				if _, err := os.ReadFile(ready); err != nil { // the trap is set
					t.Fatal(err)
				}
				if err := s.End(); err != nil {
					t.Errorf("end = %v", err)
				}
			}
			if err := s.Wait(t.Context()); (err != nil) != tt.fails {
				t.Errorf("wait = %v, fails is to be %v", err, tt.fails)
			}
		})
	}
}

func TestWaitEndsWithTheContext(t *testing.T) {
	s := startShell(t, "sleep 1000")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Wait(ctx); err != context.Canceled {
		t.Errorf("wait = %v, want %v", err, context.Canceled)
	}
}

func TestListens(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		addr := map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"}[network]
		ln, err := net.Listen(network, addr)
		if err != nil {
			t.Logf("%s is not here: %v", network, err)
			continue
		}
		port := ln.Addr().(*net.TCPAddr).Port
		if !listens(port) {
			t.Errorf("listens(%d) = false while %s does", port, network)
		}
		ln.Close()
		if listens(port) {
			t.Errorf("listens(%d) = true after it was closed", port)
		}
	}
}
