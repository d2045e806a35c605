package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// drainLimit is how long a process goes on serving what is there once it was
// told to stop.
const drainLimit = 25 * time.Second

const (
	statusEvery = 5 * time.Second // at most so often the service manager hears of a change
	maxStatus   = 1000            // bytes; a message to it may have 4096
)

// notifyReady tells the service manager, if there is one, that every listener
// is bound, or that a reload is over, and how we are.
func notifyReady(status string) { notify(daemon.SdNotifyReady, statusLine(status)) }

// notifyReloading tells it that a reload has begun; notifyReady ends it, also
// if all stays as it was. The time has to be in the same message, and later than
// that of its signal, or it waits for ever.
func notifyReloading() {
	notify(daemon.SdNotifyReloading, strings.TrimSuffix(daemon.SdNotifyMonotonicUsec(), "\n"), statusLine("reloading"))
}

// notifyStopping tells it that the end has begun and how long it may take.
func notifyStopping() {
	notify(daemon.SdNotifyStopping, statusLine("serving to the end what is there"),
		fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (drainLimit+5*time.Second).Microseconds()))
}

// An error is of no use to anyone: without a manager there is nobody to tell.
func notify(states ...string) { daemon.SdNotify(false, strings.Join(states, "\n")) }

// statusLine makes of words one line: whatever follows a newline would be
// another message.
func statusLine(text string) string {
	text = strings.ReplaceAll(printable(text), "\n", " ")
	if len(text) > maxStatus {
		text = strings.ToValidUTF8(text[:maxStatus], "") + "..."
	}
	return "STATUS=" + text
}

// tellStatus tells the service manager how we are, whenever that is no longer
// what was said last. It returns once ctx ends.
func tellStatus(ctx context.Context, said string, status func() string) {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return
	}
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if now := status(); now != said && ctx.Err() == nil {
			notify(statusLine(now))
			said = now
		}
	}
}

// watchdog tells the service manager that we are alive, twice in the time after
// which it would end us, as long as alive says so and takes no longer than half
// of that time. So alive has to ask what can hang: a timer alone would go on
// while nothing else does. It goes on while clients are served to their end, and
// returns once ctx ends, but not before alive does.
func watchdog(ctx context.Context, alive func() error, log *slog.Logger) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the watchdog is not fed", "err", err)
	}
	if err != nil || limit <= 0 {
		return
	}
	tick := time.NewTicker(limit / 2)
	defer tick.Stop()
	for {
		asked := time.Now()
		err := alive()
		switch took := time.Since(asked); {
		case err != nil:
			log.Warn("the watchdog is not fed: this process is not well", "err", err)
		case took > limit/2:
			log.Warn("the watchdog is not fed: this process is slow", "dur", took)
		default:
			notify(daemon.SdNotifyWatchdog)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// passedSockets returns the sockets that systemd opened for us, by the name
// that the unit's FileDescriptorName gives them, which must be one of rooms:
// nobody would answer at another. Without rooms it is any there is.
func passedSockets(rooms ...string) (map[string][]net.Listener, error) {
	if len(rooms) == 0 {
		rooms = []string{roomHTTP, roomServe, roomEntries}
	}
	passed := make(map[string][]net.Listener)
	for _, f := range activation.Files(true) {
		err := pass(f, rooms, passed)
		f.Close()
		if err != nil {
			for _, lns := range passed {
				for _, ln := range lns {
					ln.Close()
				}
			}
			return nil, err
		}
	}
	return passed, nil
}

func pass(f *os.File, rooms []string, passed map[string][]net.Listener) error {
	name := f.Name()
	if !slices.Contains(rooms, name) {
		return usagef("systemd passed a socket named %q: FileDescriptorName= must be %s", name, oneOf(rooms))
	}
	ln, err := net.FileListener(f)
	if err != nil {
		return usagef("nobody can connect to the socket named %q that systemd passed; it wants ListenStream=: %v", name, err)
	}
	passed[name] = append(passed[name], ln)
	return nil
}

// oneOf lists words for people.
func oneOf(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
