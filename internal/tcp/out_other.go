//go:build !linux

package tcp

import "net"

// NewOut returns the way out of a connection.
func NewOut(conn net.Conn) Out { return copyTo(conn) }
