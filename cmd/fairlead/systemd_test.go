//go:build unix

package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// fakeManager is the socket of a service manager, for this process.
func fakeManager(t *testing.T) *net.UnixConn {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", socket)
	return c
}

// heard returns the messages that have come, without waiting.
func heard(t *testing.T, c *net.UnixConn) (messages []string) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for {
		n := -1
		raw.Read(func(fd uintptr) bool {
			n, err = syscall.Read(int(fd), buf)
			return true
		})
		if err != nil {
			return messages
		}
		messages = append(messages, string(buf[:n]))
	}
}

// The manager hears of a change, of nothing else, and not more often than it
// should.
func TestTellStatus(t *testing.T) {
	manager := fakeManager(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var files atomic.Int64
		files.Store(1)
		done := make(chan struct{})
		go func() {
			tellStatus(ctx, "1 file", func() string { return count(files.Load(), "file") })
			close(done)
		}()
		after := func(d time.Duration, want ...string) {
			t.Helper()
			<-time.After(d)
			synctest.Wait()
			if got := heard(t, manager); !slices.Equal(got, want) {
				t.Errorf("heard %q, want %q", got, want)
			}
		}
		after(5 * statusEvery) // what READY said is not said again
		files.Store(2)
		after(statusEvery, "STATUS=2 files")
		after(5 * statusEvery)
		for range 100 {
			files.Add(1)
			<-time.After(statusEvery / 100)
		}
		after(statusEvery, "STATUS=102 files")
		files.Store(1)
		stop()
		after(5 * statusEvery)
		<-done
	})
}

// The watchdog is fed while alive answers in time, and only then.
func TestWatchdog(t *testing.T) {
	manager := fakeManager(t)
	t.Setenv("WATCHDOG_USEC", "10000000")
	const half = 5 * time.Second
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		var answer atomic.Pointer[func() error]
		from := func(alive func() error) { answer.Store(&alive) }
		from(func() error { return nil })
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			watchdog(ctx, func() error { return (*answer.Load())() }, slog.New(slog.NewTextHandler(&said, nil)))
			close(done)
		}()
		fed := func(d time.Duration, least, most int) {
			t.Helper()
			<-time.After(d)
			synctest.Wait()
			got := heard(t, manager)
			if len(got) < least || len(got) > most || slices.ContainsFunc(got, func(m string) bool { return m != "WATCHDOG=1" }) {
				t.Errorf("after %s heard %q, want WATCHDOG=1 %d to %d times", d, got, least, most)
			}
		}
		fed(0, 1, 1) // at once: the time has been running since READY
		fed(10*half, 9, 10)
		from(func() error { return errors.New("the set does not answer") })
		fed(half, 0, 1)
		fed(10*half, 0, 0)
		from(func() error { <-time.After(half + time.Second); return nil })
		fed(10*half, 0, 0)
		from(func() error { return nil })
		fed(3*half, 1, 4)
		fed(10*half, 9, 10)
		hung := make(chan struct{})
		from(func() error { <-hung; return nil })
		fed(half, 0, 1)
		fed(100*half, 0, 0)
		close(hung)
		fed(2*half, 0, 3)
		from(func() error { return nil })
		fed(10*half, 9, 10)
		stop()
		<-done
		fed(10*half, 0, 1)
		for _, want := range []string{"the set does not answer", "is slow"} {
			if !strings.Contains(said.String(), want) {
				t.Errorf("the log says nothing of %q:\n%s", want, said.String())
			}
		}
	})
}

// A watchdog that is meant for another process is not fed by this one.
func TestWatchdogOfAnother(t *testing.T) {
	manager := fakeManager(t)
	t.Setenv("WATCHDOG_USEC", "10000000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getppid()))
	watchdog(t.Context(), func() error { return nil }, slog.New(slog.DiscardHandler))
	if got := heard(t, manager); len(got) > 0 {
		t.Errorf("heard %q, want nothing", got)
	}
}

// A process of its own: READY, the watchdog, reloads by HUP whose two messages
// are whole, and the end.
func TestService(t *testing.T) {
	manager := fakeManager(t)
	manager.SetDeadline(time.Now().Add(patience))
	p := newProcess(t, "fairlead-service")
	p.cmd.Env = append(p.cmd.Env, "NOTIFY_SOCKET="+os.Getenv("NOTIFY_SOCKET"), "WATCHDOG_USEC=20000")
	p.start()
	fed := 0
	next := func() string {
		for {
			m := receive(t, manager)
			if m != "WATCHDOG=1" {
				return m
			}
			fed++
		}
	}
	if got, want := next(), "READY=1\nSTATUS=reloaded 0 times"; got != want {
		t.Errorf("first message %q, want %q", got, want)
	}
	for receive(t, manager) != "WATCHDOG=1" {
		t.Error("a message that nobody knows")
	}
	for n := range 3 {
		before := monotonic(t)
		p.signal(syscall.SIGHUP)
		reloading := regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=(\d+)\nSTATUS=reloading$`).FindStringSubmatch(next())
		if reloading == nil {
			t.Fatalf("HUP %d: RELOADING=1 did not come with its time, in one message", n)
		}
		if at, err := strconv.ParseInt(reloading[1], 10, 64); err != nil || at < before || at > monotonic(t) {
			t.Errorf("HUP %d: MONOTONIC_USEC=%s, want from %d to %d", n, reloading[1], before, monotonic(t))
		}
		if got, want := next(), "READY=1\nSTATUS=reloaded "+strconv.Itoa(n+1)+" times"; got != want {
			t.Errorf("HUP %d: %q, want %q", n, got, want)
		}
	}
	p.signal(syscall.SIGTERM)
	if got := next(); !strings.HasPrefix(got, "STOPPING=1\n") {
		t.Errorf("after TERM %q, want STOPPING=1", got)
	}
	if state := p.wait(); !state.Success() {
		t.Errorf("the process ended with %v, want 0; stderr %s", state, p.errs.String())
	}
	t.Logf("fed %d times", fed)
}

func monotonic(t *testing.T) int64 {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	return ts.Nano() / 1000
}

// The abort that the watchdog of a service manager sends shows what hung.
func TestAbortPrintsGoroutines(t *testing.T) {
	manager := fakeManager(t)
	manager.SetDeadline(time.Now().Add(patience))
	p := newProcess(t, "fairlead-service")
	p.cmd.Env = append(p.cmd.Env, "NOTIFY_SOCKET="+os.Getenv("NOTIFY_SOCKET"))
	p.start()
	receive(t, manager)
	p.signal(syscall.SIGABRT)
	if state := p.wait(); state.Success() || !strings.Contains(p.errs.String(), "\ngoroutine ") {
		t.Errorf("ABRT: %v, stderr %.200q, want an error and the goroutines", state, p.errs.String())
	}
}

// A socket that this command would not answer at, or that nobody can connect to,
// is an error that names the cure.
func TestSocketActivationRefused(t *testing.T) {
	datagrams, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	udp, err := datagrams.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for _, tt := range []struct {
		names, want string
		files       []*os.File
	}{
		{"tcp", `a socket named "tcp": FileDescriptorName= must be serve or http`, []*os.File{listenerFile(t, listener(t))}},
		{"http:nonsense", `a socket named "nonsense": FileDescriptorName=`, []*os.File{listenerFile(t, listener(t)), listenerFile(t, listener(t))}},
		{"http", "ListenStream=", []*os.File{udp}},
	} {
		p := newProcess(t, "fairlead-activated", "serve", "a.log")
		p.cmd.ExtraFiles = tt.files
		p.cmd.Env = append(p.cmd.Env, "LISTEN_FDS="+strconv.Itoa(len(tt.files)), "LISTEN_FDNAMES="+tt.names)
		p.start()
		if state := p.wait(); state.ExitCode() != exitUsage || !strings.Contains(p.errs.String(), tt.want) {
			t.Errorf("sockets %s: %v, %q, want code 2 and %q", tt.names, state, p.errs.String(), tt.want)
		}
	}
}
