//go:build !linux

package serve

import (
	"net"
	"time"
)

func newOut(conn net.Conn) out { return copyTo(conn) }

// limitSilence is left to the deadline of each write.
func limitSilence(*net.TCPConn, time.Duration) {}

// awaitHangup is not to be had here: a client that has gone is noticed at the
// next write, or by the kernel's keepalive.
func awaitHangup(net.Conn) bool { return false }

func dead(net.Conn) bool { return false }

func freeDescriptors() (n int, ok bool) { return 0, false }
