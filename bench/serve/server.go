//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// server is one peer, running.
type server struct {
	cmd    *exec.Cmd
	port   int
	began  time.Time
	stderr string        // where its log goes
	ended  chan struct{} // closed once the process is gone
}

// startTimeout bounds how long a server may take until it accepts.
const startTimeout = 20 * time.Second

// startServer starts p on a file and returns once it accepts clients. dir is for its log and state.
func startServer(ctx context.Context, p peer, dir, file string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err = os.MkdirTemp(dir, "s")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	argv := p.argv(port, file)
	s := &server{
		cmd:    exec.CommandContext(ctx, argv[0], argv[1:]...),
		port:   port,
		stderr: filepath.Join(dir, "stderr"),
		ended:  make(chan struct{}),
	}
	log, err := os.Create(s.stderr)
	if err != nil {
		return nil, fmt.Errorf("make log of server: %w", err)
	}
	defer log.Close()
	s.cmd.Stderr = log
	// Nothing of the user's own is touched, and nobody is slowed down by a log line for each client.
	s.cmd.Env = append(os.Environ(), "STATE_DIRECTORY="+dir, "XDG_RUNTIME_DIR="+dir, "RUST_LOG=error", "RUST_BACKTRACE=0")
	s.began = time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	go func() {
		s.cmd.Wait() // how it ends says nothing: we kill it
		close(s.ended)
	}()
	if err := s.waitAccepting(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	return s, nil
}

// freePort asks the kernel for one. It could be taken until the server binds it; then the trial
// fails, and says so.
func freePort() (int, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

func (s *server) waitAccepting() error {
	for time.Since(s.began) < startTimeout {
		fd, err := dial(s.port)
		if err == nil {
			return unix.Close(fd)
		}
		select {
		case <-s.ended:
			return s.blame(errors.New("it accepts no clients"))
		case <-time.After(2 * time.Millisecond):
		}
	}
	s.stop()
	return fmt.Errorf("it accepts no clients after %v", startTimeout)
}

func (s *server) stop() {
	s.cmd.Process.Kill()
	<-s.ended
}

// blame adds to the error of a trial that the server is gone, and shows the end of its log.
func (s *server) blame(err error) error {
	if text, readErr := os.ReadFile(s.stderr); readErr == nil {
		progress("the server's last words: %s", lastLines(string(text), 5))
	}
	select {
	case <-s.ended:
		return fmt.Errorf("the server ended (%v): %w", s.cmd.ProcessState, err)
	default:
		return err
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(len(lines)-n, 0):], "\n")
}

// cpu is the processor time the server has used, user and system, of all its threads. The clock
// of its process counts nanoseconds where /proc/PID/stat counts ticks of 10 ms.
func (s *server) cpu() (time.Duration, error) {
	const schedClock = 2 // CPUCLOCK_SCHED of the kernel's clock ids
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^s.cmd.Process.Pid<<3|schedClock), &ts); err != nil {
		return 0, fmt.Errorf("read CPU clock of server: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// rss is the memory it holds, in bytes. What the kernel holds for its sockets is not in it.
func (s *server) rss() (int64, error) {
	status, err := os.ReadFile(s.proc("status"))
	if err != nil {
		return 0, fmt.Errorf("read memory of server: %w", err)
	}
	for line := range bytes.Lines(status) {
		if kb, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			n, err := strconv.ParseInt(strings.Fields(string(kb))[0], 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("read memory of server: no VmRSS in %q", status)
}

func (s *server) descriptors() (int, error) {
	fds, err := os.ReadDir(s.proc("fd"))
	if err != nil {
		return 0, fmt.Errorf("count descriptors of server: %w", err)
	}
	return len(fds), nil
}

func (s *server) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), name)
}
