package main

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// drainLimit is how long a process goes on serving what is there once it was
// told to stop.
const drainLimit = 25 * time.Second

// notifyReady tells the service manager, if there is one, that every listener
// is bound.
func notifyReady(status string) { notify(daemon.SdNotifyReady, "STATUS="+status) }

// notifyStopping tells it that the end has begun and how long it may take.
func notifyStopping() {
	notify(daemon.SdNotifyStopping, "STATUS=serving to the end what is there",
		fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (drainLimit+5*time.Second).Microseconds()))
}

// An error is of no use to anyone: without a manager there is nobody to tell.
func notify(states ...string) { daemon.SdNotify(false, strings.Join(states, "\n")) }

// passedSockets returns the sockets that systemd opened for us, by the name
// that the unit's FileDescriptorName gives them.
func passedSockets() (map[string][]net.Listener, error) {
	passed, err := activation.ListenersWithNames()
	if err != nil {
		return nil, fmt.Errorf("take the sockets that systemd passed: %w", err)
	}
	for name := range passed {
		if name != roomServe && name != roomHTTP {
			return nil, usagef("systemd passed a socket named %q: FileDescriptorName= must be %s or %s", name, roomServe, roomHTTP)
		}
	}
	return passed, nil
}
