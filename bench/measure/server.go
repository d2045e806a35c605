//go:build linux

package measure

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
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Server is one peer, running.
type Server struct {
	cmd    *exec.Cmd
	Port   int
	Began  time.Time
	dir    string        // of this process
	stderr string        // where its log goes
	ended  chan struct{} // closed once the process is gone
}

// StartTimeout bounds how long a server may take until it accepts.
const StartTimeout = 20 * time.Second

// Start starts p on a file and returns once it accepts clients. dir is for its log and state, which
// Stop removes.
func Start(ctx context.Context, p Peer, dir, file string) (*Server, error) {
	port := p.Port
	if port == 0 {
		free, err := FreePort()
		if err != nil {
			return nil, err
		}
		port = free
	}
	dir, err := os.MkdirTemp(dir, "s")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	argv := p.Argv(port, file)
	s := &Server{
		cmd:    exec.CommandContext(ctx, argv[0], argv[1:]...),
		Port:   port,
		dir:    dir,
		stderr: filepath.Join(dir, "stderr"),
		ended:  make(chan struct{}),
	}
	log, err := os.Create(s.stderr)
	if err != nil {
		return nil, fmt.Errorf("make log of server: %w", err)
	}
	defer log.Close()
	s.cmd.Stderr = log
	// A group of its own: what it forks ends with it.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Cancel = s.kill
	// Nothing of the user's own is touched, and nobody is slowed down by a log line for each client.
	s.cmd.Env = append(os.Environ(), "HOME="+dir, "STATE_DIRECTORY="+dir, "XDG_STATE_HOME="+dir, "XDG_RUNTIME_DIR="+dir,
		"RUST_LOG=error", "RUST_BACKTRACE=0")
	s.cmd.Env = append(s.cmd.Env, p.Env...)
	s.Began = time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	go func() {
		s.cmd.Wait() // how it ended is in ProcessState
		close(s.ended)
	}()
	if p.Dials {
		return s, nil
	}
	if err := s.waitAccepting(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	return s, nil
}

// FreePort asks the kernel for one. It could be taken until the server binds it; then the trial
// fails, and says so.
func FreePort() (int, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

func (s *Server) waitAccepting() error {
	for time.Since(s.Began) < StartTimeout {
		if listens(s.Port) {
			return nil
		}
		select {
		case <-s.ended:
			err := s.Blame(errors.New("it accepts no clients"))
			s.Stop()
			return err
		case <-time.After(2 * time.Millisecond):
		}
	}
	s.Stop()
	return fmt.Errorf("it accepts no clients after %v", StartTimeout)
}

// listens says whether somebody accepts at a port. It does not connect: some servers take one
// client only.
func listens(port int) bool {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		end, listening := fmt.Appendf(nil, ":%04X", port), []byte("0A")
		for line := range bytes.Lines(text) {
			if f := bytes.Fields(line); len(f) > 3 && bytes.HasSuffix(f[1], end) && bytes.Equal(f[3], listening) {
				return true
			}
		}
	}
	return false
}

// Wait waits until the server has ended by itself. An exit code that is not 0 is an error.
func (s *Server) Wait(ctx context.Context) error {
	select {
	case <-s.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	if !s.cmd.ProcessState.Success() {
		return s.Blame(errors.New("it did not do its work"))
	}
	return nil
}

// End asks the server to end, and waits for it. How it ends says nothing.
func (s *Server) End() error {
	s.cmd.Process.Signal(unix.SIGTERM)
	select {
	case <-s.ended:
		return nil
	case <-time.After(StartTimeout):
		return s.Blame(fmt.Errorf("it does not end within %v", StartTimeout))
	}
}

// Used is the processor time of a server that has ended, user and system, with that of the
// processes it waited for.
func (s *Server) Used() time.Duration {
	<-s.ended
	return s.cmd.ProcessState.UserTime() + s.cmd.ProcessState.SystemTime()
}

// kill ends it and what it has forked.
func (s *Server) kill() error { return unix.Kill(-s.cmd.Process.Pid, unix.SIGKILL) }

// Stop ends the server.
func (s *Server) Stop() {
	s.kill()
	<-s.ended
	os.RemoveAll(s.dir)
}

// Blame adds to the error of a trial that the server is gone, and shows the end of its log.
func (s *Server) Blame(err error) error {
	if text, readErr := os.ReadFile(s.stderr); readErr == nil {
		Progress("the server's last words: %s", lastLines(string(text), 5))
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

// CPU is the processor time the server has used, user and system, of all its threads. The clock
// of its process counts nanoseconds where /proc/PID/stat counts ticks of 10 ms.
func (s *Server) CPU() (time.Duration, error) {
	const schedClock = 2 // CPUCLOCK_SCHED of the kernel's clock ids
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^s.cmd.Process.Pid<<3|schedClock), &ts); err != nil {
		return 0, fmt.Errorf("read CPU clock of server: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// RSS is the memory it holds, in bytes. What the kernel holds for its sockets is not in it.
func (s *Server) RSS() (int64, error) { return s.memory("VmRSS:") }

// Remember adds to a sample what memory the server holds, and has held.
func (s *Server) Remember(sample Sample) error {
	now, errNow := s.RSS()
	most, errMost := s.PeakRSS()
	sample[RSS], sample[PeakRSS] = float64(now)/(1<<20), float64(most)/(1<<20)
	return errors.Join(errNow, errMost)
}

// PeakRSS is the most that RSS ever was.
func (s *Server) PeakRSS() (int64, error) { return s.memory("VmHWM:") }

func (s *Server) memory(key string) (int64, error) {
	status, err := os.ReadFile(s.proc("status"))
	if err != nil {
		return 0, fmt.Errorf("read memory of server: %w", err)
	}
	for line := range bytes.Lines(status) {
		if kb, ok := bytes.CutPrefix(line, []byte(key)); ok {
			n, err := strconv.ParseInt(strings.Fields(string(kb))[0], 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("read memory of server: no %s in %q", key, status)
}

// Descriptors is how many it has open.
func (s *Server) Descriptors() (int, error) {
	fds, err := os.ReadDir(s.proc("fd"))
	if err != nil {
		return 0, fmt.Errorf("count descriptors of server: %w", err)
	}
	return len(fds), nil
}

func (s *Server) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), name)
}

// OwnCPU is the processor time this process has used.
func OwnCPU() (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("read own CPU time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
