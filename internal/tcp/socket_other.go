//go:build !linux

package tcp

import (
	"net"
	"time"
)

// limitSilence is left to the deadline of each write.
func limitSilence(*net.TCPConn, time.Duration) {}

// SetBacklog leaves a listener's queue as the system made it.
func SetBacklog(*net.TCPListener, int) error { return nil }

// awaitHangup is not to be had here: a client that has gone is noticed at the
// next write, or by the kernel's keepalive.
func awaitHangup(net.Conn) bool { return false }

// Dead is never known.
func Dead(net.Conn) bool { return false }

func freeDescriptors() (n int, ok bool) { return 0, false }
